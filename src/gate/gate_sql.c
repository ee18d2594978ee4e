/*-------------------------------------------------------------------------
 *
 * gate_sql.c
 *		What the SQL side of gates (sql/always) needs of the C side.
 *
 * Internal: granted to nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/args.h"
#include "base/errors.h"
#include "gate/apply.h"
#include "gate/visit.h"

PG_FUNCTION_INFO_V1(quota_sql_gate_arguments);
PG_FUNCTION_INFO_V1(quota_sql_gate_try);
PG_FUNCTION_INFO_V1(quota_sql_gate_drifts);
PG_FUNCTION_INFO_V1(quota_sql_gate_rows);
PG_FUNCTION_INFO_V1(quota_sql_gate_charges);
PG_FUNCTION_INFO_V1(quota_sql_gate_key_table);
PG_FUNCTION_INFO_V1(quota_sql_gate_adjust);

/* quota_internal._gate_arguments(tgargs bytea) -> text[] */
Datum
quota_sql_gate_arguments(PG_FUNCTION_ARGS)
{
	ArrayBuildState *array = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	bytea	   *packed;
	const char *at;
	const char *end;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	packed = PG_GETARG_BYTEA_PP(0);
	at = VARDATA_ANY(packed);
	end = at + VARSIZE_ANY_EXHDR(packed);
	for (; at < end; at += strlen(at) + 1)
		array = accumArrayResult(array, CStringGetTextDatum(at), false, TEXTOID,
								 CurrentMemoryContext);
	PG_RETURN_DATUM(makeArrayResult(array, CurrentMemoryContext));
}

static void
declare(ArrayType *arguments, QuotaGate *gate)
{
	char	  **args;
	Datum	   *texts;
	int			nargs;

	deconstruct_array(arguments, TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL, &nargs);
	args = (char **) palloc(sizeof(char *) * Max(nargs, 1));
	for (int i = 0; i < nargs; i++)
		args[i] = TextDatumGetCString(texts[i]);
	quota_gate_declare(nargs, args, gate);
}

/*
 * quota_internal._gate_try(gated oid, arguments text[]) -> void: the errors that the next
 * row would meet in the gate's declaration
 */
Datum
quota_sql_gate_try(PG_FUNCTION_ARGS)
{
	Relation	gated = quota_arg_relation(fcinfo, 0, "gated", AccessShareLock);
	QuotaGate	gate;

	declare(PG_GETARG_ARRAYTYPE_P(1), &gate);
	quota_gate_try(&gate, gated);
	relation_close(gated, AccessShareLock);
	PG_RETURN_VOID();
}

/* quota_internal._gate_drifts(gated oid, arguments text[]) -> text: why a gate can drift, or NULL */
Datum
quota_sql_gate_drifts(PG_FUNCTION_ARGS)
{
	Relation	gated = quota_arg_relation(fcinfo, 0, "gated", AccessShareLock);
	QuotaGate	gate;
	QuotaDrift	drift;

	declare(PG_GETARG_ARRAYTYPE_P(1), &gate);
	drift = quota_gate_drift(&gate, gated);
	relation_close(gated, AccessShareLock);
	if (drift.by_itself && drift.by_others)
		PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s; %s", drift.by_itself, drift.by_others)));
	if (drift.by_itself || drift.by_others)
		PG_RETURN_TEXT_P(cstring_to_text(drift.by_itself ? drift.by_itself : drift.by_others));
	PG_RETURN_NULL();
}

static void
put_rows(ReturnSetInfo *result, const char *subject, int64 amount, int64 nrows)
{
	Datum		values[3] = {
		subject ? CStringGetTextDatum(subject) : (Datum) 0, Int64GetDatum(amount), Int64GetDatum(nrows)
	};
	bool		nulls[3] = {subject == NULL, false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * quota_internal._gate_rows(gated oid, arguments text[], member oid, warn boolean)
 *		-> setof (subject text, amount bigint, rows bigint)
 *
 * What the rows of one table that the statement sees are worth by a gate's
 * expressions, which run as the owner of the gated table.  Those that are nobody's
 * are a result of subject NULL, or with "warn" a WARNING.
 */
Datum
quota_sql_gate_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaGate	gate;
	QuotaVisit	visit;
	QuotaPayer **payers;
	int			npayers;
	Relation	gated;
	Relation	member;

	InitMaterializedSRF(fcinfo, 0);
	declare(PG_GETARG_ARRAYTYPE_P(1), &gate);
	gated = quota_arg_relation(fcinfo, 0, "gated", AccessShareLock);
	member = quota_arg_relation(fcinfo, 2, "member", AccessShareLock);
	quota_visit_begin(&visit, &gate, member);
	quota_gate_visit_table(&gate, gated, member, NULL, NULL, quota_visit_present, &visit);
	if (PG_GETARG_BOOL(3))
		quota_visit_end(&visit, "counted", "An UPDATE that gives a row one charges it.");
	else if (visit.nlost > 0)
		put_rows(result, NULL, 0, visit.nlost);
	relation_close(member, AccessShareLock);
	relation_close(gated, AccessShareLock);

	payers = quota_tally_sorted(visit.tally, &npayers);
	for (int i = 0; i < npayers; i++)
		put_rows(result, payers[i]->subject, payers[i]->taken, payers[i]->nrows);
	return (Datum) 0;
}

static void
put_charge(const QuotaRowValue *row, void *state)
{
	ReturnSetInfo *result = (ReturnSetInfo *) state;
	QuotaSubject subject;
	Datum		values[3] = {CStringGetTextDatum(row->key), row->subject, Int64GetDatum(row->amount)};
	bool		nulls[3] = {false, false, false};

	nulls[1] = row->no_subject || !quota_subject_is_valid(row->subject, &subject);
	if (!quota_has_amount(row))
		values[2] = Int64GetDatum(0);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * quota_internal._gate_charges(gated oid, arguments text[], member oid, feature text)
 *		-> setof (key text, subject text, amount bigint)
 */
Datum
quota_sql_gate_charges(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaGate	gate;
	Relation	gated;
	Relation	member;

	InitMaterializedSRF(fcinfo, 0);
	declare(PG_GETARG_ARRAYTYPE_P(1), &gate);
	gated = quota_arg_relation(fcinfo, 0, "gated", AccessShareLock);
	member = quota_arg_relation(fcinfo, 2, "member", AccessShareLock);
	/* a partitioned table has no rows of its own */
	if (member->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		quota_gate_visit_table(&gate, gated, member, NULL,
							   quota_key_of(gated, text_to_cstring(PG_GETARG_TEXT_PP(3))),
							   put_charge, result);
	relation_close(member, AccessShareLock);
	relation_close(gated, AccessShareLock);
	return (Datum) 0;
}

/* quota_internal._gate_key_table(gated oid, feature text) -> oid */
Datum
quota_sql_gate_key_table(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(quota_key_table(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

/* quota_internal._gate_adjust(subject text, feature text, difference bigint, metadata jsonb) -> bigint */
Datum
quota_sql_gate_adjust(PG_FUNCTION_ARGS)
{
	const QuotaFeature *feature;
	QuotaSubject subject;
	QuotaGate	gate = {0};

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	gate.feature = quota_arg_feature(fcinfo, 1);
	feature = quota_gate_feature(&gate);
	quota_require(fcinfo, 2, "difference");
	if (PG_GETARG_INT64(2) == PG_INT64_MIN)
		quota_raise_out_of_range("difference");
	PG_RETURN_INT64(quota_gate_adjust(&subject, feature, PG_GETARG_INT64(2), quota_arg_metadata(fcinfo, 3)));
}

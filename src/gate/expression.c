/*-------------------------------------------------------------------------
 *
 * expression.c
 *		A gate's expressions, computed over rows.
 *
 * The rows of an event are a tuplestore (a transition table, or one row of a
 * row-level trigger), which one query reads under a name of our own; so the plan
 * is the same for old and new rows.  Results go to a receiver, not into a
 * table of SPI's: memory does not grow with the rows.
 *
 * The expressions are the table owner's and run as the owner, switched to as
 * ri_triggers.c does: a role that writes rows needs no right on what the expressions
 * read, and the functions they call have none of our rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/context.h"
#include "base/identity.h"
#include "gate/column.h"
#include "gate/drift.h"
#include "gate/expression.h"

#define ROWS_NAME	"quota: the rows of this event"

/* What an error in the expressions is about. */
typedef struct Place
{
	const QuotaGate *gate;
	Relation	rel;
} Place;

typedef struct Receiver
{
	DestReceiver pub;
	QuotaRowVisitor visitor;
	void	   *state;
	Oid			amount_type;
	QuotaKey   *key;			/* what comes after the amount; or NULL */
	MemoryContext row_context;	/* for the text of it */
} Receiver;

/* What is to be put back after the owner's code has run. */
typedef struct Caller
{
	QuotaIdentity identity;
	int			nest_level;
} Caller;

static void
describe_place(void *arg)
{
	const Place *place = (const Place *) arg;

	errcontext(QUOTA_GATE_CONTEXT "\"%s\", feature \"%s\": subject %s, amount %s",
			   RelationGetRelationName(place->rel), place->gate->feature,
			   place->gate->subject, place->gate->amount);
}

/*
 * What the expressions see of settings that change how values become text, and
 * text values: what pg_dump sets, so that no two sessions compute two things.
 */
static void
pin_settings(void)
{
	static const char *const pinned[][2] = {
		{"DateStyle", "ISO, YMD"}, {"IntervalStyle", "postgres"}, {"TimeZone", "UTC"},
		{"extra_float_digits", "3"}, {"bytea_output", "hex"}
	};

	for (int i = 0; i < (int) lengthof(pinned); i++)
	{
		const char *present = GetConfigOption(pinned[i][0], false, false);

		if (strcmp(present, pinned[i][1]) != 0)
			(void) set_config_option(pinned[i][0], pinned[i][1], PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
	}
}

/*
 * Whoever writes rows runs the owner's triggers anyway.  Who only counts them, or
 * plans the expressions, shall be left nothing of the owner's: no deferred trigger,
 * no cursor, nothing prepared.
 */
static void
become_owner(const QuotaGate *gate, Relation rel, Caller *caller)
{
	StringInfoData path;
	int			restricted = OidIsValid(gate->trigger) ? 0 : SECURITY_RESTRICTED_OPERATION;

	quota_become(rel->rd_rel->relowner, restricted, &caller->identity);
	caller->nest_level = NewGUCNestLevel();
	initStringInfo(&path);
	appendStringInfoString(&path, "pg_catalog, ");
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_TEMP)
		appendStringInfo(&path, "%s, ", quote_identifier(get_namespace_name(RelationGetNamespace(rel))));
	appendStringInfoString(&path, "pg_temp");
	(void) set_config_option("search_path", path.data, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	pfree(path.data);
	pin_settings();
}

/* Settings that the owner's code has changed go, as if it had failed. */
static void
become_caller(const Caller *caller)
{
	AtEOXact_GUC(false, caller->nest_level);
	quota_become_again(&caller->identity);
}

/* ---- the query ---- */

/* A syntax error's position is in our query, not in the caller's. */
static void
point_into_query(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

/*
 * Is it an expression, and nothing that only becomes a query by being put into
 * one?  The parentheses stand on lines of their own, so a comment cannot hide
 * one.
 */
static void
require_expression(const char *what, const char *text)
{
	char	   *query = psprintf("SELECT (\n%s\n)", text);
	ErrorContextCallback callback = {error_context_stack, point_into_query, query};
	List	   *parsed;
	SelectStmt *select;

	error_context_stack = &callback;
	parsed = raw_parser(query, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;
	if (list_length(parsed) == 1)
	{
		select = (SelectStmt *) linitial_node(RawStmt, parsed)->stmt;
		if (IsA(select, SelectStmt) && list_length(select->targetList) == 1 &&
			select->op == SETOP_NONE && select->distinctClause == NIL &&
			select->intoClause == NULL && select->fromClause == NIL &&
			select->whereClause == NULL && select->groupClause == NIL &&
			select->havingClause == NULL && select->windowClause == NIL &&
			select->sortClause == NIL && select->limitOffset == NULL &&
			select->limitCount == NULL && select->lockingClause == NIL &&
			linitial_node(ResTarget, select->targetList)->name == NULL)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s of a gate is not an expression: %s", what, text)));
}

/* What became of a plan's text. */
static const Query *
query_of(SPIPlanPtr plan, const char **text)
{
	CachedPlanSource *source = (CachedPlanSource *) linitial(SPI_plan_get_plan_sources(plan));

	if (text)
		*text = source->query_string;
	return linitial_node(Query, source->query_list);
}

static SPIPlanPtr
prepare(const QuotaGate *gate, const char *key_columns, const char *from)
{
	StringInfoData query;
	const Query *parsed;
	SPIPlanPtr	plan;

	require_expression("subject", gate->subject);
	require_expression("amount", gate->amount);
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT (\n%s\n)::pg_catalog.text, (\n%s\n)%s FROM %s",
					 gate->subject, gate->amount, key_columns, from);
	plan = SPI_prepare(query.data, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "quota: SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	parsed = query_of(plan, NULL);
	if (parsed->hasAggs || parsed->hasWindowFuncs || parsed->hasTargetSRFs)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a gate's expressions must be over one row, without aggregates and set-returning functions")));
	return plan;
}

/* ---- the receiver ---- */

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	Receiver   *receiver = (Receiver *) self;

	receiver->amount_type = getBaseType(TupleDescAttr(desc, 1)->atttypid);
	if (receiver->amount_type != INT2OID && receiver->amount_type != INT4OID &&
		receiver->amount_type != INT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the amount of a gate is of type %s, not of an integer type",
						format_type_be(TupleDescAttr(desc, 1)->atttypid)),
				 errhint("Write how it is to become an integer: a cast, ceil(), coalesce().")));
}

static bool
receiver_receive(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	QuotaRowValue row;
	Datum		amount;
	MemoryContext caller;

	slot_getallattrs(slot);
	row.subject = slot->tts_values[0];
	row.no_subject = slot->tts_isnull[0];
	amount = slot->tts_values[1];
	row.no_amount = slot->tts_isnull[1];
	row.amount = row.no_amount ? 0 :
		receiver->amount_type == INT8OID ? DatumGetInt64(amount) :
		receiver->amount_type == INT4OID ? DatumGetInt32(amount) : DatumGetInt16(amount);
	row.key = NULL;
	caller = MemoryContextSwitchTo(receiver->row_context);
	if (receiver->key)
		row.key = quota_key_text(receiver->key, &slot->tts_values[2]);
	receiver->visitor(&row, receiver->state);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(receiver->row_context);
	return true;
}

static void
receiver_ignore(DestReceiver *self)
{
}

/* The receiver says DestTuplestore: a query to DestNone SPI does not call a SELECT. */
static void
execute(SPIPlanPtr plan, bool read_only, QuotaKey *key, QuotaRowVisitor visitor, void *state)
{
	Receiver	receiver = {
		.pub = {receiver_receive, receiver_startup, receiver_ignore, receiver_ignore, DestTuplestore},
		.visitor = visitor,
		.state = state,
		.key = key,
		.row_context = AllocSetContextCreate(CurrentMemoryContext, "quota gate row", ALLOCSET_SMALL_SIZES)
	};
	SPIExecuteOptions options = {
		.read_only = read_only,
		.must_return_tuples = true,
		.dest = &receiver.pub
	};
	int			result = SPI_execute_plan_extended(plan, &options);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "quota: a gate's query failed: %s", SPI_result_code_string(result));
}

/* ---- visits ---- */

static const char *
qualified_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

static void
begin(const QuotaGate *gate, Relation rel, Caller *caller)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "quota: SPI_connect failed");
	become_owner(gate, rel, caller);
}

static void
end(const Caller *caller)
{
	become_caller(caller);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "quota: SPI_finish failed");
}

/* ", r.id": what of a row is its key */
static const char *
key_columns(const QuotaKey *key)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; key && i < key->ncolumns; i++)
		appendStringInfo(&columns, ", r.%s", quote_identifier(key->names[i]));
	return columns.data;
}

/* How the rows of an event are computed: kept, if the gate is. */
static SPIPlanPtr
plan_of(QuotaGate *gate, const QuotaKey *key)
{
	const char *columns = key_columns(key);
	SPIPlanPtr	plan;

	if (gate->rows != NULL && strcmp(gate->row_key, columns) == 0)
		return gate->rows;
	plan = prepare(gate, columns, psprintf("%s AS r", quote_identifier(ROWS_NAME)));
	if (!OidIsValid(gate->trigger))
		return plan;
	if (gate->rows != NULL)
		SPI_freeplan(gate->rows);
	gate->rows = NULL;
	gate->row_key = MemoryContextStrdup(gate->context, columns);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "quota: SPI_keepplan failed");
	return gate->rows = plan;
}

static void
visit_by_query(QuotaGate *gate, Relation rel, Tuplestorestate *rows, bool as_of_statement,
			   QuotaKey *key, QuotaRowVisitor visitor, void *state)
{
	EphemeralNamedRelationData named = {{0}};
	Caller		caller;

	named.md.name = pstrdup(ROWS_NAME);
	named.md.reliddesc = RelationGetRelid(rel);
	named.md.enrtype = ENR_NAMED_TUPLESTORE;
	named.md.enrtuples = tuplestore_tuple_count(rows);
	named.reldata = rows;

	begin(gate, rel, &caller);
	if (SPI_register_relation(&named) != SPI_OK_REL_REGISTER)
		elog(ERROR, "quota: SPI_register_relation failed");
	execute(plan_of(gate, key), as_of_statement, key, visitor, state);
	end(&caller);
}

static struct QuotaGateColumns *
columns_of(const QuotaGate *gate)
{
	MemoryContext old = MemoryContextSwitchTo(gate->context ? gate->context : CurrentMemoryContext);
	QuotaGateColumns *columns = quota_gate_columns(gate->subject, gate->amount);

	MemoryContextSwitchTo(old);
	return columns;
}

void
quota_gate_visit(QuotaGate *gate, Relation rel, Tuplestorestate *rows, bool as_of_statement,
				 QuotaKey *key, QuotaRowVisitor visitor, void *state)
{
	Place		place = {gate, rel};
	ErrorContextCallback callback = {error_context_stack, describe_place, &place};

	error_context_stack = &callback;
	if (gate->columns == NULL)
	{
		require_expression("subject", gate->subject);
		require_expression("amount", gate->amount);
		gate->columns = columns_of(gate);
	}
	if (!quota_columns_visit(gate->columns, rel, rows, key, visitor, state))
		visit_by_query(gate, rel, rows, as_of_statement, key, visitor, state);
	error_context_stack = callback.previous;
}

void
quota_gate_visit_keys(const QuotaGate *gate, Relation rel, Tuplestorestate *rows, QuotaKey *key,
					  QuotaRowVisitor visitor, void *state)
{
	Caller		caller;

	/* a plain key runs no code of the owner's */
	if (key->plain)
	{
		quota_keys_visit(key, rel, rows, visitor, state);
		return;
	}
	become_owner(gate, rel, &caller);
	quota_keys_visit(key, rel, rows, visitor, state);
	become_caller(&caller);
}

static void
ignore_row(const QuotaRowValue *row, void *state)
{
}

void
quota_gate_try(QuotaGate *gate, Relation rel)
{
	Tuplestorestate *no_rows = tuplestore_begin_heap(false, false, work_mem);

	quota_gate_visit(gate, rel, no_rows, true,
					 gate->remember ? quota_key_of(rel, gate->feature) : NULL, ignore_row, NULL);
	tuplestore_end(no_rows);
}

static char *
copy_text(MemoryContext context, const char *text)
{
	return text ? MemoryContextStrdup(context, text) : NULL;
}

QuotaDrift
quota_gate_drift(const QuotaGate *gate, Relation rel)
{
	Place		place = {gate, rel};
	ErrorContextCallback callback = {error_context_stack, describe_place, &place};
	MemoryContext context = CurrentMemoryContext;
	QuotaDrift	drift;
	const Query *query;
	const char *text;
	Caller		caller;

	error_context_stack = &callback;
	begin(gate, rel, &caller);
	query = query_of(prepare(gate, "", psprintf("ONLY %s AS r", qualified_name(rel))), &text);
	drift = quota_drift_of(query, text);
	drift.by_itself = copy_text(context, drift.by_itself);
	drift.by_others = copy_text(context, drift.by_others);
	end(&caller);
	error_context_stack = callback.previous;
	return drift;
}

void
quota_gate_visit_table(const QuotaGate *gate, Relation rel, Relation member,
					   Snapshot snapshot, QuotaKey *key, QuotaRowVisitor visitor, void *state)
{
	Place		place = {gate, rel};
	ErrorContextCallback callback = {error_context_stack, describe_place, &place};
	const char *name = qualified_name(rel);
	char	   *from;
	Caller		caller;

	/* by way of the gated table, whose owner may not own its member */
	if (member == rel)
		from = psprintf("ONLY %s AS r", name);
	else
		from = psprintf("%s AS r WHERE r.tableoid OPERATOR(pg_catalog.=) %u", name,
						RelationGetRelid(member));

	error_context_stack = &callback;
	begin(gate, rel, &caller);
	PushActiveSnapshot(snapshot ? snapshot : GetActiveSnapshot());
	execute(prepare(gate, key_columns(key), from), true, key, visitor, state);
	PopActiveSnapshot();
	end(&caller);
	error_context_stack = callback.previous;
}

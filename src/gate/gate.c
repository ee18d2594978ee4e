/*-------------------------------------------------------------------------
 *
 * gate.c
 *		What a gate's triggers say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/errors.h"
#include "gate/gate.h"

/*
 * The gates that have fired in this session, by trigger.  As with PL/pgSQL's
 * functions, the one of a trigger that was dropped stays until the session ends.
 */
static HTAB *gates = NULL;

/* By the catalog: a role that makes a partition needs no right on our schema. */
Oid
quota_gate_function(void)
{
	Oid			function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("gate"),
										   PointerGetDatum(buildoidvector(NULL, 0)),
										   ObjectIdGetDatum(get_namespace_oid("quota", false)));

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function quota.gate() does not exist")));
	return function;
}

static void
require(bool good, const char *what)
{
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", what)));
}

/* Only of a trigger that was declared by hand. */
static void
wrong_number_of_arguments(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("quota.gate() takes 2 to %d arguments", QUOTA_GATE_ARGUMENTS),
			 errhint("EXECUTE FUNCTION quota.gate('feature', 'subject expression' [, 'amount expression' [, 'on_decrease' or 'never' [, 'refuse' or 'overdraw' [, 'remember']]]])")));
}

void
quota_gate_declare(int nargs, char *const *args, QuotaGate *gate)
{
	memset(gate, 0, sizeof(QuotaGate));
	if (nargs < 2 || nargs > QUOTA_GATE_ARGUMENTS)
		wrong_number_of_arguments();
	gate->feature = args[0];
	gate->subject = args[1];
	gate->amount = nargs > 2 ? args[2] : "1";
	gate->refund = nargs > 3 ? args[3] : NULL;
	gate->overdraw = nargs > 4 && strcmp(args[4], "overdraw") == 0;
	gate->remember = nargs > 5;
	require(strlen(gate->feature) <= QUOTA_MAX_FEATURE_BYTES,
			"the name of a gate's feature is too long");
	require(gate->refund == NULL || strcmp(gate->refund, "on_decrease") == 0 ||
			strcmp(gate->refund, "never") == 0,
			"refund of a gate must be on_decrease or never");
	require(nargs < 5 || gate->overdraw || strcmp(args[4], "refuse") == 0,
			"exceed of a gate must be refuse or overdraw");
	require(nargs < 6 || strcmp(args[5], QUOTA_GATE_REMEMBER) == 0,
			"the last argument of a gate must be remember");
	if (strlen(gate->subject) > QUOTA_MAX_EXPRESSION_BYTES ||
		strlen(gate->amount) > QUOTA_MAX_EXPRESSION_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("an expression of a gate is too long"),
				 errdetail("At most %d bytes are allowed.", QUOTA_MAX_EXPRESSION_BYTES)));
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_declaration(const QuotaGate *a, const QuotaGate *b)
{
	return strcmp(a->feature, b->feature) == 0 && strcmp(a->subject, b->subject) == 0 &&
		strcmp(a->amount, b->amount) == 0 && same_text(a->refund, b->refund) &&
		a->overdraw == b->overdraw && a->remember == b->remember;
}

static const char *
keep(MemoryContext context, const char *text)
{
	return text ? MemoryContextStrdup(context, text) : NULL;
}

QuotaGate *
quota_gate_of(const Trigger *trigger)
{
	MemoryContext context;
	QuotaGate	declared;
	QuotaGate  *gate;
	bool		found;

	quota_gate_declare(trigger->tgnargs, trigger->tgargs, &declared);
	if (gates == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(Oid);
		control.entrysize = sizeof(QuotaGate);
		control.hcxt = TopMemoryContext;
		gates = hash_create("quota gates", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	gate = (QuotaGate *) hash_search(gates, &trigger->tgoid, HASH_FIND, NULL);
	if (gate != NULL && same_declaration(gate, &declared))
		return gate;
	/* CREATE OR REPLACE TRIGGER keeps the OID */
	if (gate != NULL)
	{
		if (gate->rows)
			SPI_freeplan(gate->rows);
		MemoryContextDelete(gate->context);
		(void) hash_search(gates, &trigger->tgoid, HASH_REMOVE, NULL);
	}
	context = AllocSetContextCreate(TopMemoryContext, "quota gate declaration",
									ALLOCSET_SMALL_SIZES);
	declared.context = context;
	declared.feature = keep(context, declared.feature);
	declared.subject = keep(context, declared.subject);
	declared.amount = keep(context, declared.amount);
	declared.refund = keep(context, declared.refund);
	declared.trigger = trigger->tgoid;
	gate = (QuotaGate *) hash_search(gates, &trigger->tgoid, HASH_ENTER, &found);
	*gate = declared;
	return gate;
}

const QuotaFeature *
quota_gate_feature(const QuotaGate *gate)
{
	const QuotaFeature *feature = quota_catalog_require_feature(quota_catalog(), gate->feature);

	if (feature->kind != QUOTA_METERED && feature->kind != QUOTA_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is of kind %s: rows cannot be counted",
						feature->name, quota_kind_name(feature->kind)),
				 errhint("A gate is for metered and capacity features.")));
	return feature;
}

bool
quota_gate_gives_back(const QuotaGate *gate, const QuotaFeature *feature)
{
	if (gate->refund == NULL)
		return feature->kind == QUOTA_CAPACITY;
	return strcmp(gate->refund, "on_decrease") == 0;
}

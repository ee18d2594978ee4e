/*-------------------------------------------------------------------------
 *
 * lease_sql.c
 *		Leases for our own SQL functions.
 *
 * quota_internal._lease_use() is called by views with their reader's rights, the others
 * are granted to nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "engine/lease_end.h"
#include "store/lease.h"

PG_FUNCTION_INFO_V1(quota_sql_lease_use);
PG_FUNCTION_INFO_V1(quota_sql_lease_reserved);
PG_FUNCTION_INFO_V1(quota_sql_end_leases);
PG_FUNCTION_INFO_V1(quota_lease_stays);

/* What one place in a query has been told; a query has one snapshot. */
typedef struct Told
{
	bool		all;			/* have all leases been read? */
	int			n;
	QuotaLeaseUse *uses;
} Told;

static void
read_all(Told *told, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	told->n = quota_ledger_of_leases(GetActiveSnapshot(), &told->uses);
	told->all = true;
	MemoryContextSwitchTo(old);
}

/*
 * quota_internal._lease_use(lease_id, since): the first lease of a query is read alone, as most
 * queries are of one account; with the second all are read, as in a report.
 */
Datum
quota_sql_lease_use(PG_FUNCTION_ARGS)
{
	int64		lease_id = PG_GETARG_INT64(0);
	Told	   *told = (Told *) fcinfo->flinfo->fn_extra;

	if (told == NULL)
	{
		fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Told));
		return Int64GetDatum(quota_ledger_of_lease(lease_id, PG_GETARG_INT64(1), GetActiveSnapshot()));
	}
	if (!told->all)
		read_all(told, fcinfo->flinfo->fn_mcxt);
	return Int64GetDatum(quota_lease_taken(told->uses, told->n, lease_id));
}

/* quota_internal._lease_reserved(subject, feature_id, source_id, period_start, period_end) */
Datum
quota_sql_lease_reserved(PG_FUNCTION_ARGS)
{
	text	   *subject = PG_GETARG_TEXT_PP(0);
	QuotaWindowKey window = {
		.account = {VARDATA_ANY(subject), (int) VARSIZE_ANY_EXHDR(subject), PG_GETARG_INT32(1)},
		.source_id = PG_GETARG_INT64(2),
		.start = PG_GETARG_TIMESTAMPTZ(3),
		.end = PG_GETARG_TIMESTAMPTZ(4)
	};

	PG_RETURN_INT64(quota_engine_reserved(&window, GetActiveSnapshot()));
}

/* quota_internal._end_leases(lease_ids, wait) -> how many were ended */
Datum
quota_sql_end_leases(PG_FUNCTION_ARGS)
{
	Datum	   *values;
	int			n;
	int64	   *lease_ids;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, NULL, &n);
	lease_ids = (int64 *) palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
		lease_ids[i] = DatumGetInt64(values[i]);
	PG_RETURN_INT64(quota_engine_close_leases(lease_ids, n, PG_GETARG_BOOL(1)));
}

/* Row trigger on bucket: what SQL does to a row that bears a lease is a mistake of ours. */
Datum
quota_lease_stays(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota_internal._lease_stays() can only be called as a trigger")));
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("a row of table \"%s\" is written by SQL while it bears a lease",
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("quota_internal._close_leases() locks rows and ends their leases.")));
	return PointerGetDatum(NULL);	/* keep compiler quiet */
}

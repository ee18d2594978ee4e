/*-------------------------------------------------------------------------
 *
 * shared_sql.c
 *		What administration written in SQL asks of shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "shared/changes.h"
#include "shared/leases.h"
#include "shared/rates.h"
#include "shared/refusals.h"
#include "store/catalog.h"
#include "store/denial.h"

PG_FUNCTION_INFO_V1(quota_sql_shared);
PG_FUNCTION_INFO_V1(quota_sql_leases);
PG_FUNCTION_INFO_V1(quota_sql_write_refusals);
PG_FUNCTION_INFO_V1(quota_tell_change);

/* quota_internal._shared(): one row of counts, in the order of its columns */
Datum
quota_sql_shared(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "quota: a function of shared memory is not declared as it should be");
	{
		Datum		values[] = {
			Int64GetDatum(quota_rates_accounts()),
			Int64GetDatum(quota_leases_now()),
			Int64GetDatum(quota_leases_counted(QUOTA_LEASE_TAKEN)),
			Int64GetDatum(quota_leases_counted(QUOTA_LEASE_DRAWN)),
			Int64GetDatum(quota_leases_counted(QUOTA_LEASE_RECALLED)),
			Int64GetDatum(quota_leases_counted(QUOTA_LEASE_DRAINED)),
			Int64GetDatum(quota_leases_counted(QUOTA_LEASE_WAITED)),
			Int64GetDatum(quota_leases_counted(QUOTA_LEASE_WAS_ORPHAN)),
			Int64GetDatum(quota_rates_turned_away() + quota_refusals_missed() +
						  quota_leases_counted(QUOTA_LEASE_TURNED_AWAY))
		};
		bool		nulls[lengthof(values)] = {false};

		PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
	}
}

/* quota_internal._leases() -> setof (lease_id, taken, in_flight, available, opened_at, drawn_at) */
Datum
quota_sql_leases(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	QuotaLeaseEntry *entries;
	int			n = quota_leases_list(&entries);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		const QuotaLeaseEntry *entry = &entries[i];
		Datum		values[] = {
			Int64GetDatum(entry->lease),
			Int64GetDatum(entry->taken),
			Int64GetDatum(entry->busy + entry->lost),
			Int64GetDatum(quota_lease_left(entry)),
			TimestampTzGetDatum(entry->opened_at),
			TimestampTzGetDatum(entry->drawn_at)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * quota_internal._write_refusals(remember boolean) -> bigint
 *
 * Writes what was refused by raising, and counted in memory, into denials; how many
 * refusals that were.  Those of a feature that is gone are forgotten.
 */
Datum
quota_sql_write_refusals(PG_FUNCTION_ARGS)
{
	const QuotaCatalog *catalog = quota_catalog();
	QuotaRefused *refused;
	int			n = quota_refusals_take(PG_GETARG_BOOL(0), &refused);
	int64		written = 0;

	for (int i = 0; i < n; i++)
	{
		const QuotaRefused *r = &refused[i];

		CHECK_FOR_INTERRUPTS();
		if (quota_catalog_feature_by_id(catalog, r->feature_id) == NULL)
			continue;
		quota_denial_record(r->subject, r->feature_id, quota_reason_name(r->reason), r->last_at,
							r->times);
		written += r->times;
	}
	PG_RETURN_INT64(written);
}

static void
tell_change(HeapTuple tuple, TupleDesc desc)
{
	int			subject = SPI_fnumber(desc, "subject");
	bool		isnull;
	Datum		value = heap_getattr(tuple, subject, desc, &isnull);
	text	   *prefix = DatumGetTextPP(value);

	quota_changes_tell(quota_changes_hash(VARDATA_ANY(prefix), VARSIZE_ANY_EXHDR(prefix)));
}

/* Row trigger, after: the rows of a subject change, by whatever statement. */
Datum
quota_tell_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota_internal._tell_change() can only be called as a trigger")));
	tell_change(trigdata->tg_trigtuple, RelationGetDescr(trigdata->tg_relation));
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
		tell_change(trigdata->tg_newtuple, RelationGetDescr(trigdata->tg_relation));
	return PointerGetDatum(NULL);
}

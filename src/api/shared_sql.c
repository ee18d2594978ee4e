/*-------------------------------------------------------------------------
 *
 * shared_sql.c
 *		What administration written in SQL asks of shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "shared/rates.h"
#include "shared/refusals.h"
#include "store/catalog.h"
#include "store/denial.h"

PG_FUNCTION_INFO_V1(quota_sql_shared);
PG_FUNCTION_INFO_V1(quota_sql_write_refusals);

/* quota_internal._shared() -> (accounts bigint, full_total bigint) */
Datum
quota_sql_shared(PG_FUNCTION_ARGS)
{
	Datum		values[2];
	bool		nulls[2] = {false, false};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "quota: a function of shared memory is not declared as it should be");
	values[0] = Int64GetDatum(quota_rates_accounts());
	values[1] = Int64GetDatum(quota_rates_turned_away() + quota_refusals_missed());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
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

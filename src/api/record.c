/*-------------------------------------------------------------------------
 *
 * record.c
 *		quota.record(): use that has already happened.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/timestamp.h"

#include "api/call.h"
#include "api/result.h"
#include "base/args.h"
#include "base/settings.h"
#include "decide/record.h"

PG_FUNCTION_INFO_V1(quota_sql_record);

/* When it happened, NULL: now; 22023 in the future or before what is kept. */
static TimestampTz
arg_at(FunctionCallInfo fcinfo, int arg)
{
	TimestampTz at;

	if (PG_ARGISNULL(arg))
		return quota_now();
	at = PG_GETARG_TIMESTAMPTZ(arg);
	if (at > quota_clock_now())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at must not be in the future")));
	if (at < quota_kept_since())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("at is before what quota.retention keeps")));
	/* later than the transaction's start, which is the time of all that it does */
	return Min(at, quota_now());
}

Datum
quota_sql_record(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 3,
		.types = {INT8OID, INT8OID, INT8OID}
	};
	QuotaItem	first = {0};
	QuotaRecord record;
	QuotaRequest request = {.items = &first,.nitems = 1,.extra = &record};
	QuotaArgument arguments[4];
	QuotaCall	call = {.function = "record", .arguments = arguments, .narguments = 4};
	const QuotaItem *item;
	QuotaResultRow	row = {0};

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request.subject);
	first.feature = quota_arg_feature(fcinfo, 1);
	first.amount = quota_arg_amount(fcinfo, 2, "amount");
	record.at = arg_at(fcinfo, 3);
	request.key = quota_arg_key(fcinfo, 4);
	request.metadata = quota_arg_metadata(fcinfo, 5);
	arguments[0] = quota_argument_text("feature", first.feature);
	arguments[1] = quota_argument_int64("amount", first.amount);
	arguments[2] = PG_ARGISNULL(3) ? quota_argument_jsonb("at", NULL) :
		quota_argument_int64("at", PG_GETARG_TIMESTAMPTZ(3));
	arguments[3] = quota_argument_jsonb("metadata", request.metadata);
	quota_prevent_if_not_writable("quota.record()");
	quota_call_once(&request, &call, quota_record);
	item = &request.items[0];

	quota_row_int64_or_null(&row, item->id != 0, item->id);
	quota_row_int64(&row, item->id != 0 ? quota_recorded_overdrawn(item->id) : 0);
	quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
	return quota_row_datum(fcinfo, &shape, &row);
}

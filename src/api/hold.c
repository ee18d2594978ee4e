/*-------------------------------------------------------------------------
 *
 * hold.c
 *		quota.reserve(), quota.extend(), quota.settle(), quota.release().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/call.h"
#include "api/result.h"
#include "base/args.h"
#include "base/settings.h"
#include "decide/hold.h"
#include "store/hold.h"

PG_FUNCTION_INFO_V1(quota_sql_reserve);
PG_FUNCTION_INFO_V1(quota_sql_extend);
PG_FUNCTION_INFO_V1(quota_sql_settle);
PG_FUNCTION_INFO_V1(quota_sql_release);

/*
 * When a hold expires that an earlier call with the same key has made; none if it
 * is closed.
 */
static TimestampTz
present_expiry(int64 id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaHold	hold;
	TimestampTz expires_at = DT_NOEND;

	if (id != 0 && quota_hold_find(id, snapshot, &hold))
		expires_at = hold.expires_at;
	UnregisterSnapshot(snapshot);
	return expires_at;
}

Datum
quota_sql_reserve(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 4,
		.types = {INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID}
	};
	QuotaItem	first = {0};
	const QuotaItem *item;
	QuotaReservation reserve = {0};
	QuotaRequest request = {
		.items = &first,.nitems = 1,.on_refusal = QUOTA_RAISE,.reserve = &reserve
	};
	QuotaArgument arguments[5];
	QuotaCall	call = {.function = "reserve",.arguments = arguments,.narguments = 5};
	QuotaResultRow	row = {0};
	TimestampTz expires_at;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request.subject);
	first.feature = quota_arg_feature(fcinfo, 1);
	first.amount = quota_arg_amount(fcinfo, 2, "amount");
	reserve.ttl_us = quota_arg_ttl_us(fcinfo, 3);
	request.key = quota_arg_key(fcinfo, 4);
	request.metadata = quota_arg_metadata(fcinfo, 5);
	request.up_to = quota_arg_bool(fcinfo, 6, "up_to");
	arguments[0] = quota_argument_text("feature", first.feature);
	arguments[1] = quota_argument_int64("amount", first.amount);
	arguments[2] = quota_argument_int64("ttl", reserve.ttl_us);
	arguments[3] = quota_argument_jsonb("metadata", request.metadata);
	arguments[4] = quota_argument_bool("up_to", request.up_to);
	quota_prevent_if_not_writable("quota.reserve()");
	if (quota_call_once(&request, &call, quota_charge))
		expires_at = first.id != 0 ? first.expires_at : DT_NOEND;
	else
		expires_at = present_expiry(request.items[0].id);
	item = &request.items[0];

	quota_row_int64_or_null(&row, item->id != 0, item->id);
	quota_row_int64(&row, item->charged);
	quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
	quota_row_time(&row, expires_at);
	return quota_row_datum(fcinfo, &shape, &row);
}

/*
 * Observe answers what charged nothing with a NULL id: what follows does nothing
 * and returns NULLs.  Else the id is checked to be there.
 */
static bool
nothing_was_reserved(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0) && quota_observing())
		return true;
	quota_require(fcinfo, 0, "id");
	return false;
}

static Datum
row_of_nulls(FunctionCallInfo fcinfo, QuotaShape *shape)
{
	QuotaResultRow	row = {0};

	for (int i = 0; i < shape->ncolumns; i++)
		quota_row_null(&row);
	return quota_row_datum(fcinfo, shape, &row);
}

static void
put_remaining(QuotaResultRow *row, const QuotaHoldOutcome *outcome)
{
	quota_row_int64_or_null(row, outcome->verdict.limited, outcome->verdict.remaining);
}

Datum
quota_sql_extend(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 3,
		.types = {INT8OID, INT8OID, TIMESTAMPTZOID}
	};
	QuotaHoldOutcome outcome;
	QuotaResultRow	row = {0};
	int64		ttl_us = 0;
	int64		amount = 0;

	if (nothing_was_reserved(fcinfo))
		return row_of_nulls(fcinfo, &shape);
	if (!PG_ARGISNULL(1))
		ttl_us = quota_arg_ttl_us(fcinfo, 1);
	if (!PG_ARGISNULL(2))
		amount = quota_arg_amount(fcinfo, 2, "amount");
	quota_prevent_if_not_writable("quota.extend()");
	quota_hold_extend(PG_GETARG_INT64(0), ttl_us, amount, &outcome);

	quota_row_int64(&row, outcome.reserved);
	put_remaining(&row, &outcome);
	quota_row_time(&row, outcome.expires_at);
	return quota_row_datum(fcinfo, &shape, &row);
}

Datum
quota_sql_settle(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 4,
		.types = {INT8OID, INT8OID, INT8OID, INT8OID}
	};
	QuotaHoldOutcome outcome;
	QuotaResultRow	row = {0};
	Jsonb	   *metadata;

	if (nothing_was_reserved(fcinfo))
		return row_of_nulls(fcinfo, &shape);
	quota_require(fcinfo, 1, "amount");
	if (PG_GETARG_INT64(1) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount must not be negative")));
	metadata = quota_arg_metadata(fcinfo, 2);
	quota_prevent_if_not_writable("quota.settle()");
	quota_hold_settle(PG_GETARG_INT64(0), PG_GETARG_INT64(1), metadata, &outcome);

	quota_row_int64(&row, outcome.id);
	quota_row_int64(&row, outcome.charged);
	quota_row_int64(&row, outcome.overdrawn);
	put_remaining(&row, &outcome);
	return quota_row_datum(fcinfo, &shape, &row);
}

Datum
quota_sql_release(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 2,
		.types = {INT8OID, INT8OID}
	};
	QuotaHoldOutcome outcome;
	QuotaResultRow	row = {0};

	if (nothing_was_reserved(fcinfo))
		return row_of_nulls(fcinfo, &shape);
	quota_prevent_if_not_writable("quota.release()");
	quota_hold_release(PG_GETARG_INT64(0), &outcome);

	quota_row_int64(&row, outcome.released);
	put_remaining(&row, &outcome);
	return quota_row_datum(fcinfo, &shape, &row);
}

/*-------------------------------------------------------------------------
 *
 * debit.c
 *		quota.debit(), quota.try_debit(), quota.give_back(), quota.refund().
 *
 * Each checks its arguments, then looks its key up (a call that was answered
 * before is answered again without charging), then lets the decision layer work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "api/call.h"
#include "api/result.h"
#include "base/args.h"
#include "base/settings.h"
#include "decide/give.h"

PG_FUNCTION_INFO_V1(quota_sql_debit);
PG_FUNCTION_INFO_V1(quota_sql_try_debit);
PG_FUNCTION_INFO_V1(quota_sql_give_back);
PG_FUNCTION_INFO_V1(quota_sql_refund);

/* A request for one feature. */
typedef struct Single
{
	QuotaRequest request;
	QuotaItem	item;
	QuotaArgument arguments[4];
	QuotaCall	call;
} Single;

/* subject, feature, amount, key, metadata: the first five arguments of three functions */
static void
single_from_args(FunctionCallInfo fcinfo, const char *function, Single *single)
{
	QuotaRequest *request = &single->request;

	memset(single, 0, sizeof(*single));
	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request->subject);
	single->item.feature = quota_arg_feature(fcinfo, 1);
	single->item.amount = quota_arg_amount(fcinfo, 2, "amount");
	request->key = quota_arg_key(fcinfo, 3);
	request->metadata = quota_arg_metadata(fcinfo, 4);
	request->items = &single->item;
	request->nitems = 1;
	single->call.function = function;
	single->call.arguments = single->arguments;
	if (request->key == NULL)
		return;
	single->arguments[0] = quota_argument_text("feature", single->item.feature);
	single->arguments[1] = quota_argument_int64("amount", single->item.amount);
	single->arguments[2] = quota_argument_jsonb("metadata", request->metadata);
	single->call.narguments = 3;
}

Datum
quota_sql_debit(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 3,
		.types = {INT8OID, INT8OID, TIMESTAMPTZOID}
	};
	const QuotaItem *item;
	QuotaResultRow	row = {0};
	Single		single;

	single_from_args(fcinfo, "debit", &single);
	quota_prevent_if_not_writable("quota.debit()");
	single.request.on_refusal = QUOTA_RAISE;
	quota_call_once(&single.request, &single.call, quota_charge);
	item = &single.request.items[0];

	quota_row_int64_or_null(&row, item->id != 0, item->id);
	quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
	quota_row_time(&row, item->verdict.resets_at);
	return quota_row_datum(fcinfo, &shape, &row);
}

Datum
quota_sql_try_debit(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 8,
		.types = {BOOLOID, TEXTOID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, INTERVALOID, TEXTOID}
	};
	QuotaReason reason = QUOTA_OK;
	const QuotaItem *item;
	const QuotaVerdict *verdict;
	QuotaResultRow	row = {0};
	Single		single;
	bool		refused;

	single_from_args(fcinfo, "try_debit", &single);
	single.request.up_to = quota_arg_bool(fcinfo, 5, "up_to");
	single.arguments[3] = quota_argument_bool("up_to", single.request.up_to);
	single.call.narguments = 4;
	quota_prevent_if_not_writable("quota.try_debit()");
	/* a call that is repeated was allowed then */
	if (quota_call_once(&single.request, &single.call, quota_charge))
		reason = single.request.items[0].verdict.reason;
	item = &single.request.items[0];
	verdict = &item->verdict;

	refused = reason != QUOTA_OK;
	quota_row_bool(&row, !refused || quota_observing());
	quota_row_text(&row, quota_reason_name(reason));
	quota_row_int64_or_null(&row, item->id != 0, item->id);
	quota_row_int64(&row, item->charged);
	quota_row_int64_or_null(&row, verdict->limited, verdict->remaining);
	quota_row_time(&row, verdict->resets_at);
	quota_row_interval(&row, refused ? verdict->retry_after_us : -1);
	quota_row_text(&row, refused ? verdict->blocked_by : NULL);
	return quota_row_datum(fcinfo, &shape, &row);
}

Datum
quota_sql_give_back(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 2,
		.types = {INT8OID, INT8OID}
	};
	const QuotaItem *item;
	QuotaResultRow	row = {0};
	Single		single;

	single_from_args(fcinfo, "give_back", &single);
	quota_prevent_if_not_writable("quota.give_back()");
	quota_call_once(&single.request, &single.call, quota_give_back);
	item = &single.request.items[0];

	quota_row_int64(&row, item->id);
	quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
	return quota_row_datum(fcinfo, &shape, &row);
}

Datum
quota_sql_refund(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 3,
		.types = {INT8OID, INT8OID, INT8OID}
	};
	QuotaDebitOwner owner;
	const QuotaItem *item;
	QuotaResultRow	row = {0};
	Single		single = {0};

	/* observe answers a debit that charged nothing with a NULL id */
	if (PG_ARGISNULL(0) && quota_observing())
	{
		for (int i = 0; i < shape.ncolumns; i++)
			quota_row_null(&row);
		return quota_row_datum(fcinfo, &shape, &row);
	}
	quota_require(fcinfo, 0, "id");
	single.item.amount = PG_ARGISNULL(1) ? 0 : quota_arg_amount(fcinfo, 1, "amount");
	single.request.key = quota_arg_key(fcinfo, 2);
	quota_prevent_if_not_writable("quota.refund()");

	/* the key belongs to the debit's subject */
	quota_refund_look_up(PG_GETARG_INT64(0), &owner);
	quota_subject_parse(CStringGetTextDatum(owner.subject), false, &single.request.subject);
	single.item.feature = owner.feature;
	single.request.items = &single.item;
	single.request.nitems = 1;
	single.request.debit_id = PG_GETARG_INT64(0);
	single.arguments[0] = quota_argument_int64("id", PG_GETARG_INT64(0));
	single.arguments[1] = PG_ARGISNULL(1) ? quota_argument_jsonb("amount", NULL) :
		quota_argument_int64("amount", single.item.amount);
	single.call.function = "refund";
	single.call.arguments = single.arguments;
	single.call.narguments = 2;
	quota_call_once(&single.request, &single.call, quota_refund);
	item = &single.request.items[0];

	quota_row_int64(&row, item->id);
	quota_row_int64(&row, item->charged);
	quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
	return quota_row_datum(fcinfo, &shape, &row);
}

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
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

#include "api/result.h"
#include "base/args.h"
#include "base/settings.h"
#include "decide/give.h"
#include "store/idempotency.h"
#include "store/ledger.h"

PG_FUNCTION_INFO_V1(quota_sql_debit);
PG_FUNCTION_INFO_V1(quota_sql_try_debit);
PG_FUNCTION_INFO_V1(quota_sql_give_back);
PG_FUNCTION_INFO_V1(quota_sql_refund);

/* 25006 where nothing can be written; an error in a parallel worker */
static void
prevent_if_not_writable(const char *function)
{
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
}

/* subject, feature, amount, key, metadata: the first five arguments of three functions */
static void
request_from_args(FunctionCallInfo fcinfo, QuotaRequest *request)
{
	memset(request, 0, sizeof(*request));
	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request->subject);
	request->feature = quota_arg_feature(fcinfo, 1);
	request->amount = quota_arg_amount(fcinfo, 2, "amount");
	request->key = quota_arg_key(fcinfo, 3);
	request->metadata = quota_arg_metadata(fcinfo, 4);
}

typedef void (*Work) (const QuotaRequest *request, QuotaOutcome *outcome);

/*
 * Does the work under the request's key: true when it was done, false when
 * *outcome is that of an earlier call (its verdict the present one).
 */
static bool
work_once(QuotaRequest *request, const char *function, QuotaArgument up_to,
		  Work work, QuotaOutcome *outcome)
{
	QuotaArgument arguments[4];
	QuotaCall	call = {request->subject.text, request->key, function, arguments, 3};
	QuotaResult result;

	if (request->key == NULL)
	{
		work(request, outcome);
		return true;
	}
	arguments[0] = quota_argument_text("feature", request->feature);
	arguments[1] = quota_argument_int64("amount", request->amount);
	arguments[2] = quota_argument_jsonb("metadata", request->metadata);
	if (up_to.name)
		arguments[call.narguments++] = up_to;

	request->id = quota_ledger_next_id();
	result.feature = request->feature;
	result.id = request->id;
	result.amount = request->amount;
	if (!quota_key_claim(&call, quota_now(), &result))
	{
		memset(outcome, 0, sizeof(*outcome));
		outcome->id = result.id;
		outcome->amount = result.amount;
		quota_charge_verdict(&request->subject, request->feature, &outcome->verdict);
		return false;
	}
	work(request, outcome);
	if (outcome->id == 0)
		quota_key_disclaim(&call);
	else if (outcome->amount != result.amount)
	{
		result.amount = outcome->amount;
		quota_key_set_result(&call, &result);
	}
	return true;
}

Datum
quota_sql_debit(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {3, {INT8OID, INT8OID, TIMESTAMPTZOID}, NULL};
	QuotaArgument no_argument = {NULL};
	QuotaRequest request;
	QuotaOutcome outcome;
	QuotaRow	row = {0};

	request_from_args(fcinfo, &request);
	prevent_if_not_writable("quota.debit()");
	request.raise = true;
	work_once(&request, "debit", no_argument, quota_charge, &outcome);

	quota_row_int64_or_null(&row, outcome.id != 0, outcome.id);
	quota_row_int64_or_null(&row, outcome.verdict.limited, outcome.verdict.remaining);
	quota_row_time(&row, outcome.verdict.resets_at);
	return quota_row_datum(&shape, &row);
}

Datum
quota_sql_try_debit(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {8, {BOOLOID, TEXTOID, INT8OID, INT8OID, INT8OID,
	TIMESTAMPTZOID, INTERVALOID, TEXTOID}, NULL};
	QuotaRequest request;
	QuotaOutcome outcome;
	QuotaVerdict *verdict = &outcome.verdict;
	QuotaRow	row = {0};
	bool		refused;

	request_from_args(fcinfo, &request);
	request.up_to = quota_arg_bool(fcinfo, 5, "up_to");
	prevent_if_not_writable("quota.try_debit()");
	if (!work_once(&request, "try_debit", quota_argument_bool("up_to", request.up_to),
				   quota_charge, &outcome))
		verdict->reason = QUOTA_OK; /* it was allowed then */

	refused = verdict->reason != QUOTA_OK;
	quota_row_bool(&row, !refused || quota_observing());
	quota_row_text(&row, quota_reason_name(verdict->reason));
	quota_row_int64_or_null(&row, outcome.id != 0, outcome.id);
	quota_row_int64(&row, outcome.amount);
	quota_row_int64_or_null(&row, verdict->limited, verdict->remaining);
	quota_row_time(&row, verdict->resets_at);
	quota_row_seconds(&row, refused ? verdict->retry_after_s : -1);
	quota_row_text(&row, refused ? verdict->blocked_by : NULL);
	return quota_row_datum(&shape, &row);
}

Datum
quota_sql_give_back(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {2, {INT8OID, INT8OID}, NULL};
	QuotaArgument no_argument = {NULL};
	QuotaRequest request;
	QuotaOutcome outcome;
	QuotaRow	row = {0};

	request_from_args(fcinfo, &request);
	prevent_if_not_writable("quota.give_back()");
	work_once(&request, "give_back", no_argument, quota_give_back, &outcome);

	quota_row_int64(&row, outcome.id);
	quota_row_int64_or_null(&row, outcome.verdict.limited, outcome.verdict.remaining);
	return quota_row_datum(&shape, &row);
}

/* A refund's key belongs to the debit's subject, so the debit is looked up first. */
static void
refund_once(int64 debit_id, int64 amount, const char *key, QuotaOutcome *outcome)
{
	QuotaArgument arguments[2];
	QuotaCall	call = {NULL, key, "refund", arguments, 2};
	QuotaDebitOwner owner;
	QuotaSubject subject;
	QuotaResult result;

	if (key == NULL)
	{
		quota_refund(debit_id, amount, 0, NULL, outcome);
		return;
	}
	quota_refund_look_up(debit_id, &owner);
	call.subject = owner.subject;
	arguments[0] = quota_argument_int64("id", debit_id);
	if (amount == 0)
		arguments[1] = quota_argument_jsonb("amount", NULL);
	else
		arguments[1] = quota_argument_int64("amount", amount);
	result.feature = owner.feature;
	result.id = quota_ledger_next_id();
	result.amount = amount;
	if (!quota_key_claim(&call, quota_now(), &result))
	{
		memset(outcome, 0, sizeof(*outcome));
		outcome->id = result.id;
		outcome->amount = result.amount;
		quota_subject_parse(CStringGetTextDatum(owner.subject), false, &subject);
		quota_charge_verdict(&subject, owner.feature, &outcome->verdict);
		return;
	}
	quota_refund(debit_id, amount, result.id, key, outcome);
	if (outcome->amount != result.amount)
	{
		result.amount = outcome->amount;
		quota_key_set_result(&call, &result);
	}
}

Datum
quota_sql_refund(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {3, {INT8OID, INT8OID, INT8OID}, NULL};
	QuotaOutcome outcome;
	QuotaRow	row = {0};
	int64		amount;
	char	   *key;

	/* observe answers a debit that charged nothing with a NULL id */
	if (PG_ARGISNULL(0) && quota_observing())
	{
		for (int i = 0; i < shape.ncolumns; i++)
			quota_row_null(&row);
		return quota_row_datum(&shape, &row);
	}
	quota_require(fcinfo, 0, "id");
	amount = PG_ARGISNULL(1) ? 0 : quota_arg_amount(fcinfo, 1, "amount");
	key = quota_arg_key(fcinfo, 2);
	prevent_if_not_writable("quota.refund()");
	refund_once(PG_GETARG_INT64(0), amount, key, &outcome);

	quota_row_int64(&row, outcome.id);
	quota_row_int64(&row, outcome.amount);
	quota_row_int64_or_null(&row, outcome.verdict.limited, outcome.verdict.remaining);
	return quota_row_datum(&shape, &row);
}

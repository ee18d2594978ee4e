/*-------------------------------------------------------------------------
 *
 * credit.c
 *		quota.credit(), quota.revoke(), quota.set_usage(), quota.throttle(), and what
 *		SQL needs to clear caps, to give expired holds back and to tell of thresholds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/call.h"
#include "api/result.h"
#include "base/args.h"
#include "base/settings.h"
#include "decide/credit.h"
#include "decide/notify.h"

PG_FUNCTION_INFO_V1(quota_sql_credit);
PG_FUNCTION_INFO_V1(quota_sql_revoke);
PG_FUNCTION_INFO_V1(quota_sql_clear_caps);
PG_FUNCTION_INFO_V1(quota_sql_set_usage);
PG_FUNCTION_INFO_V1(quota_sql_throttle);
PG_FUNCTION_INFO_V1(quota_sql_expire_holds);
PG_FUNCTION_INFO_V1(quota_sql_standings);
PG_FUNCTION_INFO_V1(quota_sql_tell_crossed);
PG_FUNCTION_INFO_V1(quota_sql_tell_expired);

#define MAX_SOURCE_BYTES	128

/* NULL: "none"; 22008 outside of what a timestamp holds */
static TimestampTz
arg_time(FunctionCallInfo fcinfo, int arg, TimestampTz none)
{
	return PG_ARGISNULL(arg) ? none : PG_GETARG_TIMESTAMPTZ(arg);
}

static void
invalid(const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message)));
}

static char *
source_from_arg(FunctionCallInfo fcinfo, int arg)
{
	char	   *source;

	quota_require(fcinfo, arg, "source");
	if (!quota_arg_fits(fcinfo, arg, MAX_SOURCE_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("source is too long"),
				 errdetail("At most %d bytes are allowed.", MAX_SOURCE_BYTES)));
	source = TextDatumGetCString(PG_GETARG_DATUM(arg));
	if (source[0] == '\0')
		invalid("source must not be empty");
	for (const char *c = source; *c != '\0'; c++)
	{
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			invalid("source has a control character");
	}
	return source;
}

/* effective_at, expires_at, every, priority, source, beyond_caps: from the arguments 3 to 7, 10 */
static void
credit_from_args(FunctionCallInfo fcinfo, QuotaCredit *credit)
{
	TimestampTz now = quota_now();

	credit->expires_at = arg_time(fcinfo, 3, DT_NOEND);
	credit->effective_at = arg_time(fcinfo, 4, now);
	if (TIMESTAMP_NOT_FINITE(credit->effective_at))
		invalid("effective_at must be finite");
	if (credit->expires_at <= now)
		invalid("expires_at must be in the future");
	if (credit->expires_at <= credit->effective_at)
		invalid("expires_at must be after effective_at");
	if (!PG_ARGISNULL(5))
	{
		if (toast_raw_datum_size(PG_GETARG_DATUM(5)) - VARHDRSZ > QUOTA_PERIOD_MAX_BYTES)
			invalid("every is not a period");
		credit->every = TextDatumGetCString(PG_GETARG_DATUM(5));
		quota_period_parse(credit->every, &credit->period);
	}
	quota_require(fcinfo, 6, "priority");
	credit->priority = PG_GETARG_INT32(6);
	credit->source = source_from_arg(fcinfo, 7);
	quota_require(fcinfo, 10, "beyond_caps");
	credit->beyond_caps = PG_GETARG_BOOL(10);
}

static QuotaArgument
time_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		return quota_argument_jsonb(name, NULL);
	return quota_argument_int64(name, PG_GETARG_TIMESTAMPTZ(arg));
}

Datum
quota_sql_credit(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 2,
		.types = {INT8OID, INT8OID}
	};
	QuotaItem	first = {0};
	const QuotaItem *item;
	QuotaCredit credit = {0};
	QuotaRequest request = {.items = &first,.nitems = 1,.extra = &credit};
	QuotaArgument arguments[9];
	QuotaCall	call = {.function = "credit",.arguments = arguments,.narguments = 9};
	QuotaResultRow	row = {0};

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request.subject);
	first.feature = quota_arg_feature(fcinfo, 1);
	first.amount = quota_arg_amount(fcinfo, 2, "amount");
	request.key = quota_arg_key(fcinfo, 8);
	request.metadata = quota_arg_metadata(fcinfo, 9);
	credit_from_args(fcinfo, &credit);
	arguments[0] = quota_argument_text("feature", first.feature);
	arguments[1] = quota_argument_int64("amount", first.amount);
	arguments[2] = time_argument(fcinfo, 3, "expires_at");
	arguments[3] = time_argument(fcinfo, 4, "effective_at");
	arguments[4] = credit.every ? quota_argument_text("every", credit.every) :
		quota_argument_jsonb("every", NULL);
	arguments[5] = quota_argument_int64("priority", credit.priority);
	arguments[6] = quota_argument_text("source", credit.source);
	arguments[7] = quota_argument_jsonb("metadata", request.metadata);
	arguments[8] = quota_argument_bool("beyond_caps", credit.beyond_caps);
	quota_prevent_if_not_writable("quota.credit()");
	quota_call_once(&request, &call, quota_credit);
	item = &request.items[0];

	quota_row_int64(&row, item->id);
	quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
	return quota_row_datum(fcinfo, &shape, &row);
}

Datum
quota_sql_revoke(PG_FUNCTION_ARGS)
{
	QuotaItem	first = {0};
	QuotaRequest request = {.items = &first,.nitems = 1};
	QuotaArgument arguments[2];
	QuotaCall	call = {.function = "revoke",.arguments = arguments,.narguments = 2};

	quota_require(fcinfo, 0, "grant_id");
	first.amount = PG_ARGISNULL(1) ? 0 : quota_arg_amount(fcinfo, 1, "amount");
	request.key = quota_arg_key(fcinfo, 2);
	request.debit_id = PG_GETARG_INT64(0);
	quota_prevent_if_not_writable("quota.revoke()");
	quota_grant_look_up(request.debit_id, &request.subject, &first.feature);
	arguments[0] = quota_argument_int64("grant_id", request.debit_id);
	arguments[1] = PG_ARGISNULL(1) ? quota_argument_jsonb("amount", NULL) :
		quota_argument_int64("amount", first.amount);
	quota_call_once(&request, &call, quota_revoke);
	PG_RETURN_INT64(request.items[0].charged);
}

Datum
quota_sql_set_usage(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 2,
		.types = {INT8OID, INT8OID}
	};
	QuotaItem	first = {0};
	const QuotaItem *item;
	QuotaRequest request = {.items = &first,.nitems = 1};
	QuotaArgument arguments[3];
	QuotaCall	call = {.function = "set_usage",.arguments = arguments,.narguments = 3};
	QuotaResultRow	row = {0};

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request.subject);
	first.feature = quota_arg_feature(fcinfo, 1);
	quota_require(fcinfo, 2, "used");
	first.amount = PG_GETARG_INT64(2);
	if (first.amount < 0)
		invalid("used must not be negative");
	request.key = quota_arg_key(fcinfo, 3);
	request.metadata = quota_arg_metadata(fcinfo, 4);
	arguments[0] = quota_argument_text("feature", first.feature);
	arguments[1] = quota_argument_int64("used", first.amount);
	arguments[2] = quota_argument_jsonb("metadata", request.metadata);
	quota_prevent_if_not_writable("quota.set_usage()");
	quota_call_once(&request, &call, quota_set_usage);
	item = &request.items[0];

	quota_row_int64_or_null(&row, item->id != 0, item->id);
	quota_row_int64_or_null(&row, item->verdict.limited, item->verdict.remaining);
	return quota_row_datum(fcinfo, &shape, &row);
}

Datum
quota_sql_throttle(PG_FUNCTION_ARGS)
{
	static QuotaShape shape = {
		.ncolumns = 3,
		.types = {BOOLOID, INT8OID, INTERVALOID}
	};
	QuotaItem	item = {0};
	QuotaRequest request = {.items = &item,.nitems = 1,.on_refusal = QUOTA_RAISE_BUT_RATE};
	QuotaResultRow	row = {0};
	bool		allowed;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &request.subject);
	item.feature = quota_arg_feature(fcinfo, 1);
	item.amount = quota_arg_amount(fcinfo, 2, "cost");
	quota_prevent_if_not_writable("quota.throttle()");
	quota_charge(&request);

	allowed = item.verdict.reason == QUOTA_OK;
	quota_row_bool(&row, allowed || quota_observing());
	quota_row_int64_or_null(&row, item.verdict.limited, item.verdict.remaining);
	quota_row_interval(&row, allowed ? -1 : item.verdict.retry_after_us);
	return quota_row_datum(fcinfo, &shape, &row);
}

/* quota_internal._clear_caps(subject text, feature text) -> int4 */
Datum
quota_sql_clear_caps(PG_FUNCTION_ARGS)
{
	QuotaSubject subject;
	char	   *feature = quota_arg_feature(fcinfo, 1);

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	quota_prevent_if_not_writable("quota.clear_caps()");
	PG_RETURN_INT32(quota_clear_caps(&subject, feature));
}

/* quota_internal._expire_holds(subject text, feature_id int4) -> int4 */
Datum
quota_sql_expire_holds(PG_FUNCTION_ARGS)
{
	QuotaSubject subject;
	QuotaAccountKey account;
	int			n;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	quota_require(fcinfo, 1, "feature_id");
	account = quota_account_key(&subject, subject.nlevels - 1, PG_GETARG_INT32(1));
	quota_engine_enter();
	n = quota_engine_expire(&account);
	PG_RETURN_INT32(n);
}

/* quota_internal._standings(subject text) -> bigint[] */
Datum
quota_sql_standings(PG_FUNCTION_ARGS)
{
	QuotaSubject subject;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	PG_RETURN_ARRAYTYPE_P(quota_standings(&subject));
}

/* quota_internal._tell_crossed(subject text, standings bigint[]) -> void */
Datum
quota_sql_tell_crossed(PG_FUNCTION_ARGS)
{
	QuotaSubject subject;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	quota_require(fcinfo, 1, "standings");
	quota_notify_changed(&subject, PG_GETARG_ARRAYTYPE_P(1));
	PG_RETURN_VOID();
}

/* quota_internal._tell_expired(subject text, feature_id int4) -> bigint */
Datum
quota_sql_tell_expired(PG_FUNCTION_ARGS)
{
	QuotaSubject subject;

	quota_subject_parse(PG_GETARG_DATUM(0), PG_ARGISNULL(0), &subject);
	quota_require(fcinfo, 1, "feature_id");
	PG_RETURN_INT64(quota_notify_expired(&subject, PG_GETARG_INT32(1)));
}

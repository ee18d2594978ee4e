/*-------------------------------------------------------------------------
 *
 * verdict.c
 *		The answer to "may it take this amount?", and the error of a refusal.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/verdict.h"

const char *
quota_reason_name(QuotaReason reason)
{
	switch (reason)
	{
		case QUOTA_OK:
			return "ok";
		case QUOTA_NOT_ENTITLED:
			return "not_entitled";
		case QUOTA_SUBSCRIPTION_INACTIVE:
			return "subscription_inactive";
		case QUOTA_EXCEEDED:
			return "quota_exceeded";
		case QUOTA_RATE_LIMITED:
			return "rate_limited";
	}
	elog(ERROR, "quota: unknown reason %d", (int) reason);
	return NULL;				/* keep compiler quiet */
}

int64
quota_retry_after_s(const QuotaVerdict *verdict)
{
	return verdict->retry_after_us < 0 ? -1 :
		verdict->retry_after_us / USECS_PER_SEC + (verdict->retry_after_us % USECS_PER_SEC > 0);
}

static void
json_text_or_null(StringInfo buf, const char *text)
{
	if (text)
		escape_json(buf, text);
	else
		appendStringInfoString(buf, "null");
}

static void
json_int64_or_null(StringInfo buf, bool notnull, int64 value)
{
	if (notnull)
		appendStringInfo(buf, INT64_FORMAT, value);
	else
		appendStringInfoString(buf, "null");
}

static char *
refusal_detail(const char *subject, const char *feature, int64 requested,
			   const QuotaVerdict *verdict)
{
	int64		retry_after_s = quota_retry_after_s(verdict);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"code\": \"%s\", \"subject\": ",
					 quota_reason_name(verdict->reason));
	escape_json(&buf, subject);
	appendStringInfoString(&buf, ", \"feature\": ");
	escape_json(&buf, feature);
	appendStringInfo(&buf, ", \"requested\": " INT64_FORMAT ", \"remaining\": ", requested);
	json_int64_or_null(&buf, verdict->limited, verdict->remaining);
	appendStringInfoString(&buf, ", \"allowance\": ");
	json_int64_or_null(&buf, !verdict->allowance_unlimited, verdict->allowance);
	appendStringInfo(&buf, ", \"used\": " INT64_FORMAT ", \"plan\": ", verdict->used);
	json_text_or_null(&buf, verdict->plan);
	appendStringInfoString(&buf, ", \"blocked_by\": ");
	json_text_or_null(&buf, verdict->blocked_by);
	appendStringInfoString(&buf, ", \"resets_at\": ");
	quota_json_time(&buf, verdict->resets_at);
	appendStringInfoString(&buf, ", \"retry_after\": ");
	if (retry_after_s < 0)
		appendStringInfoString(&buf, "null");
	else
		appendStringInfo(&buf, INT64_FORMAT, retry_after_s);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

void
quota_raise_refusal(const char *subject, const char *feature, int64 requested,
					const QuotaVerdict *verdict)
{
	char	   *detail = refusal_detail(subject, feature, requested, verdict);
	bool		never = verdict->retry_after_us < 0;

	switch (verdict->reason)
	{
		case QUOTA_NOT_ENTITLED:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_NOT_ENTITLED),
					 errmsg("\"%s\" is not entitled to feature \"%s\"",
							subject, feature),
					 errdetail_internal("%s", detail),
					 errhint("A plan or an override that gives this feature is needed.")));
			break;
		case QUOTA_SUBSCRIPTION_INACTIVE:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_EXCEEDED),
					 errmsg("subscription of \"%s\" for feature \"%s\" is not active",
							subject, feature),
					 errdetail_internal("%s", detail),
					 errhint("It is paused or a payment is overdue.")));
			break;
		case QUOTA_EXCEEDED:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_EXCEEDED),
					 errmsg("quota of \"%s\" for feature \"%s\" exceeded",
							subject, feature),
					 errdetail_internal("%s", detail),
					 never
					 ? errhint("Ask for less, give something back, or change the plan.")
					 : errhint("Wait for the next period, ask for less, or change the plan.")));
			break;
		case QUOTA_RATE_LIMITED:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_RATE_LIMITED),
					 errmsg("rate of \"%s\" for feature \"%s\" exceeded",
							subject, feature),
					 errdetail_internal("%s", detail),
					 never
					 ? errhint("The amount is more than the rate ever lets through at once.")
					 : errhint("Wait a little and try again.")));
			break;
		case QUOTA_OK:
			break;
	}
	elog(ERROR, "quota: no refusal to raise");
}

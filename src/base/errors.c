/*-------------------------------------------------------------------------
 *
 * errors.c
 *		The errors of the contract and the JSON object in their DETAIL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "mb/pg_wchar.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/errors.h"

#define MAX_NAME_BYTES	128

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

void
quota_json_time(StringInfo buf, TimestampTz at)
{
	char		text[MAXDATELEN + 1];

	if (TIMESTAMP_NOT_FINITE(at))
		appendStringInfoString(buf, "null");
	else
		appendStringInfo(buf, "\"%s\"",
						 JsonEncodeDateTime(text, TimestampTzGetDatum(at),
											TIMESTAMPTZOID, NULL));
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
refusal_detail(const QuotaRefusal *r)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"code\": \"%s\", \"subject\": ",
					 quota_reason_name(r->reason));
	escape_json(&buf, r->subject);
	appendStringInfoString(&buf, ", \"feature\": ");
	escape_json(&buf, r->feature);
	appendStringInfo(&buf, ", \"requested\": " INT64_FORMAT ", \"remaining\": ", r->requested);
	json_int64_or_null(&buf, !r->remaining_unlimited, r->remaining);
	appendStringInfoString(&buf, ", \"allowance\": ");
	json_int64_or_null(&buf, !r->allowance_unlimited, r->allowance);
	appendStringInfo(&buf, ", \"used\": " INT64_FORMAT ", \"plan\": ", r->used);
	json_text_or_null(&buf, r->plan);
	appendStringInfoString(&buf, ", \"blocked_by\": ");
	json_text_or_null(&buf, r->blocked_by);
	appendStringInfoString(&buf, ", \"resets_at\": ");
	quota_json_time(&buf, r->resets_at);
	appendStringInfoString(&buf, ", \"retry_after\": ");
	if (r->retry_after_s < 0)
		appendStringInfoString(&buf, "null");
	else
		appendStringInfo(&buf, INT64_FORMAT, r->retry_after_s);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

void
quota_raise_refusal(const QuotaRefusal *r)
{
	switch (r->reason)
	{
		case QUOTA_NOT_ENTITLED:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_NOT_ENTITLED),
					 errmsg("\"%s\" is not entitled to feature \"%s\"",
							r->subject, r->feature),
					 errdetail_internal("%s", refusal_detail(r)),
					 errhint("A plan or an override that gives this feature is needed.")));
			break;
		case QUOTA_SUBSCRIPTION_INACTIVE:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_EXCEEDED),
					 errmsg("subscription of \"%s\" for feature \"%s\" is not active",
							r->subject, r->feature),
					 errdetail_internal("%s", refusal_detail(r)),
					 errhint("It is paused or a payment is overdue.")));
			break;
		case QUOTA_EXCEEDED:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_EXCEEDED),
					 errmsg("quota of \"%s\" for feature \"%s\" exceeded",
							r->subject, r->feature),
					 errdetail_internal("%s", refusal_detail(r)),
					 r->retry_after_s < 0
					 ? errhint("Ask for less, give something back, or change the plan.")
					 : errhint("Wait for the next period, ask for less, or change the plan.")));
			break;
		case QUOTA_RATE_LIMITED:
			ereport(ERROR,
					(errcode(ERRCODE_QUOTA_RATE_LIMITED),
					 errmsg("rate of \"%s\" for feature \"%s\" exceeded",
							r->subject, r->feature),
					 errdetail_internal("%s", refusal_detail(r)),
					 r->retry_after_s < 0
					 ? errhint("The amount is more than the rate ever lets through at once.")
					 : errhint("Wait a little and try again.")));
			break;
		case QUOTA_OK:
			break;
	}
	elog(ERROR, "quota: no refusal to raise");
}

const char *
quota_clip(const char *name)
{
	int			len = (int) strlen(name);

	return len <= MAX_NAME_BYTES ? name :
		pnstrdup(name, pg_mbcliplen(name, len, MAX_NAME_BYTES));
}

void
quota_raise_not_found(const char *kind, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUOTA_NOT_FOUND),
			 errmsg("%s \"%s\" does not exist", kind, quota_clip(name))));
}

/* Neither the statement nor its context is logged: both can have the secret. */
void
quota_raise_unauthenticated(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUOTA_UNAUTHENTICATED),
			 errmsg("the API key is not valid"),
			 errhint("It is unknown, has expired or was revoked."),
			 errhidestmt(true),
			 errhidecontext(true)));
}

void
quota_raise_key_conflict(const char *key, const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUOTA_CONFLICT),
			 errmsg("key \"%s\" was used before with another %s", key, argument),
			 errhint("A retry must repeat the call exactly; a new call needs a new key.")));
}

void
quota_raise_damaged(const char *table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the table quota_internal.%s is damaged", table),
			 errdetail("%s", detail),
			 errhint("Somebody has changed rows of the extension by hand. quota.verify() says more.")));
}

void
quota_raise_out_of_range(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s is out of range", what)));
}

int64
quota_add(int64 a, int64 b, const char *what)
{
	int64		sum;

	if (pg_add_s64_overflow(a, b, &sum))
		quota_raise_out_of_range(what);
	return sum;
}

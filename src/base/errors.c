/*-------------------------------------------------------------------------
 *
 * errors.c
 *		One constructor for each condition of our own SQLSTATE class.
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

/*-------------------------------------------------------------------------
 *
 * settings.c
 *		Definition of the quota.* settings, and quota_now().
 *
 * Check hooks must not throw (at SIGHUP they run in the postmaster), hence
 * the use of the date/time decoder's return codes instead of timestamptz_in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/period.h"
#include "base/settings.h"

PG_FUNCTION_INFO_V1(quota_sql_now);
PG_FUNCTION_INFO_V1(quota_sql_clock_now);
PG_FUNCTION_INFO_V1(quota_sql_kept_since);

static const struct config_enum_entry enforcement_options[] = {
	{"enforce", QUOTA_ENFORCE, false},
	{"observe", QUOTA_OBSERVE, false},
	{NULL, 0, false}
};

static int	enforcement = QUOTA_ENFORCE;
static bool leases = true;
static bool eager_leases = false;
static int	max_accounts;
static char *clock_text = NULL;
static char *retention_text = NULL;
static char *actor_text = NULL;	/* read by SQL, where events are written */
static char *library_version = NULL;	/* read by update scripts */

/* the value of quota.clock; NULL when it is not set */
static const TimestampTz *clock_time = NULL;

/*
 * timestamptz_in() that returns false where that would throw, for ISO 8601 text
 * with a numeric offset or none.  Names of zones and months are not read: for a
 * zone it does not know, DecodeDateTime() throws all the same.
 */
static bool
decode_timestamptz(const char *text, TimestampTz *at)
{
	char		work[MAXDATELEN + MAXDATEFIELDS];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nf;
	int			dtype;
	int			tz;
	fsec_t		fsec;
	struct pg_tm tm;

	if (strspn(text, "0123456789-+:. TZBC") != strlen(text))
		return false;
	return ParseDateTime(text, work, sizeof(work), field, ftype,
						 MAXDATEFIELDS, &nf) == 0 &&
		quota_decode_datetime(field, ftype, nf, &dtype, &tm, &fsec, &tz) == 0 &&
		dtype == DTK_DATE &&
		tm2timestamp(&tm, fsec, &tz, at) == 0;
}

/*
 * The text as it means the same in every session: a parallel worker reads it
 * again, perhaps before it has been given the leader's TimeZone.
 */
static bool
replace_by_iso_text(char **newval, TimestampTz at)
{
	char		text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t		fsec;
	char	   *copy;

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		return false;
	tm.tm_isdst = 0;			/* or no zone is printed */
	EncodeDateTime(&tm, fsec, true, 0, "UTC", USE_ISO_DATES, text);
	copy = (char *) quota_guc_malloc(strlen(text) + 1);
	if (copy == NULL)
		return false;
	memcpy(copy, text, strlen(text) + 1);
	quota_guc_free(*newval);
	*newval = copy;
	return true;
}

static bool
clock_check(char **newval, void **extra, GucSource source)
{
	TimestampTz at;
	TimestampTz *copy;

	if (*newval == NULL || **newval == '\0')
		return true;
	if (!decode_timestamptz(*newval, &at))
	{
		GUC_check_errdetail("It must be a timestamp with time zone, such as '2026-01-31 12:00+00', or empty.");
		return false;
	}
	copy = (TimestampTz *) quota_guc_malloc(sizeof(TimestampTz));
	if (copy == NULL)
		return false;
	*copy = at;
	*extra = copy;
	return replace_by_iso_text(newval, at);
}

static void
clock_assign(const char *newval, void *extra)
{
	clock_time = (const TimestampTz *) extra;
}

static bool
retention_check(char **newval, void **extra, GucSource source)
{
	QuotaPeriod period;

	if (*newval != NULL && quota_period_decode(*newval, &period) == NULL)
		return true;
	GUC_check_errdetail("It must be an interval such as '13 months'.");
	return false;
}

/*
 * Stored as text and shown to people, so only what either bears.  What comes with
 * the connection has not been converted or looked at by anybody.
 */
static bool
actor_check(char **newval, void **extra, GucSource source)
{
	if (*newval == NULL)
		return true;
	if (strlen(*newval) > QUOTA_MAX_ACTOR_BYTES)
	{
		GUC_check_errdetail("It must have at most %d bytes.", QUOTA_MAX_ACTOR_BYTES);
		return false;
	}
	for (const char *c = *newval; *c != '\0'; c++)
	{
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
		{
			GUC_check_errdetail("It must not contain control characters.");
			return false;
		}
	}
	if (!pg_verify_mbstr(GetDatabaseEncoding(), *newval, (int) strlen(*newval), true))
	{
		GUC_check_errdetail("It must be text in the encoding of the database.");
		return false;
	}
	return true;
}

void
quota_define_settings(void)
{
	DefineCustomEnumVariable("quota.enforcement",
							 "Whether calls that have no room are refused.",
							 "\"observe\" charges and records every refusal in quota.denials, but refuses nothing.",
							 &enforcement,
							 QUOTA_ENFORCE,
							 enforcement_options,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("quota.clock",
							   "Test clock: a timestamp that stands for now() in this session.",
							   NULL,
							   &clock_text,
							   "",
							   PGC_SUSET,
							   GUC_NOT_IN_SAMPLE,
							   clock_check, clock_assign, NULL);
	DefineCustomStringVariable("quota.actor",
							   "Who acts, for quota.events: set by an application for its person.",
							   "Empty: the session's user.",
							   &actor_text,
							   "",
							   PGC_USERSET,
							   0,
							   actor_check, NULL, NULL);
	DefineCustomStringVariable("quota.retention",
							   "How long quota.maintain() keeps ledger entries.",
							   NULL,
							   &retention_text,
							   "13 months",
							   PGC_SIGHUP,
							   0,
							   retention_check, NULL, NULL);
	DefineCustomBoolVariable("quota.leases",
							 "Whether this session takes from leases of hot accounts.",
							 "Off: from their rows alone. Leases need shared_preload_libraries = 'quota'.",
							 &leases,
							 true,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("quota.eager_leases",
							 "For tests: every charge opens a lease, of a few units.",
							 NULL,
							 &eager_leases,
							 false,
							 PGC_SUSET,
							 GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);
	DefineCustomStringVariable("quota.library_version",
							   "The version of the library that this session has loaded.",
							   NULL,
							   &library_version,
							   QUOTA_VERSION,
							   PGC_INTERNAL,
							   GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   NULL, NULL, NULL);
	/* where it is not, the server would not let it be defined */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("quota.max_accounts",
								"How many accounts shared memory has room for.",
								"182 bytes each. Accounts that find no room are kept in tables.",
								&max_accounts,
								65536,
								1,
								100 * 1000 * 1000,
								PGC_POSTMASTER,
								0,
								NULL, NULL, NULL);
	MarkGUCPrefixReserved("quota");
}

bool
quota_leases_on(void)
{
	return leases;
}

bool
quota_leases_eager(void)
{
	return eager_leases;
}

int
quota_max_accounts(void)
{
	return max_accounts;
}

bool
quota_observing(void)
{
	return enforcement == QUOTA_OBSERVE;
}

const char *
quota_enforcement_name(void)
{
	return quota_observing() ? "observe" : "enforce";
}

TimestampTz
quota_now(void)
{
	return clock_time ? *clock_time : GetCurrentTransactionStartTimestamp();
}

TimestampTz
quota_clock_now(void)
{
	return clock_time ? *clock_time : GetCurrentTimestamp();
}

TimestampTz
quota_kept_since(void)
{
	Interval	kept = {0};
	QuotaPeriod period;

	quota_period_parse(retention_text, &period);
	kept.month = period.months;
	kept.day = period.days;
	kept.time = period.us;
	/* in UTC, which a timestamp without a zone counts in */
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_mi_interval,
												 TimestampGetDatum(quota_now()),
												 IntervalPGetDatum(&kept)));
}

/* quota_internal._now() -> timestamptz: for administration written in SQL */
Datum
quota_sql_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(quota_now());
}

/* quota_internal._clock_now() -> timestamptz */
Datum
quota_sql_clock_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(quota_clock_now());
}

/* quota_internal._kept_since() -> timestamptz */
Datum
quota_sql_kept_since(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(quota_kept_since());
}

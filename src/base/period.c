/*-------------------------------------------------------------------------
 *
 * period.c
 *		Reads the text of a period: one of six words, or an interval.  And of
 *		what a rate's limit is per, which is as a period of a fixed length.
 *
 * An interval is read by the same routines as PostgreSQL's interval_in(), but
 * called directly: their return codes let us answer every bad text with 22023,
 * where interval_in() has several codes, and no PG_TRY is needed.
 *
 * The result must be the same in every session.  The one thing a session can
 * change about interval input is IntervalStyle = sql_standard, which spreads a
 * leading minus over all fields ('-1 day 3 days' is 2 days or -4 days).  A
 * period has no use for a minus, so we refuse every sign before the text gets
 * that far.  Only a hyphen right after a digit is no sign: '1-2' is one year
 * and two months.
 *
 * Both limits of a period serve the callers.  Windows shorter than a minute
 * are what rates are for.  Ten thousand years leave window arithmetic enough
 * room in the time that PostgreSQL can express.  A catalog that asks for more means
 * "never renews": better to hear that when it is applied than to have every debit
 * fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/period.h"

/* The Gregorian calendar repeats after 400 years = 4800 months = 146097 days. */
#define USECS_PER_MEAN_MONTH	(INT64CONST(146097) * USECS_PER_DAY / 4800)

#define PERIOD_MIN_US	USECS_PER_MINUTE
#define RATE_PER_MIN_US	USECS_PER_SEC
#define PERIOD_MAX_US	(INT64CONST(10000) * MONTHS_PER_YEAR * USECS_PER_MEAN_MONTH)

static const struct
{
	const char *word;
	QuotaPeriod period;
}			period_words[] =
{
	{"hour", {0, 0, USECS_PER_HOUR}},
	{"day", {0, 1, 0}},
	{"week", {0, 7, 0}},
	{"month", {1, 0, 0}},
	{"quarter", {3, 0, 0}},
	{"year", {12, 0, 0}},
};

/*
 * True if the text has a minus sign, that is, a hyphen that does not follow a
 * digit.
 */
static bool
has_minus_sign(const char *text)
{
	for (const char *c = strchr(text, '-'); c != NULL; c = strchr(c + 1, '-'))
	{
		if (c == text || !isdigit((unsigned char) c[-1]))
			return true;
	}
	return false;
}

/*
 * The interval that the text stands for, as interval_in() would read it; false
 * if it would not.
 */
static bool
decode_interval(const char *text, struct pg_itm_in *itm)
{
	char		workbuf[QUOTA_PERIOD_MAX_BYTES + 1];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nfields;
	int			dtype = DTK_DELTA;
	int			dterr;

	dterr = ParseDateTime(text, workbuf, sizeof(workbuf), field, ftype,
						  MAXDATEFIELDS, &nfields);
	if (dterr == 0)
		dterr = DecodeInterval(field, ftype, nfields, INTERVAL_FULL_RANGE,
							   &dtype, itm);
	if (dterr == DTERR_BAD_FORMAT)
	{
		char		copy[QUOTA_PERIOD_MAX_BYTES + 1];

		strlcpy(copy, text, sizeof(copy));
		dterr = DecodeISO8601Interval(copy, &dtype, itm);
	}

	/* From PostgreSQL 17 on, "infinity" is an interval: another dtype. */
	return dterr == 0 && dtype == DTK_DELTA;
}

/*
 * The length of a period on the average over the calendar; false if it does
 * not fit.  For estimates, never for a boundary.
 */
bool
quota_period_mean_us(const QuotaPeriod *period, int64 *mean_us)
{
	int64		month_us;
	int64		day_us;

	return !pg_mul_s64_overflow(period->months, USECS_PER_MEAN_MONTH, &month_us) &&
		!pg_mul_s64_overflow(period->days, USECS_PER_DAY, &day_us) &&
		!pg_add_s64_overflow(month_us, day_us, mean_us) &&
		!pg_add_s64_overflow(*mean_us, period->us, mean_us);
}

/* As quota_period_decode(), for periods from this length on. */
static const char *
decode(const char *text, int64 min_us, QuotaPeriod *out)
{
	struct pg_itm_in itm = {0};
	QuotaPeriod period;
	int32		year_months;
	int64		length_us;

	for (size_t i = 0; i < lengthof(period_words); i++)
	{
		if (strcmp(text, period_words[i].word) == 0)
		{
			*out = period_words[i].period;
			return NULL;
		}
	}

	if (strlen(text) > QUOTA_PERIOD_MAX_BYTES)
		return "is not known";
	if (has_minus_sign(text))
		return "has a negative part";
	if (!decode_interval(text, &itm) ||
		pg_mul_s32_overflow(itm.tm_year, MONTHS_PER_YEAR, &year_months) ||
		pg_add_s32_overflow(year_months, itm.tm_mon, &period.months))
		return "is not known";
	period.days = itm.tm_mday;
	period.us = itm.tm_usec;

	/* Negative without a minus: '1 hour ago'. */
	if (period.months < 0 || period.days < 0 || period.us < 0)
		return "has a negative part";
	if (!quota_period_mean_us(&period, &length_us) || length_us > PERIOD_MAX_US)
		return "is too long";
	if (length_us < min_us)
		return "is too short";

	*out = period;
	return NULL;
}

/*
 * Reads a period.  NULL if that went well, else what is wrong with it, to be
 * read after its name: "is too short".  Never throws, so check hooks may use
 * it, and never yields a lifetime: that is written as no period at all.
 */
const char *
quota_period_decode(const char *text, QuotaPeriod *out)
{
	return decode(text, PERIOD_MIN_US, out);
}

/* Raises 22023 for a text that is no period, unless there is no problem. */
static void
complain(const char *text, const char *problem, const char *hint)
{
	if (problem == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 strlen(text) > QUOTA_PERIOD_MAX_BYTES ?
			 errmsg("period is longer than %d bytes", QUOTA_PERIOD_MAX_BYTES) :
			 errmsg("period \"%s\" %s", text, problem),
			 errhint("%s", hint)));
}

/* Reads a period, or raises 22023. */
void
quota_period_parse(const char *text, QuotaPeriod *out)
{
	complain(text, quota_period_decode(text, out),
			 "A period is hour, day, week, month, quarter, year, or an interval such as \"5 hours\", from one minute to 10000 years.");
}

/*
 * Reads what a rate's limit is per, in microseconds, or raises 22023.  A rate
 * knows no calendar: its days have 24 hours, and months have no length.
 */
int64
quota_rate_per_parse(const char *text)
{
	QuotaPeriod per;
	const char *problem = decode(text, RATE_PER_MIN_US, &per);

	if (problem == NULL && per.months != 0)
		problem = "has no fixed length";
	complain(text, problem,
			 "A rate is per hour, day, week, or an interval without months such as \"1 minute\", from one second to 10000 years.");
	return per.days * USECS_PER_DAY + per.us;
}

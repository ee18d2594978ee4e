/*-------------------------------------------------------------------------
 *
 * window.c
 *		Which window of a periodic quota a moment lies in.
 *
 * Pure arithmetic: nothing here reads a table, a clock or a setting of the
 * session, so the same arguments give the same window everywhere.
 *
 * Boundaries.  Boundary n is anchor + n * period, always from the original
 * anchor, never from the boundary before it: 31 Jan, 28 Feb, 31 Mar.  Months
 * and days are counted on the local clock of the zone, a day that the month
 * does not have becomes its last; the local time is then read as AT TIME ZONE
 * reads it, also when it is missing or double; hours and less are added last,
 * as elapsed time.  Boundary 0 is the anchor itself, even when its local time
 * is double and AT TIME ZONE would choose the other one.  A period without
 * months and days does not touch the local clock at all.
 *
 * Tiling.  The windows [boundary n, boundary n+1) must cover the line without
 * gap or overlap, for which it is enough that the boundaries never go
 * backwards.  On the local clock they cannot: two of them are at least one day
 * apart (28 days if the period has months).  Reading the local time subtracts
 * the zone's offset, which is between -16 and 16 hours, so of two boundaries
 * that are 48 hours apart or more the order is safe, and only for a period of
 * exactly one day could neighbours change places.  That takes a zone skipping
 * more than 24 hours; none has so far, but the zone data is not ours, so
 * boundary_at() lets no boundary of such a period pass its neighbour on the
 * anchor's side.  (Offsets of more than 16 hours exist only in POSIX zone
 * specifications, which quota_timezone() does not take.)
 *
 * Two boundaries may coincide: Pacific/Apia had no 30 December 2011.  The
 * window between them is empty and contains no moment, so taking the last
 * boundary that is not after a moment skips it without further ado.
 *
 * Cost.  The number of the window is estimated from the elapsed time and the
 * mean length of the period and is then off by very few, see MAX_STEPS; so
 * the work does not depend on how long ago the anchor is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "common/int.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/window.h"

/*
 * How far the estimate of a window's number can be off.  Counted in days it is
 * off by the difference of two offsets (less than 32 hours), and if the period
 * has months also by the unevenness of the calendar (less than 6 days); a
 * period is at least one day, or 28 days.
 */
#define MAX_STEPS	4

/* The last year that has a local time inside of PostgreSQL's range. */
#define MAX_LOCAL_YEAR	294277

/* Where the boundaries of one quota lie; local, local_fsec: the anchor. */
typedef struct Timeline
{
	TimestampTz anchor;
	const QuotaPeriod *period;
	pg_tz	   *zone;
	struct pg_tm local;
	fsec_t		local_fsec;
} Timeline;

/* A window and what it was computed from; the answer for every "at" inside of it. */
typedef struct Memo
{
	pg_tz	   *zone;			/* NULL: empty */
	bool		clamp;
	TimestampTz anchor;
	QuotaPeriod period;
	QuotaWindow window;
} Memo;

static void
out_of_range(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("window of the period is out of range")));
}

/* Rounds down, also below zero; the divisor is positive. */
static int64
floor_div(int64 dividend, int64 divisor)
{
	int64		quotient = dividend / divisor;

	return dividend % divisor < 0 ? quotient - 1 : quotient;
}

/*
 * The anchor's local time plus n times the months and days of the period.
 * False if that is outside of the calendar.
 */
static bool
add_local(const Timeline *line, int64 n, struct pg_tm *tm)
{
	int64		months;
	int64		days;
	int64		year;
	int64		julian;

	*tm = line->local;

	/* tm_mon counts from 1, tm_year 0 is 1 BC */
	if (pg_mul_s64_overflow(n, line->period->months, &months) ||
		pg_add_s64_overflow(months, (int64) tm->tm_year * MONTHS_PER_YEAR + tm->tm_mon - 1,
							&months))
		return false;
	year = floor_div(months, MONTHS_PER_YEAR);
	if (year < JULIAN_MINYEAR || year > MAX_LOCAL_YEAR)
		return false;
	tm->tm_year = (int) year;
	tm->tm_mon = (int) (months - year * MONTHS_PER_YEAR) + 1;
	tm->tm_mday = Min(tm->tm_mday, day_tab[isleap(tm->tm_year)][tm->tm_mon - 1]);

	if (pg_mul_s64_overflow(n, line->period->days, &days) ||
		pg_add_s64_overflow(days, date2j(tm->tm_year, tm->tm_mon, tm->tm_mday), &julian))
		return false;
	/* one more day than timestamps have: the zone may be east of Greenwich */
	if (julian < DATETIME_MIN_JULIAN || julian > TIMESTAMP_END_JULIAN)
		return false;
	j2date((int) julian, &tm->tm_year, &tm->tm_mon, &tm->tm_mday);
	return true;
}

/*
 * Anchor + n * period.  Beyond PostgreSQL's range: DT_NOBEGIN or DT_NOEND, so
 * that a search may look past the end; every part of a period has the same
 * sign, hence the side is that of n.
 */
static TimestampTz
raw_boundary(const Timeline *line, int64 n)
{
	const QuotaPeriod *period = line->period;
	TimestampTz beyond = n < 0 ? DT_NOBEGIN : DT_NOEND;
	TimestampTz result = line->anchor;
	int64		elapsed_us;

	if (n == 0)
		return line->anchor;

	if (period->months != 0 || period->days != 0)
	{
		struct pg_tm tm;
		int			offset;

		if (!add_local(line, n, &tm))
			return beyond;
		offset = DetermineTimeZoneOffset(&tm, line->zone);
		if (tm2timestamp(&tm, line->local_fsec, &offset, &result) != 0)
			return beyond;
	}

	if (pg_mul_s64_overflow(n, period->us, &elapsed_us) ||
		pg_add_s64_overflow(result, elapsed_us, &result) ||
		!IS_VALID_TIMESTAMP(result))
		return beyond;
	return result;
}

/*
 * Boundary n; never decreases with n.  See "Tiling" above for why only a
 * period of one day needs help, and why one neighbour is enough.
 */
static TimestampTz
boundary_at(const Timeline *line, int64 n)
{
	TimestampTz result = raw_boundary(line, n);

	if (line->period->months == 0 && line->period->days == 1)
	{
		if (n > 0)
			result = Max(result, raw_boundary(line, n - 1));
		else if (n < 0)
			result = Min(result, raw_boundary(line, n + 1));
	}
	return result;
}

/* The number of the window that "at" lies in, or one within MAX_STEPS of it. */
static int64
estimate_number(const Timeline *line, TimestampTz at)
{
	int64		elapsed_us = 0;
	int64		mean_us = 0;

	if (!quota_period_mean_us(line->period, &mean_us) ||
		pg_sub_s64_overflow(at, line->anchor, &elapsed_us))
		out_of_range();
	return floor_div(elapsed_us, mean_us);
}

/*
 * The window that "at" lies in.  With clamp_to_anchor a time before the anchor
 * counts as the anchor (a subscription, a timestamp); without it the windows
 * go on in both directions (the calendar).  Lifetime: from the anchor, which
 * may be DT_NOBEGIN, for ever.
 *
 * 22008 if a boundary of the window is outside of PostgreSQL's range, or if
 * the anchor or "at" is infinite.
 */
QuotaWindow
quota_window_at(TimestampTz anchor, const QuotaPeriod *period, pg_tz *zone,
				TimestampTz at, bool clamp_to_anchor)
{
	static Memo memo;			/* of the last call: most ask the same again */
	Timeline	line = {.anchor = anchor,.period = period,.zone = zone};
	QuotaWindow window;
	int64		n;
	int			offset;
	int			steps = 0;

	if (quota_period_is_lifetime(period))
	{
		window.start = anchor;
		window.end = DT_NOEND;
		window.number = 0;
		return window;
	}
	if (memo.zone == zone && memo.clamp == clamp_to_anchor && memo.anchor == anchor &&
		memo.period.months == period->months && memo.period.days == period->days &&
		memo.period.us == period->us && memo.window.start <= at && at < memo.window.end)
		return memo.window;
	QuotaEnsure(period->months >= 0 && period->days >= 0 && period->us >= 0);
	if (!IS_VALID_TIMESTAMP(anchor) || !IS_VALID_TIMESTAMP(at) ||
		timestamp2tm(anchor, &offset, &line.local, &line.local_fsec, NULL, zone) != 0)
		out_of_range();

	if (clamp_to_anchor && at < anchor)
		at = anchor;

	n = estimate_number(&line, at);
	window.start = boundary_at(&line, n);
	while (window.start > at && steps++ < MAX_STEPS)
		window.start = boundary_at(&line, --n);
	window.end = boundary_at(&line, n + 1);
	while (window.end <= at && steps++ < MAX_STEPS)
	{
		window.start = window.end;
		window.end = boundary_at(&line, ++n + 1);
	}

	if (TIMESTAMP_IS_NOBEGIN(window.start) || TIMESTAMP_IS_NOEND(window.end))
		out_of_range();
	QuotaEnsure(window.start <= at && at < window.end);
	window.number = n;
	memo.zone = zone;
	memo.clamp = clamp_to_anchor;
	memo.anchor = anchor;
	memo.period = *period;
	memo.window = window;
	return window;
}

QuotaWindow
quota_series_window(const QuotaSeries *series, TimestampTz at)
{
	return quota_window_at(series->anchor, &series->period, series->zone, at,
						   series->clamp_to_anchor);
}

/*
 * The anchor "calendar": periods with months count from 2000-01-01, all others
 * from Monday 2000-01-03, 00:00 in the zone; so days begin at midnight, weeks
 * on Monday, quarters and years where everybody expects them.  A lifetime has
 * no natural boundary: DT_NOBEGIN.
 */
TimestampTz
quota_calendar_anchor(const QuotaPeriod *period, pg_tz *zone)
{
	struct pg_tm tm = {.tm_year = 2000,.tm_mon = 1,.tm_mday = 1};
	TimestampTz anchor;
	int			offset;

	if (quota_period_is_lifetime(period))
		return DT_NOBEGIN;

	if (period->months == 0)
		tm.tm_mday = 3;
	offset = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, 0, &offset, &anchor) != 0)
		out_of_range();
	return anchor;
}

/*
 * True if PostgreSQL took the name for a POSIX specification, not for a zone
 * of the zone data.  It then spells the name in capitals, and there is a digit
 * in it; of the real zones only those named here look the same.
 */
static bool
is_posix_zone(const char *canonical_name)
{
	static const char *const real_zones[] = {
		"GMT0", "GMT+0", "GMT-0", "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT"
	};
	bool		has_digit = false;

	for (const char *c = canonical_name; *c != '\0'; c++)
	{
		if (islower((unsigned char) *c))
			return false;
		has_digit = has_digit || isdigit((unsigned char) *c);
	}
	for (size_t i = 0; i < lengthof(real_zones); i++)
	{
		if (strcmp(canonical_name, real_zones[i]) == 0)
			return false;
	}
	return has_digit;
}

/*
 * The zone of that name, or 22023.  The result lives as long as the backend.
 *
 * POSIX specifications are refused: 'UTC+2' means two hours WEST of Greenwich,
 * which nobody who writes it expects, and 'Europe/Berlin1' would be UTC-1.
 */
pg_tz *
quota_timezone(const char *name)
{
	static pg_tz *last = NULL;
	pg_tz	   *zone;

	if (last != NULL && strcmp(pg_get_timezone_name(last), name) == 0)
		return last;
	if (strlen(name) > TZ_STRLEN_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone name is longer than %d bytes", TZ_STRLEN_MAX)));

	zone = pg_tzset(name);
	if (zone == NULL || !pg_tz_acceptable(zone) ||
		is_posix_zone(pg_get_timezone_name(zone)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known", name),
				 errhint("Use a name from the view pg_timezone_names, such as \"Europe/Berlin\".")));
	last = zone;
	return zone;
}

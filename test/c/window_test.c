#include "unit.h"

#include "utils/timestamp.h"

#include "base/window.h"

static QuotaPeriod
period_of(const char *text)
{
	QuotaPeriod period;

	quota_period_parse(text, &period);
	return period;
}

/* of a series that does not go back before its anchor */
static QuotaWindow
window_in(const char *anchor, const char *period, const char *zone, const char *moment)
{
	QuotaPeriod length = period_of(period);

	return quota_window_at(at(anchor), &length, quota_timezone(zone), at(moment), true);
}

static QuotaWindow
calendar_window(const char *period, const char *zone, const char *moment)
{
	QuotaPeriod length = period_of(period);
	pg_tz	   *tz = quota_timezone(zone);

	return quota_window_at(quota_calendar_anchor(&length, tz), &length, tz, at(moment), false);
}

#define EXPECT_WINDOW(window, first, past, n) \
	do { \
		QuotaWindow window_ = (window); \
		EXPECT_TIME(window_.start, first); \
		EXPECT_TIME(window_.end, past); \
		EXPECT_INT(window_.number, n); \
	} while (0)

/* Every window begins where the one before ends, and is the answer for its first and last instant. */
static void
expect_tiles(const char *anchor, const char *text, const char *zone, const char *since, int n)
{
	QuotaPeriod period = period_of(text);
	QuotaSeries series = {.anchor = at(anchor),.period = period,.zone = quota_timezone(zone)};
	QuotaWindow window = quota_series_window(&series, at(since));

	for (int i = 0; i < n; i++)
	{
		QuotaWindow last = quota_series_window(&series, window.end - 1);
		QuotaWindow next = quota_series_window(&series, window.end);
		QuotaWindow first = quota_series_window(&series, window.start);

		if (last.start != window.start || first.end != window.end || last.number != window.number ||
			next.start != window.end || next.end <= next.start || next.number <= window.number)
		{
			expect_true(__FILE__, __LINE__,
						psprintf("%s from %s in %s tiles after %s", text, anchor, zone,
								 timestamptz_to_str(window.start)), false);
			return;
		}
		window = next;
	}
}

static void
windows_tile(void)
{
	static const char *const zones[] = {
		"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
		"Asia/Kathmandu", "Africa/Casablanca", "America/St_Johns"
	};
	static const char *const periods[] = {
		"90 minutes", "5 hours", "day", "1 day 1 hour", "week", "month", "1 month 15 days", "quarter", "year"
	};

	for (size_t i = 0; i < lengthof(zones); i++)
	{
		for (size_t j = 0; j < lengthof(periods); j++)
		{
			expect_tiles("2008-01-31 02:30", periods[j], zones[i], "2011-11-20", 500);
			expect_tiles("2030-03-31 01:30:00.5+01", periods[j], zones[i], "2025-09-01", 500);
		}
	}
}

static void
a_month_ends_when_it_ends(void)
{
	EXPECT_WINDOW(window_in("2026-01-31", "month", "UTC", "2026-01-31"), "2026-01-31", "2026-02-28", 0);
	EXPECT_WINDOW(window_in("2026-01-31", "month", "UTC", "2026-02-28"), "2026-02-28", "2026-03-31", 1);
	EXPECT_WINDOW(window_in("2026-01-31", "month", "UTC", "2026-04-01"), "2026-03-31", "2026-04-30", 2);
	EXPECT_WINDOW(window_in("2024-02-29", "year", "UTC", "2025-06-01"), "2025-02-28", "2026-02-28", 1);
	EXPECT_WINDOW(window_in("2024-02-29", "year", "UTC", "2028-06-01"), "2028-02-29", "2029-02-28", 4);
	EXPECT_WINDOW(window_in("2026-01-30", "1 month 15 days", "UTC", "2026-03-20"), "2026-03-15", "2026-04-29", 1);
}

static void
a_local_time_that_is_missing(void)
{
	/* 02:30 of 29 March is none in Berlin: half past three by the clock */
	EXPECT_WINDOW(window_in("2026-03-01 02:30+01", "day", "Europe/Berlin", "2026-03-29 01:29:59.999999"),
				  "2026-03-28 02:30+01", "2026-03-29 03:30+02", 27);
	EXPECT_WINDOW(window_in("2026-03-01 02:30+01", "day", "Europe/Berlin", "2026-03-29 01:30"),
				  "2026-03-29 03:30+02", "2026-03-30 02:30+02", 28);
}

static void
a_local_time_that_is_double(void)
{
	/* 02:30 of 25 October is two: the second counts */
	EXPECT_WINDOW(window_in("2026-10-01 02:30+02", "day", "Europe/Berlin", "2026-10-25 01:29"),
				  "2026-10-24 02:30+02", "2026-10-25 02:30+01", 23);
	EXPECT_WINDOW(window_in("2026-10-01 02:30+02", "day", "Europe/Berlin", "2026-10-25 01:30"),
				  "2026-10-25 02:30+01", "2026-10-26 02:30+01", 24);
	/* but the anchor is what it is */
	EXPECT_WINDOW(window_in("2026-10-25 02:30+02", "day", "Europe/Berlin", "2026-10-25 00:30"),
				  "2026-10-25 02:30+02", "2026-10-26 02:30+01", 0);
	/* hours elapse */
	EXPECT_WINDOW(window_in("2026-10-25 00:00+02", "5 hours", "Europe/Berlin", "2026-10-25 03:00+01"),
				  "2026-10-25 00:00+02", "2026-10-25 04:00+01", 0);
}

static void
a_day_that_is_missing(void)
{
	/* Samoa went from the 29th to the 31st: the window of the 30th is empty */
	EXPECT_WINDOW(window_in("2011-12-28 12:00-10", "day", "Pacific/Apia", "2011-12-30 09:59:59-10"),
				  "2011-12-29 12:00-10", "2011-12-31 12:00+14", 1);
	EXPECT_WINDOW(window_in("2011-12-28 12:00-10", "day", "Pacific/Apia", "2011-12-31 12:00+14"),
				  "2011-12-31 12:00+14", "2012-01-01 12:00+14", 3);
}

static void
before_the_anchor(void)
{
	QuotaPeriod month = period_of("month");
	pg_tz	   *utc = quota_timezone("UTC");

	EXPECT_WINDOW(window_in("2026-01-15", "month", "UTC", "1999-01-01"), "2026-01-15", "2026-02-15", 0);
	EXPECT_WINDOW(quota_window_at(at("2026-01-31"), &month, utc, at("2025-12-30"), false),
				  "2025-11-30", "2025-12-31", -2);
	EXPECT_WINDOW(calendar_window("week", "UTC", "1999-12-31"), "1999-12-27", "2000-01-03", -1);
}

static void
the_calendar(void)
{
	EXPECT_WINDOW(calendar_window("week", "Europe/Berlin", "2026-11-30"), "2026-11-30 00:00+01", "2026-12-07 00:00+01", 1404);
	EXPECT_WINDOW(calendar_window("quarter", "UTC", "2026-11-30"), "2026-10-01", "2027-01-01", 107);
	EXPECT_WINDOW(calendar_window("year", "Asia/Kathmandu", "2026-11-30"), "2026-01-01 00:00+05:45", "2027-01-01 00:00+05:45", 26);
	EXPECT_WINDOW(calendar_window("day", "America/New_York", "2026-11-01 12:00"), "2026-11-01 00:00-04", "2026-11-02 00:00-05", 9799);
}

static void
a_lifetime(void)
{
	QuotaPeriod lifetime = {0, 0, 0};
	pg_tz	   *utc = quota_timezone("UTC");

	EXPECT_WINDOW(quota_window_at(at("2026-01-15"), &lifetime, utc, at("1999-01-01"), true), "2026-01-15", "infinity", 0);
	EXPECT_TIME(quota_calendar_anchor(&lifetime, utc), "-infinity");
}

static void
to_the_end_of_time(void)
{
	EXPECT_WINDOW(window_in("2000-01-01", "1 minute", "UTC", "294276-12-31 23:58:59"),
				  "294276-12-31 23:58", "294276-12-31 23:59", INT64CONST(153722855518));
	EXPECT_WINDOW(calendar_window("month", "UTC", "294276-11-30"), "294276-11-01", "294276-12-01", 3507322);
	EXPECT_WINDOW(calendar_window("year", "Pacific/Apia", "294275-06-01"), "294275-01-01 00:00+13", "294276-01-01 00:00+13", 292275);
	EXPECT_ERROR(calendar_window("month", "UTC", "294276-12-31").number, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE);
	EXPECT_ERROR(window_in("2000-01-01", "10000 years", "UTC", "292000-01-01 00:00").number, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE);
	EXPECT_ERROR(window_in("infinity", "day", "UTC", "2026-01-01").number, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE);
	EXPECT_ERROR(window_in("2026-01-01", "day", "UTC", "infinity").number, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE);
	/* the first day is 24 November 4714 BC, and its month has no beginning */
	EXPECT_WINDOW(calendar_window("day", "UTC", "4714-11-25 12:00 BC"), "4714-11-25 BC", "4714-11-26 BC", -2451546);
	EXPECT_ERROR(calendar_window("month", "UTC", "4714-11-25 12:00 BC").number, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE);
}

static void
zones_by_their_names(void)
{
	EXPECT_TRUE(quota_timezone("EST5EDT") != NULL);
	EXPECT_ERROR(quota_timezone("UTC+2"), ERRCODE_INVALID_PARAMETER_VALUE);
	EXPECT_ERROR(quota_timezone("Europe/Berlin1"), ERRCODE_INVALID_PARAMETER_VALUE);
	EXPECT_ERROR(quota_timezone("Mars/Olympus"), ERRCODE_INVALID_PARAMETER_VALUE);
}

const UnitCase window_cases[] = {
	{"windows tile in every zone", windows_tile},
	{"31 January, 28 February, 31 March", a_month_ends_when_it_ends},
	{"a local time that is missing", a_local_time_that_is_missing},
	{"a local time that is double", a_local_time_that_is_double},
	{"a day that is missing has an empty window", a_day_that_is_missing},
	{"a time before the anchor", before_the_anchor},
	{"the calendar's own boundaries", the_calendar},
	{"a lifetime has no end", a_lifetime},
	{"from the first day to the last", to_the_end_of_time},
	{"zones have names, not offsets", zones_by_their_names},
	{NULL}
};

#include "unit.h"

#include "utils/timestamp.h"

#include "engine/rollover.h"

/* An account of calendar months, in the window that begins then. */
static QuotaMeter
account(int64 allowance, int64 max, const char *start)
{
	QuotaMeter	meter = {0};
	QuotaSeries *series = &meter.limits.series;

	quota_period_parse("month", &series->period);
	series->zone = quota_timezone("UTC");
	series->anchor = quota_calendar_anchor(&series->period, series->zone);
	meter.limits.allowance = allowance;
	meter.limits.rolls_over = true;
	meter.limits.rollover_max = max;
	meter.limits.idle_since = DT_NOBEGIN;
	meter.key.start = at(start);
	return meter;
}

/* A window that ended then, with so much used of it. */
static QuotaBucketRow
charged(int64 allowance, int64 used, const char *end)
{
	QuotaBucketRow row = {0};

	row.key.end = at(end);
	row.state.allowance = allowance;
	row.state.counts.used = used;
	return row;
}

#define EXPECT_ROLLOVER(meter, before, units, out) \
	do { \
		QuotaRollover rollover_; \
		quota_rollover((meter), (before), &rollover_); \
		EXPECT_INT(rollover_.into, units); \
		EXPECT_INT(rollover_.out_of_before, out); \
	} while (0)

static void
what_the_last_window_left(void)
{
	QuotaMeter	meter = account(10, 8, "2026-02-01");
	QuotaBucketRow january = charged(10, 6, "2026-02-01");

	EXPECT_ROLLOVER(&meter, &january, 4, 4);
	january.state.counts.used = 0;
	EXPECT_ROLLOVER(&meter, &january, 8, 8);
	january.state.counts = (QuotaCounts) {.used = 9,.granted = 50,.overage = 50};
	EXPECT_ROLLOVER(&meter, &january, 1, 1);
	january.state.counts.overdrawn = 2;
	EXPECT_ROLLOVER(&meter, &january, 0, 0);
	/* what rolled into it is left as well, what rolled out is not */
	january.state.rolled_in = 7;
	january.state.rolled_out = 2;
	EXPECT_ROLLOVER(&meter, &january, 4, 4);
}

static void
by_the_terms_it_had(void)
{
	QuotaMeter	meter = account(10, 30, "2026-02-01");
	QuotaBucketRow january = charged(100, 80, "2026-02-01");

	EXPECT_ROLLOVER(&meter, &january, 20, 20);
	january.state.is_prorated = true;
	january.state.prorated = 85;
	EXPECT_ROLLOVER(&meter, &january, 5, 5);
	/* unlimited leaves the max, unless it has a share of a limit */
	january.state.unlimited = true;
	EXPECT_ROLLOVER(&meter, &january, 5, 5);
	january.state.is_prorated = false;
	EXPECT_ROLLOVER(&meter, &january, 30, 30);
	meter.limits.rollover_max = 0;
	EXPECT_ROLLOVER(&meter, &january, 0, 0);
}

static void
windows_without_use(void)
{
	QuotaMeter	meter = account(10, 25, "2026-03-01");
	QuotaBucketRow january = charged(10, 6, "2026-02-01");

	EXPECT_ROLLOVER(&meter, &january, 14, 4);
	meter.key.start = at("2026-04-01");
	EXPECT_ROLLOVER(&meter, &january, 24, 4);
	meter.key.start = at("2026-05-01");
	EXPECT_ROLLOVER(&meter, &january, 25, 4);
	/* an allowance of 0 adds nothing */
	meter.limits.allowance = 0;
	EXPECT_ROLLOVER(&meter, &january, 4, 4);
}

static void
from_the_first_use_or_the_start(void)
{
	QuotaMeter	meter = account(10, 25, "2026-03-01");

	EXPECT_ROLLOVER(&meter, NULL, 0, 0);
	/* a subscription since mid January: January, short as it was, and February */
	meter.limits.idle_since = at("2026-01-15");
	EXPECT_ROLLOVER(&meter, NULL, 20, 0);
	meter.limits.idle_since = at("2026-03-01");
	EXPECT_ROLLOVER(&meter, NULL, 0, 0);
	meter.limits.idle_since = at("2026-03-10");
	EXPECT_ROLLOVER(&meter, NULL, 0, 0);
}

static void
after_any_time(void)
{
	QuotaMeter	meter = account(PG_INT64_MAX, PG_INT64_MAX, "294276-11-01");
	QuotaBucketRow first = charged(PG_INT64_MAX, 0, "2000-02-01");

	first.state.rolled_in = PG_INT64_MAX;
	EXPECT_ROLLOVER(&meter, &first, PG_INT64_MAX, PG_INT64_MAX);
	meter.limits.allowance = 1;
	first = charged(1, 1, "2000-02-01");
	EXPECT_ROLLOVER(&meter, &first, 3507321, 0);
}

const UnitCase rollover_cases[] = {
	{"what the last window left, at most max", what_the_last_window_left},
	{"what it left by the terms that it had", by_the_terms_it_had},
	{"windows without use have all of theirs", windows_without_use},
	{"from the first use on, or since the subscription began", from_the_first_use_or_the_start},
	{"after any time, and the largest numbers", after_any_time},
	{NULL}
};

#include "unit.h"

#include "utils/timestamp.h"

#include "base/gcra.h"

#define NOW INT64CONST(1000000000000)

static const QuotaRate three_a_second = {.limit = 3,.per_us = USECS_PER_SEC,.burst = 3};

static QuotaGcra
taken(const QuotaRate *rate, int64 n)
{
	QuotaGcra	unused = QUOTA_GCRA_UNUSED;

	return quota_gcra_take(rate, &unused, NOW, n);
}

static void
a_burst_and_no_more(void)
{
	QuotaGcra	state = QUOTA_GCRA_UNUSED;

	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW), 3);
	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW, 3), 0);
	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW, 4), -1);
	state = taken(&three_a_second, 2);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW), 1);
	state = quota_gcra_take(&three_a_second, &state, NOW, 1);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW), 0);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW + USECS_PER_SEC), 3);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW + USECS_PER_DAY), 3);
}

static void
a_third_of_a_second_to_the_microsecond(void)
{
	QuotaGcra	state = taken(&three_a_second, 3);

	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW, 1), 333334);
	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW, 2), 666667);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW + 333333), 0);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW + 333334), 1);
}

/* each unit as soon as it is there: what a wait is rounded up by is not lost */
static void
no_drift(void)
{
	QuotaGcra	state = taken(&three_a_second, 3);
	TimestampTz now = NOW;

	for (int i = 0; i < 3000; i++)
	{
		now += quota_gcra_wait_us(&three_a_second, &state, now, 1);
		state = quota_gcra_take(&three_a_second, &state, now, 1);
	}
	EXPECT_INT(now - NOW, 1000 * USECS_PER_SEC);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, now), 0);
}

static void
beyond_the_burst_is_forgotten(void)
{
	QuotaGcra	state = taken(&three_a_second, 100);

	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW, 3), USECS_PER_SEC);
}

static void
a_true_count_is_a_debt(void)
{
	QuotaGcra	state = taken(&three_a_second, 3);

	state = quota_gcra_correct(&three_a_second, &state, NOW, 6);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW), 0);
	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW, 3), 3 * USECS_PER_SEC);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW + 2 * USECS_PER_SEC), 0);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW + 3 * USECS_PER_SEC), 3);
	/* what is taken in debt makes it neither more nor less */
	state = quota_gcra_take(&three_a_second, &state, NOW, 1);
	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW, 3), 3 * USECS_PER_SEC);
	/* fewer than were taken: never more than the burst */
	state = quota_gcra_correct(&three_a_second, &state, NOW, -8);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW), 2);
	state = quota_gcra_correct(&three_a_second, &state, NOW, -8);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW), 3);
}

static void
used_stays_used_when_the_clock_goes_back(void)
{
	QuotaGcra	state = taken(&three_a_second, 3);

	EXPECT_INT(quota_gcra_available(&three_a_second, &state, NOW - USECS_PER_HOUR), 0);
	EXPECT_INT(quota_gcra_wait_us(&three_a_second, &state, NOW - USECS_PER_HOUR, 3),
			   USECS_PER_HOUR + USECS_PER_SEC);
}

static void
another_rate(void)
{
	QuotaRate	faster = {.limit = 7,.per_us = USECS_PER_SEC,.burst = 7};
	QuotaRate	smaller = {.limit = 3,.per_us = USECS_PER_SEC,.burst = 1};
	QuotaGcra	state = taken(&three_a_second, 2);

	/* 2/3 of a second is 4 2/3 of 7 units: no more than 2 are left */
	EXPECT_INT(quota_gcra_available(&faster, &state, NOW), 2);
	/* a third and a bit: the fraction of another limit is rounded up */
	state = taken(&three_a_second, 1);
	EXPECT_INT(quota_gcra_wait_us(&faster, &state, NOW, 7), 333334);
	/* more than its burst begins afresh, with the same rate it does not */
	state = quota_gcra_correct(&three_a_second, &state, NOW, 9);
	EXPECT_INT(quota_gcra_available(&faster, &state, NOW), 7);
	EXPECT_INT(quota_gcra_available(&smaller, &state, NOW), 0);
}

static void
undone_as_far_as_it_is_still_there(void)
{
	QuotaRate	faster = {.limit = 30,.per_us = USECS_PER_SEC,.burst = 30};
	QuotaGcra	after = taken(&three_a_second, 3);
	QuotaGcra	state = quota_gcra_undo(&three_a_second, &after, &after, NOW, 3);
	TimestampTz later = NOW + 666667;

	EXPECT_INT(state.tat, NOW);
	/* two of three are there again when others take two */
	state = quota_gcra_take(&three_a_second, &after, later, 2);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, later), 0);
	state = quota_gcra_undo(&three_a_second, &state, &after, later, 3);
	EXPECT_INT(quota_gcra_available(&three_a_second, &state, later), 1);
	/* one that another rate has taken stays */
	state = quota_gcra_take(&faster, &after, NOW, 1);
	after = quota_gcra_undo(&three_a_second, &state, &after, NOW, 3);
	EXPECT_INT(memcmp(&after, &state, sizeof(state)), 0);
	/* what comes back does not make it begin afresh */
	state = taken(&faster, 30);
	state = quota_gcra_correct(&three_a_second, &state, NOW, -3);
	EXPECT_INT(state.tat, NOW);
	faster.burst = 300;
	state = taken(&faster, 300);
	state = quota_gcra_correct(&three_a_second, &state, NOW, -3);
	EXPECT_INT(state.tat, NOW + 10 * USECS_PER_SEC);
}

static void
the_largest_numbers(void)
{
	QuotaRate	most = {.limit = PG_INT64_MAX,.per_us = PG_INT64_MAX,.burst = PG_INT64_MAX};
	QuotaRate	slow = {.limit = 1,.per_us = INT64CONST(10000) * 365 * USECS_PER_DAY,.burst = PG_INT64_MAX};
	QuotaGcra	state = QUOTA_GCRA_UNUSED;

	EXPECT_INT(quota_gcra_available(&most, &state, NOW), PG_INT64_MAX);
	state = taken(&most, INT64CONST(1) << 62);
	EXPECT_INT(quota_gcra_available(&most, &state, NOW), PG_INT64_MAX - (INT64CONST(1) << 62));
	EXPECT_INT(quota_gcra_wait_us(&most, &state, NOW, PG_INT64_MAX), INT64CONST(1) << 62);
	/* beyond the end of time: refused, unless the work is done */
	state = taken(&slow, 1);
	EXPECT_ERROR(quota_gcra_take(&slow, &state, NOW, PG_INT64_MAX), ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE);
	state = quota_gcra_correct(&slow, &state, NOW, PG_INT64_MAX);
	EXPECT_INT(state.tat, END_TIMESTAMP - 1);
	state = quota_gcra_correct(&slow, &state, NOW, PG_INT64_MIN);
	EXPECT_INT(state.tat, NOW);
}

const UnitCase gcra_cases[] = {
	{"a burst at once, and no more", a_burst_and_no_more},
	{"a third of a second, to the microsecond", a_third_of_a_second_to_the_microsecond},
	{"3000 units take 1000 seconds", no_drift},
	{"what is let through beyond the burst is forgotten", beyond_the_burst_is_forgotten},
	{"a true count is a debt, and comes back", a_true_count_is_a_debt},
	{"what is used stays used when the clock goes back", used_stays_used_when_the_clock_goes_back},
	{"another rate takes a backlog over as far as its burst", another_rate},
	{"a take is undone as far as it is still there", undone_as_far_as_it_is_still_there},
	{"the largest numbers do not overflow", the_largest_numbers},
	{NULL}
};

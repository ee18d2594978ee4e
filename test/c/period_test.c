#include "unit.h"

#include "utils/timestamp.h"

#include "base/period.h"

static void
expect_period(const char *text, int32 months, int32 days, int64 us)
{
	QuotaPeriod period = {-1, -1, -1};
	const char *problem = quota_period_decode(text, &period);

	expect_true(__FILE__, __LINE__, psprintf("\"%s\" %s", text, problem ? problem : "is read"),
				problem == NULL && period.months == months && period.days == days && period.us == us);
}

static void
expect_problem(const char *text, const char *expected)
{
	QuotaPeriod period;
	const char *problem = quota_period_decode(text, &period);

	expect_true(__FILE__, __LINE__, psprintf("\"%s\" %s", text, problem ? problem : "is read"),
				problem != NULL && strcmp(problem, expected) == 0);
}

static void
words_and_intervals(void)
{
	expect_period("hour", 0, 0, USECS_PER_HOUR);
	expect_period("day", 0, 1, 0);
	expect_period("week", 0, 7, 0);
	expect_period("month", 1, 0, 0);
	expect_period("quarter", 3, 0, 0);
	expect_period("year", 12, 0, 0);
	expect_period("5 hours", 0, 0, 5 * USECS_PER_HOUR);
	expect_period("1 month 15 days 30 minutes", 1, 15, 30 * USECS_PER_MINUTE);
	expect_period("24 hours", 0, 0, USECS_PER_DAY);
	expect_period("P1Y2M3DT4H", 14, 3, 4 * USECS_PER_HOUR);
	expect_period("1-2", 14, 0, 0);
	expect_period("60.5 seconds", 0, 0, 60500000);
}

static void
what_is_none(void)
{
	char		longest[QUOTA_PERIOD_MAX_BYTES + 2];

	expect_problem("", "is not known");
	expect_problem("fortnight", "is not known");
	expect_problem("infinity", "is not known");
	expect_problem("-1 day", "has a negative part");
	expect_problem("1 month -1 day", "has a negative part");
	expect_problem("1 hour ago", "has a negative part");
	expect_problem("2147483647 years", "is not known");
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "1 day", 5);
	longest[QUOTA_PERIOD_MAX_BYTES] = '\0';
	expect_period(longest, 0, 1, 0);
	longest[QUOTA_PERIOD_MAX_BYTES] = ' ';
	longest[QUOTA_PERIOD_MAX_BYTES + 1] = '\0';
	expect_problem(longest, "is not known");
}

static void
from_a_minute_to_ten_thousand_years(void)
{
	expect_period("1 minute", 0, 0, USECS_PER_MINUTE);
	expect_problem("59.999999 seconds", "is too short");
	expect_problem("0 days", "is too short");
	expect_period("10000 years", 120000, 0, 0);
	expect_problem("10000 years 1 minute", "is too long");
	expect_problem("2147483647 days", "is too long");
}

static void
the_mean_of_a_month(void)
{
	QuotaPeriod month = {1, 0, 0};
	QuotaPeriod centuries = {4800, 0, 0};
	QuotaPeriod mixed = {4800, 2, 7};
	QuotaPeriod beyond = {PG_INT32_MAX, PG_INT32_MAX, PG_INT64_MAX};
	int64		us = 0;

	EXPECT_TRUE(quota_period_mean_us(&month, &us));
	EXPECT_INT(us, INT64CONST(2629746) * USECS_PER_SEC);
	EXPECT_TRUE(quota_period_mean_us(&centuries, &us));
	EXPECT_INT(us, 146097 * USECS_PER_DAY);
	EXPECT_TRUE(quota_period_mean_us(&mixed, &us));
	EXPECT_INT(us, 146099 * USECS_PER_DAY + 7);
	EXPECT_TRUE(!quota_period_mean_us(&beyond, &us));
}

static void
what_a_rate_is_per(void)
{
	EXPECT_INT(quota_rate_per_parse("1 second"), USECS_PER_SEC);
	EXPECT_INT(quota_rate_per_parse("week"), 7 * USECS_PER_DAY);
	EXPECT_INT(quota_rate_per_parse("1 day 1 hour"), 25 * USECS_PER_HOUR);
	EXPECT_ERROR(quota_rate_per_parse("0.999999 seconds"), ERRCODE_INVALID_PARAMETER_VALUE);
	EXPECT_ERROR(quota_rate_per_parse("month"), ERRCODE_INVALID_PARAMETER_VALUE);
	EXPECT_ERROR(quota_rate_per_parse("-1 second"), ERRCODE_INVALID_PARAMETER_VALUE);
}

const UnitCase period_cases[] = {
	{"six words, and intervals in all their forms", words_and_intervals},
	{"what is none, and why", what_is_none},
	{"from a minute to 10000 years", from_a_minute_to_ten_thousand_years},
	{"the mean length is exact over 400 years", the_mean_of_a_month},
	{"a rate is per a fixed length from a second on", what_a_rate_is_per},
	{NULL}
};

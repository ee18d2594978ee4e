/*-------------------------------------------------------------------------
 *
 * period.h
 *		The length of a quota's period.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_PERIOD_H
#define QUOTA_PERIOD_H

/*
 * Longest text quota_period_parse() looks at, in bytes.  PostgreSQL's own
 * interval parser works in a buffer of this size.
 */
#define QUOTA_PERIOD_MAX_BYTES	255

/*
 * Months, days and microseconds are kept apart, because they differ in length
 * ("1 month" is not "30 days", "1 day" is not "24 hours").  No field is ever
 * negative.  All zero means lifetime: a period that never renews.
 */
typedef struct QuotaPeriod
{
	int32		months;
	int32		days;
	int64		us;
} QuotaPeriod;

static inline bool
quota_period_is_lifetime(const QuotaPeriod *period)
{
	return period->months == 0 && period->days == 0 && period->us == 0;
}

extern bool quota_period_mean_us(const QuotaPeriod *period, int64 *mean_us);
extern const char *quota_period_decode(const char *text, QuotaPeriod *out);
extern void quota_period_parse(const char *text, QuotaPeriod *out);
extern int64 quota_rate_per_parse(const char *text);

#endif							/* QUOTA_PERIOD_H */

/*-------------------------------------------------------------------------
 *
 * gcra.h
 *		The generic cell rate algorithm (ITU-T I.371, virtual scheduling), in
 *		exact integers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_GCRA_H
#define QUOTA_GCRA_H

#include "datatype/timestamp.h"

/* Units per time. */
typedef struct QuotaRate
{
	int64		limit;			/* units per per_us; 0: no rate */
	int64		per_us;
	int64		burst;			/* most units at once */
} QuotaRate;

/*
 * When the last unit that was let through would have come if units came evenly:
 * tat + fraction / divisor microseconds.  In the past: nothing is used up; later
 * than a burst from now: in debt.
 */
typedef struct QuotaGcra
{
	TimestampTz tat;
	int64		fraction;
	int64		divisor;		/* with per_us, the rate that was used */
	int64		per_us;
} QuotaGcra;

/* a rate that has not been used */
#define QUOTA_GCRA_UNUSED	((QuotaGcra) {DT_NOBEGIN, 0, 1, 0})

/* how many units it lets through now, at most the burst, at least 0 */
extern int64 quota_gcra_available(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now);

/* the state after n units; if they were not available, with the burst used up; 22003 */
extern QuotaGcra quota_gcra_take(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now,
								 int64 n);

/*
 * The state after n units more than had been taken turned out to be used (negative:
 * fewer): with no more than the burst available, or in debt.
 */
extern QuotaGcra quota_gcra_correct(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now,
									int64 n);

/*
 * The state without n units, which led to "after" when they were taken: what is left of
 * that backlog can come back, the rest has come back with time.  Another rate may have
 * begun afresh: nothing does.
 */
extern QuotaGcra quota_gcra_undo(const QuotaRate *rate, const QuotaGcra *state,
								 const QuotaGcra *after, TimestampTz now, int64 n);

/* microseconds until n units are available, rounded up; -1: never */
extern int64 quota_gcra_wait_us(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now,
								int64 n);

#endif							/* QUOTA_GCRA_H */

/*-------------------------------------------------------------------------
 *
 * hold.h
 *		Holds: room reserved for work whose cost is not yet known.
 *
 * A hold is a debit that can still change: reserving takes as any charge does,
 * settling gives back what was too much or takes what was too little.  The hold's
 * row is locked first by all of them, so one at a time works on a hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_DECIDE_HOLD_H
#define QUOTA_DECIDE_HOLD_H

#include "decide/charge.h"

/* What came of it. */
typedef struct QuotaHoldOutcome
{
	int64		id;
	int64		reserved;		/* extend: the new total */
	int64		charged;		/* settle */
	int64		overdrawn;		/* settle: the largest over the levels */
	int64		released;		/* release */
	TimestampTz expires_at;
	QuotaVerdict verdict;		/* the numbers of now */
} QuotaHoldOutcome;

/*
 * Renews a hold (ttl_us 0: for the time that it was last given) and, unless
 * amount is 0, makes that its new total.  QT404, QT410 closed or expired, and as
 * quota_charge() where it grows.
 */
extern void quota_hold_extend(int64 id, int64 ttl_us, int64 amount, QuotaHoldOutcome *outcome);

/*
 * The work is done and cost "amount"; never refused for lack of room.  When it was
 * closed with the same amount before, that is answered again, with the numbers of
 * now.  QT404, QT410 closed with another amount.
 */
extern void quota_hold_settle(int64 id, int64 amount, Jsonb *metadata, QuotaHoldOutcome *outcome);

/* The work is not done: a settle with 0, of which each repeats the other.  QT404, QT410. */
extern void quota_hold_release(int64 id, QuotaHoldOutcome *outcome);

#endif							/* QUOTA_DECIDE_HOLD_H */

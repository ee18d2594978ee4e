/*-------------------------------------------------------------------------
 *
 * room.h
 *		How much room an account has and where it is taken from.
 *
 * Pure arithmetic over what the engine has read into a QuotaMeter; the same
 * for charging, for judging and for showing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ROOM_H
#define QUOTA_ROOM_H

#include "engine/engine.h"

/*
 * The most that could be taken now, never negative: from allowance, grants and
 * overage, and as caps allow, without the rate.  Where nothing limits, what the numbers can still hold.
 */
extern int64 quota_room(const QuotaMeter *meter);

/* without caps: from what caps could stop, that is all but grants beyond them */
extern int64 quota_room_before_caps(const QuotaMeter *meter);

/* of one cap alone */
extern int64 quota_cap_room(const QuotaAccountCap *cap);

/* what the rate lets through now; PG_INT64_MAX where there is none */
extern int64 quota_rate_room(const QuotaMeter *meter);

/* does anything limit it (the rate aside)? */
extern bool quota_is_limited(const QuotaMeter *meter);

/* the allowance and the use that are shown for it; the allowance of what is limited */
extern int64 quota_shown_allowance(const QuotaMeter *meter);
extern int64 quota_shown_use(const QuotaMeter *meter);

/* what the window's own allowance has left (grants and overage left out) */
extern int64 quota_allowance_left(const QuotaMeter *meter);

/* an allowance, prorated or not, less what was taken of it; negative: a deficit */
extern int128 quota_allowance_balance(const QuotaBucketState *bucket, int64 allowance);

/* 0 for what is negative, PG_INT64_MAX for what is larger */
extern int64 quota_clamp(int128 value);

/* all counts together; 22003 */
extern int64 quota_total(const QuotaCounts *counts);

/*
 * Sets the outcome's change and capped and the grants' changes to where "amount" comes
 * from: allowance, grants, overage, as caps allow; what is missing then comes from
 * the same whatever the caps say, and the rest is overdrawn.
 */
extern void quota_split(QuotaMeter *meter, int64 amount);

#endif							/* QUOTA_ROOM_H */

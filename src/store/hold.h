/*-------------------------------------------------------------------------
 *
 * hold.h
 *		Holds, and the accounts that they count in.
 *
 * A row is there until the hold is closed; closing deletes it, and what the hold
 * came to is in the ledger.
 *
 * Locks: a hold's row, then its parts' rows, then the buckets.  Giving an expired part
 * back needs no lock on the hold: of several sessions, the one that removes the part
 * does it, and a session that works on the hold finds the part gone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_HOLD_H
#define QUOTA_HOLD_H

#include "access/htup.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

#include "store/window_key.h"

typedef struct QuotaHold
{
	int64		id;
	const char *subject;
	int32		feature_id;
	int64		reserved;
	int64		ttl_us;
	TimestampTz created_at;
	TimestampTz expires_at;
	bool		expiry_seen;	/* its event is written; a settle may still come */
	Jsonb	   *metadata;		/* or NULL */

	HeapTuple	tuple;			/* of quota_hold_lock() */
} QuotaHold;

extern void quota_hold_create(const QuotaHold *hold);

/* false when there is none */
extern bool quota_hold_find(int64 id, Snapshot snapshot, QuotaHold *hold);
extern bool quota_hold_lock(int64 id, QuotaHold *hold);

/* deletes it; of several sessions that try, one gets true */
extern bool quota_hold_remove(int64 id, QuotaHold *hold);

/* writes reserved, ttl_us and expires_at of a hold that is locked */
extern void quota_hold_update(QuotaHold *hold);

/* when a hold that is made or renewed at "clock" expires; 22008 */
extern TimestampTz quota_hold_expiry(TimestampTz clock, int64 ttl_us);

/* A part that has expired. */
typedef struct QuotaHoldPart
{
	int64		hold_id;
	TimestampTz expires_at;
} QuotaHoldPart;

/*
 * Parts of holds.  They are in order of expiry, and expire when their hold does.
 * Without "is_new", of a hold that is locked, nothing is done where there is one that
 * expires then.
 */
extern void quota_hold_part_create(const QuotaAccountKey *account,
								   int64 hold_id, bool is_new, TimestampTz expires_at);
/* false when the part that expires then was given back, having expired by somebody's clock */
extern bool quota_hold_part_extend(const QuotaAccountKey *account,
								   int64 hold_id, TimestampTz expires_at, TimestampTz later);

/*
 * Removes the part that expires then; false when somebody else has removed or
 * extended it.
 */
extern bool quota_hold_part_remove(const QuotaAccountKey *account,
								   int64 hold_id, TimestampTz expires_at);

/* those in an account that have expired by "clock"; palloc'd */
extern int	quota_hold_parts_expired(const QuotaAccountKey *account,
									 TimestampTz clock, Snapshot snapshot, QuotaHoldPart **parts);

#endif							/* QUOTA_HOLD_H */

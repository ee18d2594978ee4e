/*-------------------------------------------------------------------------
 *
 * expiry.h
 *		Holds that have expired and have not been given back yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_EXPIRY_H
#define QUOTA_EXPIRY_H

#include "engine/engine.h"

/* What one expired hold still has in one account. */
typedef struct QuotaExpired
{
	int64		hold_id;
	TimestampTz expires_at;
	const char *subject;
	int16		levels;			/* of its ledger entries */
	int			nparts;
	QuotaPart  *parts;
} QuotaExpired;

/* of the account, the first to expire first; palloc'd */
extern int	quota_expired_of(const QuotaAccountKey *account, Snapshot snapshot,
							 QuotaExpired **expired);

/* reads again, of a hold_id, what it has */
extern void quota_expired_read(const QuotaAccountKey *account, Snapshot snapshot,
							   QuotaExpired *expired);

/* adds grants to meter that are used up but for what expired holds have of them */
extern void quota_add_expired_grants(QuotaMeter *meter, const QuotaExpired *expired,
									 int nexpired, Snapshot snapshot);

/* takes them off the numbers that have been read into meter */
extern void quota_leave_out_expired(QuotaMeter *meter, Relation buckets,
									const QuotaExpired *expired, int nexpired, Snapshot snapshot);

/*
 * How much of a window's use open holds have, those included that have expired and are not
 * given back: by what the ledger says, for a row that bears a lease.
 */
extern int64 quota_reserved_in(const QuotaWindowKey *window, Relation buckets, Snapshot snapshot);

#endif							/* QUOTA_EXPIRY_H */

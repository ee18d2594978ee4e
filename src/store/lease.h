/*-------------------------------------------------------------------------
 *
 * lease.h
 *		What has been taken from leases, by the ledger.
 *
 * Part of a bucket's count can be leased: taken from it is only what ledger entries
 * with the lease's id add up to.  True use is the count - leased + that sum, in every
 * snapshot (docs/leases.md).
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_H
#define QUOTA_LEASE_H

#include "store/bucket.h"

/* What has been taken from one lease. */
typedef struct QuotaLeaseUse
{
	int64		lease_id;
	int64		amount;
} QuotaLeaseUse;

/* the count of which a part is leased */
static inline int64 *
quota_lease_count_of(QuotaBucketState *row)
{
	return row->leases_overage ? &row->counts.overage : &row->counts.used;
}

/* a new one's id, and the last id of the ledger by now */
extern void quota_lease_next(int64 *lease_id, int64 *since);

/*
 * Of one lease that was opened when the ledger had come to the id "since"; for readers,
 * too: in a parallel worker, on a standby.
 */
extern int64 quota_ledger_of_lease(int64 lease_id, int64 since, Snapshot snapshot);

/*
 * Of all that are open, and some that were closed since, in order of their ids; palloc'd.
 * A lease from which nothing has been taken need not be there.
 */
extern int	quota_ledger_of_leases(Snapshot snapshot, QuotaLeaseUse **uses);

/* what they say of one */
extern int64 quota_lease_taken(const QuotaLeaseUse *uses, int n, int64 lease_id);

/* makes what a row with a lease says true use, without one, given what has been taken */
extern void quota_lease_settle(QuotaBucketState *state, int64 taken);

/* the same by the ledger */
extern void quota_lease_settle_by(QuotaBucketState *state, Snapshot snapshot);

#endif							/* QUOTA_LEASE_H */

/*-------------------------------------------------------------------------
 *
 * lease_orphan.h
 *		Closing leases by what the ledger says.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ENGINE_LEASE_ORPHAN_H
#define QUOTA_ENGINE_LEASE_ORPHAN_H

#include "store/bucket.h"

/*
 * Closes the lease of a row that is locked: its counts become true use.  Nobody else may
 * be able to take from the lease, or to have taken without having committed.
 */
extern void quota_lease_close_orphan(Relation buckets, QuotaBucketRow *row);

/*
 * Locks the rows that bear these leases, in this order, and closes the leases; returns
 * how many there were.  In a transaction that keeps its first snapshot 40001 for a row
 * that has changed since.
 */
extern int	quota_engine_close_leases(const int64 *lease_ids, int n);

#endif							/* QUOTA_ENGINE_LEASE_ORPHAN_H */

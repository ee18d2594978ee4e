/*-------------------------------------------------------------------------
 *
 * lease_orphan.h
 *		What a row that bears a lease says, by the ledger.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ENGINE_LEASE_ORPHAN_H
#define QUOTA_ENGINE_LEASE_ORPHAN_H

#include "store/bucket.h"

/*
 * The row's state as the snapshot sees it, without its lease: what has been taken and is
 * reserved by then is added up.
 */
extern QuotaBucketState quota_lease_add_up(Relation buckets, const QuotaBucketRow *row,
										   Snapshot snapshot);

/* the same with what this command has done, and all that has been committed */
extern QuotaBucketState quota_lease_add_up_now(Relation buckets, const QuotaBucketRow *row);

#endif							/* QUOTA_ENGINE_LEASE_ORPHAN_H */

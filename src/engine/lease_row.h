/*-------------------------------------------------------------------------
 *
 * lease_row.h
 *		A window's row beside its lease.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_ROW_H
#define QUOTA_LEASE_ROW_H

#include "engine/row_parts.h"

/*
 * Writes a window's row, as quota_bucket_update() does, and lets memory know.  Every write
 * of a row that bears a lease goes through here.
 */
extern bool quota_row_write(Relation buckets, QuotaBucketRow *row, const QuotaBucketState *state,
							Snapshot snapshot);

/* Does memory know of the row's lease? */
extern bool quota_row_is_known(const QuotaBucketRow *row);

/* The row's state as it is if all that is in flight commits. */
extern QuotaBucketState quota_row_seen(const QuotaBucketRow *row);

/*
 * What is sure to be used: the row's state if nothing that others have in flight commits.
 * At least as far as the caller needs to know: whether the leased count is "enough".
 */
extern QuotaBucketState quota_row_sure(Relation buckets, const QuotaBucketRow *row, int64 enough);

/*
 * What a reader is shown, who has not locked the row: all that has been committed, and the
 * transaction's own.
 */
extern QuotaBucketState quota_row_shown(Relation buckets, const QuotaBucketRow *row,
										Snapshot snapshot);

/*
 * Waits for those who have taken from leases of which the call's rows, found and not
 * locked, need the truth: all of them, or those that are short of what is asked for.  A
 * session that takers may be waiting for does not wait.
 */
extern void quota_leases_drain(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters,
							   bool all, Snapshot snapshot);

/* The rows are locked, so nobody else can take from what was drained. */
extern void quota_leases_end_drain(const QuotaMeter *meters, QuotaRows *rows, int nmeters);

/*
 * The row has just been locked: ends its lease or takes back from it what is needed.
 * CHANGED: the row is another now.
 */
extern QuotaPrepared quota_lease_stand(Relation buckets, const QuotaMeter *meter, QuotaRows *rows);

/*
 * Ends the lease of a locked row; nothing if it bears none.  With others' takes in flight
 * it waits for them, or does nothing.  True: the row is another now.
 */
extern bool quota_lease_end(Relation buckets, QuotaBucketRow *row, bool wait);

/*
 * The row is locked, and n is to be given back to it, of which so much is no hold's: if that can
 * pass the threshold that its lease lies above, what is left of the lease comes back, so
 * that the next charge finds it.  True: the row is another now.
 */
extern bool quota_lease_let_give(Relation buckets, QuotaBucketRow *row, int64 n, int64 spared);

#endif							/* QUOTA_LEASE_ROW_H */

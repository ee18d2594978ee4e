/*-------------------------------------------------------------------------
 *
 * engine.c
 *		Accounts are rows, locked by the caller's transaction.
 *
 * Right by construction: a row that is updated stays locked until its
 * transaction ends, so debits of one account queue behind each other, and abort,
 * savepoints and PREPARE TRANSACTION are PostgreSQL's own business.
 *
 * Locks, in this order: the bucket table (RowExclusiveLock, by enter(), before
 * plans are looked up; who moves windows wholesale takes EXCLUSIVE), those of the
 * accounts' other rows (the same lock, before the rows are looked up, so that none
 * stands elsewhere when it is locked), then account by account in the order of the
 * meters: the windows of expired holds, the window that rolls over, the window itself,
 * grants by id, caps, the rate.  An account that is a bucket and nothing else, alone
 * in its request, needs no lock of its own: the update is the lock.  All others are
 * locked before any is decided on, since a refusal must leave every one untouched.
 *
 * A refusal is first sought without any lock, in what is committed.  A request
 * that would fit only if a transaction in flight gave something back is
 * refused, and leaves no lock behind.
 *
 * A row that is missing is created first, in the same order, and the caller told
 * to look up anew (STALE); so is it when an expired hold was given back.
 *
 * Reads use a fresh snapshot whatever the isolation level; see store/heap.c.
 *
 * Caveats: a call refused after a lock was taken (because another transaction
 * took the last units meanwhile) keeps the lock until its transaction ends.  A
 * refund, or a settle that gives back, locks in the order of its parts' windows
 * and grants, which around the end of a period can be another order than a
 * charge's: 40P01.  So it is when a hold expires while it is being closed: who
 * closes it has removed its parts and waits for the bucket, which may belong to a
 * charge that finds it expired only now, in a second call or after it gave another
 * hold back and looked anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/snapmgr.h"

#include "engine/expiry.h"
#include "engine/row_parts.h"
#include "store/schema.h"

/* The lock stays until the transaction ends; nothing else does. */
void
quota_engine_enter(void)
{
	table_close(quota_bucket_open(), NoLock);
}

void
quota_engine_peek(QuotaMeter *meters, int nmeters, Snapshot snapshot)
{
	Relation	rel;

	/* of a boolean or static feature */
	if (nmeters == 0)
		return;
	rel = table_open(quota_relid(QUOTA_BUCKET), AccessShareLock);
	for (int i = 0; i < nmeters; i++)
	{
		QuotaRows	rows = {0};

		quota_rows_find(rel, &meters[i], &rows, AccessShareLock, snapshot);
		if (rows.bucket.tuple)
			heap_freetuple(rows.bucket.tuple);
	}
	table_close(rel, AccessShareLock);
}

int32
quota_engine_locate(QuotaWindowKey *key, int64 entry_id, Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_BUCKET), AccessShareLock);
	QuotaBucketRow row;

	quota_bucket_follow(rel, key, entry_id, snapshot, &row);
	table_close(rel, AccessShareLock);
	*key = row.key;
	return row.generation;
}

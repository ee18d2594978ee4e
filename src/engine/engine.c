/*-------------------------------------------------------------------------
 *
 * engine.c
 *		Accounts are rows, locked by the caller's transaction.
 *
 * This is right by construction: an updated row stays locked until its transaction
 * ends, so debits of one account queue behind each other, and PostgreSQL itself takes
 * care of aborts, savepoints and PREPARE TRANSACTION.
 *
 * src/README.md has the order of locks.  The bucket table is locked by enter(), before
 * plans are looked up; the accounts' other tables are locked before their rows are
 * looked up, so that a row that is found is still there when it is locked.  One account
 * that is a bucket and nothing else needs no lock of its own: the update is the lock.
 * All others are locked before any is decided on, since a refusal must leave every one
 * untouched.
 *
 * A refusal is first looked for without any lock, in what is committed.  A request
 * that would fit only if a transaction in flight gave something back is refused, and
 * leaves no lock behind.
 *
 * A missing row is created first, in the same order, and the caller is told to look up
 * again (STALE); the same happens when an expired hold has been given back.
 *
 * Reads use a fresh snapshot whatever the isolation level; see store/heap.c.
 *
 * Caveats.  A call that is refused after it has locked (because another transaction
 * took the last units meanwhile) keeps the locks until its transaction ends.  A refund,
 * or a settle that gives back, locks its parts' windows and grants in their order, which
 * around the end of a period can differ from a charge's: 40P01.  The same can happen
 * when a hold expires while it is being closed: the session closing it has removed its
 * parts and waits for the bucket.  A charge may hold that bucket, notice only now that
 * the hold has expired, in a later call or after giving another hold back, and wait for
 * those parts.
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

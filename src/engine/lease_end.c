/*-------------------------------------------------------------------------
 *
 * lease_end.c
 *		Ending leases before administration writes their rows.
 *
 * All leases are drained before any row is locked, since a session that has taken from
 * one of them may be waiting for a row.  A transaction that has charged before waits all
 * the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "engine/expiry.h"
#include "engine/lease_end.h"
#include "engine/lease_row.h"
#include "shared/lease_lock.h"
#include "store/lease.h"
#include "store/schema.h"

/* Has a transaction that keeps its first snapshot seen another version of the row? */
static void
require_seen(ItemPointer seen, const QuotaBucketRow *row)
{
	if (IsolationUsesXactSnapshot() && !ItemPointerEquals(seen, &row->tuple->t_self))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
}

/* False: there is no such row, or it bears no lease any more. */
static bool
lock_leased(Relation buckets, QuotaBucketRow *row, Snapshot snapshot)
{
	ItemPointerData seen;

	if (row->tuple == NULL)
		return false;
	seen = row->tuple->t_self;
	if (!quota_bucket_lock(buckets, row, snapshot))
		return false;
	require_seen(&seen, row);
	return row->state.lease_id != 0;
}

/* Leases that memory does not know: the ledger is read once for all. */
static void
end_orphans(Relation buckets, QuotaBucketRow **rows, int nrows)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaLeaseUse *uses;
	int			nuses = quota_ledger_of_leases(snapshot, &uses);

	for (int i = 0; i < nrows; i++)
	{
		QuotaBucketState state = rows[i]->state;

		quota_lease_settle(&state, quota_lease_taken(uses, nuses, state.lease_id));
		state.reserved = quota_reserved_in(&rows[i]->key, buckets, snapshot);
		QuotaEnsure(quota_row_write(buckets, rows[i], &state, InvalidSnapshot));
	}
	UnregisterSnapshot(snapshot);
}

/* The rows are locked; and drained, if it shall wait.  How many were ended. */
static int
end_all(Relation buckets, QuotaBucketRow **rows, int nrows, bool wait)
{
	int			norphans = 0;
	int			nended = 0;

	CommandCounterIncrement();
	for (int i = 0; i < nrows; i++)
	{
		if (nrows == 1 || quota_row_is_known(rows[i]))
			nended += quota_lease_end(buckets, rows[i], wait);
		else if (wait || !quota_lease_has_takers(&rows[i]->key))
			rows[norphans++] = rows[i];
	}
	if (norphans > 0)
		end_orphans(buckets, rows, norphans);
	/* the rows may be written again */
	CommandCounterIncrement();
	return nended + norphans;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

/* A row that has been written cannot be found again by the snapshot that found it. */
static void
require_distinct(const int64 *lease_ids, int n)
{
	int64	   *sorted = (int64 *) palloc(sizeof(int64) * Max(n, 1));

	memcpy(sorted, lease_ids, sizeof(int64) * n);
	qsort(sorted, n, sizeof(int64), compare_ids);
	for (int i = 1; i < n; i++)
	{
		if (sorted[i] == sorted[i - 1])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("lease " INT64_FORMAT " is to be ended twice", sorted[i])));
	}
	pfree(sorted);
}

int
quota_engine_close_leases(const int64 *lease_ids, int n, bool wait)
{
	Relation	buckets = quota_bucket_open();
	Snapshot	snapshot = RegisterSnapshot(IsolationUsesXactSnapshot() ? GetActiveSnapshot() : GetLatestSnapshot());
	QuotaBucketRow *rows = (QuotaBucketRow *) palloc(sizeof(QuotaBucketRow) * Max(n, 1));
	QuotaBucketRow **locked = (QuotaBucketRow **) palloc(sizeof(QuotaBucketRow *) * Max(n, 1));
	int			nlocked = 0;
	int			nended;

	require_distinct(lease_ids, n);
	for (int i = 0; i < n; i++)
	{
		quota_bucket_of_lease(buckets, lease_ids[i], snapshot, &rows[i]);
		if (rows[i].tuple != NULL && wait)
			quota_lease_drain(&rows[i].key);
	}
	for (int i = 0; i < n; i++)
	{
		if (lock_leased(buckets, &rows[i], snapshot))
			locked[nlocked++] = &rows[i];
	}
	nended = end_all(buckets, locked, nlocked, wait);
	for (int i = 0; i < n; i++)
	{
		if (rows[i].tuple != NULL && wait)
			quota_lease_end_drain(&rows[i].key);
	}
	UnregisterSnapshot(snapshot);
	table_close(buckets, NoLock);
	return nended;
}

int64
quota_engine_reserved(const QuotaWindowKey *window, Snapshot snapshot)
{
	Relation	buckets = table_open(quota_relid(QUOTA_BUCKET), AccessShareLock);
	int64		reserved = quota_reserved_in(window, buckets, snapshot);

	table_close(buckets, AccessShareLock);
	return reserved;
}

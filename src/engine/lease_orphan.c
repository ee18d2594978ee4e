/*-------------------------------------------------------------------------
 *
 * lease_orphan.c
 *		Closing leases by what the ledger says.
 *
 * It works without shared memory, so after a crash or a restore, and wherever the
 * library is not preloaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "engine/lease_orphan.h"
#include "store/lease.h"

/* The rows may be written again. */
static void
write_closed(Relation buckets, QuotaBucketRow *row, const QuotaBucketState *state)
{
	QuotaEnsure(quota_bucket_update(buckets, row, state, InvalidSnapshot));
	CommandCounterIncrement();
}

/* What has been committed by now, and what this command has taken itself. */
static Snapshot
snapshot_of_now(void)
{
	CommandCounterIncrement();
	return RegisterSnapshot(GetLatestSnapshot());
}

void
quota_lease_close_orphan(Relation buckets, QuotaBucketRow *row)
{
	QuotaBucketState state = row->state;
	Snapshot	snapshot = snapshot_of_now();

	quota_lease_settle_by(&state, snapshot);
	UnregisterSnapshot(snapshot);
	write_closed(buckets, row, &state);
}

/* The ledger is read once for all. */
static void
close_orphans(Relation buckets, QuotaBucketRow *rows, int nrows)
{
	Snapshot	snapshot = snapshot_of_now();
	QuotaLeaseUse *uses;
	int			nuses = quota_ledger_of_leases(snapshot, &uses);

	UnregisterSnapshot(snapshot);
	for (int i = 0; i < nrows; i++)
	{
		QuotaBucketState state = rows[i].state;

		quota_lease_settle(&state, quota_lease_taken(uses, nuses, state.lease_id));
		write_closed(buckets, &rows[i], &state);
	}
	pfree(uses);
}

/* Has a transaction that keeps its first snapshot seen another version of the row? */
static void
require_seen(ItemPointer seen, const QuotaBucketRow *row)
{
	if (IsolationUsesXactSnapshot() && !ItemPointerEquals(seen, &row->tuple->t_self))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
}

/* Locks the row that bears the lease; false if none does any more. */
static bool
lock_leased(Relation buckets, int64 lease_id, QuotaBucketRow *row)
{
	Snapshot	snapshot = RegisterSnapshot(IsolationUsesXactSnapshot() ? GetActiveSnapshot() : GetLatestSnapshot());
	bool		locked = false;

	quota_bucket_of_lease(buckets, lease_id, snapshot, row);
	if (row->tuple != NULL)
	{
		ItemPointerData seen = row->tuple->t_self;

		if (quota_bucket_lock(buckets, row, snapshot))
		{
			require_seen(&seen, row);
			locked = row->state.lease_id == lease_id;
		}
	}
	UnregisterSnapshot(snapshot);
	return locked;
}

int
quota_engine_close_leases(const int64 *lease_ids, int n)
{
	Relation	buckets = quota_bucket_open();
	QuotaBucketRow *rows = (QuotaBucketRow *) palloc(sizeof(QuotaBucketRow) * Max(n, 1));
	int			nrows = 0;

	for (int i = 0; i < n; i++)
		nrows += lock_leased(buckets, lease_ids[i], &rows[nrows]) ? 1 : 0;
	if (nrows == 1)
		quota_lease_close_orphan(buckets, &rows[0]);
	else if (nrows > 1)
		close_orphans(buckets, rows, nrows);
	table_close(buckets, NoLock);
	return nrows;
}

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

void
quota_lease_close_orphan(Relation buckets, QuotaBucketRow *row)
{
	QuotaBucketState state = row->state;
	Snapshot	snapshot;

	/* what this command has taken itself, too */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_lease_settle(&state, snapshot);
	UnregisterSnapshot(snapshot);
	QuotaEnsure(quota_bucket_update(buckets, row, &state, InvalidSnapshot));
	/* the row may be written again */
	CommandCounterIncrement();
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

static bool
close_lease(Relation buckets, int64 lease_id)
{
	Snapshot	snapshot = RegisterSnapshot(IsolationUsesXactSnapshot() ? GetActiveSnapshot() : GetLatestSnapshot());
	QuotaBucketRow row;
	bool		closed = false;

	quota_bucket_of_lease(buckets, lease_id, snapshot, &row);
	if (row.tuple != NULL)
	{
		ItemPointerData seen = row.tuple->t_self;

		if (quota_bucket_lock(buckets, &row, snapshot))
		{
			require_seen(&seen, &row);
			closed = row.state.lease_id == lease_id;
		}
	}
	UnregisterSnapshot(snapshot);
	if (closed)
		quota_lease_close_orphan(buckets, &row);
	return closed;
}

int64
quota_engine_close_leases(const int64 *lease_ids, int n)
{
	Relation	buckets = quota_bucket_open();
	int64		nclosed = 0;

	for (int i = 0; i < n; i++)
		nclosed += close_lease(buckets, lease_ids[i]) ? 1 : 0;
	table_close(buckets, NoLock);
	return nclosed;
}

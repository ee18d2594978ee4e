/*-------------------------------------------------------------------------
 *
 * lease_orphan.c
 *		What a row that bears a lease says, by the ledger.
 *
 * It works without shared memory, so after a crash or a restore, on a standby, and
 * wherever the library is not preloaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "engine/expiry.h"
#include "engine/lease_orphan.h"
#include "store/lease.h"

QuotaBucketState
quota_lease_add_up(Relation buckets, const QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaBucketState state = row->state;

	if (state.lease_id == 0)
		return state;
	quota_lease_settle_by(&state, snapshot);
	state.reserved = quota_reserved_in(&row->key, buckets, snapshot);
	return state;
}

QuotaBucketState
quota_lease_add_up_now(Relation buckets, const QuotaBucketRow *row)
{
	QuotaBucketState state;
	Snapshot	snapshot;

	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	state = quota_lease_add_up(buckets, row, snapshot);
	UnregisterSnapshot(snapshot);
	return state;
}

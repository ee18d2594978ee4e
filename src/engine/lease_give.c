/*-------------------------------------------------------------------------
 *
 * lease_give.c
 *		Giving back to a lease what was taken from it.
 *
 * What comes back can be taken again when that has been committed, not before.  A lease is
 * of a window without caps, and whatever moves a window's use ends its lease first: so what
 * was charged after a lease had begun, in its window, is where it was, and in no cap.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "engine/lease_give.h"
#include "engine/lease_take.h"
#include "shared/lease_lock.h"
#include "shared/leases.h"
#include "store/ledger.h"

static bool
is_leased(const QuotaPart *part, const QuotaLeaseEntry *entry)
{
	return part->source == QUOTA_SOURCE_OVERAGE ? entry->row.leases_overage :
		(part->source == QUOTA_SOURCE_ALLOWANCE || part->source == QUOTA_SOURCE_CAPACITY) &&
		!entry->row.leases_overage;
}

static bool
bears(Relation buckets, const QuotaWindowKey *window, const QuotaPlaceKey *key, int64 lease)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		does = quota_row_bears(buckets, window, key, lease, snapshot);

	UnregisterSnapshot(snapshot);
	return does;
}

bool
quota_lease_give_part(Relation buckets, QuotaGiving *giving, int64 id)
{
	const QuotaPart *part = &giving->part;
	QuotaPlaceKey key;
	QuotaLeaseEntry entry;

	if (!quota_leases_exist() || !quota_leases_on() || IsolationUsesXactSnapshot())
		return false;
	key = quota_lease_key(&part->key);
	if (!quota_leases_read(&key, &entry) || entry.row.lease_since >= id || !is_leased(part, &entry))
		return false;
	/* the sum by the ledger goes by ids from the lease's beginning on */
	if ((giving->early_id != 0 && giving->early_id <= entry.row.lease_since) || !quota_lease_share(&part->key))
		return false;
	if (bears(buckets, &part->key, &key, entry.lease) &&
		quota_leases_give(&key, entry.lease, part->amount, giving->unreserve,
						  Max(part->amount - giving->unreserve, 0)))
		giving->lease_id = entry.lease;
	else
		quota_lease_unshare(&part->key);
	return giving->lease_id != 0;
}

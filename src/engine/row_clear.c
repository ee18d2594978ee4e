/*-------------------------------------------------------------------------
 *
 * row_clear.c
 *		The engine's clearing of caps: they count from 0 again.
 *
 * A cap's row remembers a ledger id of the moment: what was charged before and comes
 * back later restores it no more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/timestamp.h"

#include "engine/engine.h"
#include "store/ledger.h"

bool
quota_engine_clear_caps(const QuotaMeter *meter, TimestampTz at, Snapshot snapshot, int *ncleared)
{
	Relation	rel = quota_cap_use_open(RowExclusiveLock);
	bool		done = true;

	*ncleared = 0;
	for (int i = 0; i < meter->balance.ncaps && done; i++)
	{
		const QuotaAccountCap *cap = &meter->balance.caps[i];
		QuotaCapUse use;

		quota_cap_use_find(rel, &meter->key, &cap->key, snapshot, &use);
		if (use.tuple == NULL)
			continue;
		done = quota_cap_use_lock(rel, &use, snapshot);
		if (!done || at >= use.closes_at)
			continue;
		*ncleared += use.used > 0 ? 1 : 0;
		use.used = 0;
		/* the row is locked: every use that it has counted has a smaller id */
		use.cleared_id = quota_ledger_next_id();
		if (TIMESTAMP_IS_NOBEGIN(cap->key.window_start))
			use.closes_at = at;
		quota_cap_use_update(rel, &use);
	}
	table_close(rel, NoLock);
	return done;
}

/*-------------------------------------------------------------------------
 *
 * lease_row.c
 *		A window's row beside its lease.
 *
 * A row that has enough beside all that it leases is taken from as if there were no lease.
 * Where it has not, the truth is needed: the call drains before it locks any row, and then
 * ends the lease.  A session that takers may be waiting for (it has taken from a lease
 * itself, or has locked rows before) must not wait for them.  For it alone, what others
 * have in flight counts as taken: it takes back what is left, and no more.
 *
 * A change of the lease is written at once and the call looks again, so there is no way
 * out of a call on which row and memory could differ.
 *
 * Caveat: a row that is short of the amount only when it is locked, though it had several
 * times as much when it was found, is decided on in the same way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "engine/lease_draw.h"
#include "engine/lease_orphan.h"
#include "engine/lease_row.h"
#include "engine/room.h"
#include "shared/lease_lock.h"

/* times what is asked for; nothing is leased where less than 16 times that is left (lease_draw.c) */
#define MARGIN	7

/* What memory says of the row's lease; false: nothing. */
static bool
find_entry(const QuotaBucketRow *row, QuotaPlaceKey *key, QuotaLeaseEntry *entry)
{
	if (row->state.lease_id == 0 || !quota_leases_exist())
		return false;
	*key = quota_lease_key(&row->key);
	return quota_leases_read(key, entry) && entry->lease == row->state.lease_id;
}

bool
quota_row_write(Relation buckets, QuotaBucketRow *row, const QuotaBucketState *state,
				Snapshot snapshot)
{
	int64		lease = Max(row->state.lease_id, state->lease_id);

	if (lease != 0 && quota_leases_exist())
	{
		QuotaPlaceKey key = quota_lease_key(&row->key);

		/* a row with a lease is written under its lock */
		QuotaEnsure(snapshot == InvalidSnapshot);
		quota_leases_write(&key, lease, state);
	}
	return quota_bucket_update(buckets, row, state, snapshot);
}

bool
quota_row_is_known(const QuotaBucketRow *row)
{
	QuotaPlaceKey key;
	QuotaLeaseEntry entry;

	return find_entry(row, &key, &entry);
}

QuotaBucketState
quota_row_seen(const QuotaBucketRow *row)
{
	QuotaPlaceKey key;
	QuotaLeaseEntry entry;
	QuotaLeaseShare own;

	if (!find_entry(row, &key, &entry))
		return row->state;
	own = quota_leases_own(&key, entry.lease);
	return quota_lease_seen(&entry, &row->state, &own);
}

/* a state without the lease that the row has: the count that was leased */
static int64
leased_count(const QuotaBucketState *row, const QuotaBucketState *state)
{
	return row->leases_overage ? state->counts.overage : state->counts.used;
}

QuotaBucketState
quota_row_sure(Relation buckets, const QuotaBucketRow *row, int64 enough)
{
	QuotaPlaceKey key;
	QuotaLeaseEntry entry;
	QuotaLeaseShare own;
	QuotaBucketState told;
	QuotaBucketState state;

	if (row->state.lease_id == 0)
		return row->state;
	if (!find_entry(row, &key, &entry))
		return quota_lease_add_up_now(buckets, row);
	own = quota_leases_own(&key, entry.lease);
	told = quota_lease_sure(&entry, &row->state, &own);
	if (!entry.unknown && leased_count(&row->state, &told) >= enough)
		return told;
	/* what has been committed and memory has not heard of; but what others give back is theirs */
	state = quota_lease_add_up_now(buckets, row);
	*(row->state.leases_overage ? &state.counts.overage : &state.counts.used) -= entry.giving - own.given;
	return !entry.unknown && leased_count(&row->state, &told) > leased_count(&row->state, &state) ? told : state;
}

QuotaBucketState
quota_row_shown(Relation buckets, const QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaPlaceKey key;
	QuotaLeaseEntry entry;

	/*
	 * Memory is of now; and a parallel worker does not know what the transaction has in
	 * flight.
	 */
	if (!IsolationUsesXactSnapshot() && !IsParallelWorker() &&
		snapshot->curcid >= GetCurrentCommandId(false) && find_entry(row, &key, &entry) &&
		!entry.unknown)
	{
		QuotaLeaseShare own = quota_leases_own(&key, entry.lease);

		return quota_lease_closed(&entry, &row->state, &own);
	}
	return quota_lease_add_up(buckets, row, snapshot);
}

/* Could use with n more, and all that is leased, get to the threshold above? */
static bool
is_above(const QuotaBucketState *row, const QuotaLeaseEntry *entry, int64 n)
{
	return quota_total(&row->counts) + row->rolled_out >= entry->ceiling - n;
}

/* ---- draining ---- */

/*
 * Does the call have to know what has been taken of the row's lease?  With a margin, for
 * what others take of the row until it is locked; nothing is leased that near the limit.
 * Not where a prepared transaction may have taken, which can take its time.
 */
static bool
is_short(const QuotaMeter *meter, const QuotaBucketRow *row)
{
	int64		left = quota_lease_source_left(meter, &row->state);
	QuotaPlaceKey key;
	QuotaLeaseEntry entry;

	if (left < meter->amount)
		return true;
	if (!find_entry(row, &key, &entry) || entry.unknown)
		return false;
	return entry.may_give < 0 || is_above(&row->state, &entry, meter->amount) ||
		(!quota_leases_eager() && left / MARGIN < meter->amount);
}

static void
drain(const QuotaWindowKey *window)
{
	quota_leases_count(QUOTA_LEASE_DRAINED);
	quota_lease_drain(window);
}

static void
drain_before(Relation buckets, const QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	QuotaBucketRow before;

	if (!quota_rollover_is_open(meter, &rows->bucket))
		return;
	quota_bucket_before(buckets, &meter->key, snapshot, &before);
	if (before.tuple == NULL || before.state.lease_id == 0)
		return;
	rows->before = before.key;
	rows->before_drained = true;
	drain(&rows->before);
}

void
quota_leases_drain(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters, bool all,
				   Snapshot snapshot)
{
	bool		may_wait = !quota_leases_shared_any() && !quota_bucket_locked_any();

	for (int i = 0; i < nmeters; i++)
	{
		if (rows[i].by_lease || meters[i].limits.rate_only)
			continue;
		/* what rolls over has to be known in any case */
		drain_before(buckets, &meters[i], &rows[i], snapshot);
		if (rows[i].bucket.state.lease_id == 0 || !(all || (may_wait && is_short(&meters[i], &rows[i].bucket))))
			continue;
		rows[i].drained = true;
		drain(&meters[i].key);
	}
}

void
quota_leases_end_drain(const QuotaMeter *meters, QuotaRows *rows, int nmeters)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (rows[i].before_drained)
			quota_lease_end_drain(&rows[i].before);
		if (rows[i].drained)
			quota_lease_end_drain(&meters[i].key);
		rows[i].before_drained = rows[i].drained = false;
	}
}

/* ---- the locked row ---- */

/* By what the ledger says: nobody else has anything in flight. */
static bool
close_by_ledger(Relation buckets, QuotaBucketRow *row)
{
	QuotaBucketState state = quota_lease_add_up_now(buckets, row);

	quota_leases_count(QUOTA_LEASE_WAS_ORPHAN);
	QuotaEnsure(quota_row_write(buckets, row, &state, InvalidSnapshot));
	return true;
}

/* Ends the lease if nobody else has anything in flight. */
static bool
close_if_quiet(Relation buckets, QuotaBucketRow *row, const QuotaLeaseEntry *entry, bool found)
{
	QuotaBucketState state = row->state;
	QuotaPlaceKey key;

	if (!found || entry->unknown)
		return !quota_lease_has_takers(&row->key) && close_by_ledger(buckets, row);
	key = quota_lease_key(&row->key);
	if (!quota_leases_close(&key, entry->lease, &state))
		return false;
	QuotaEnsure(quota_row_write(buckets, row, &state, InvalidSnapshot));
	return true;
}

/* Others' writes are read over first, as whenever a row is locked. */
static bool
read_over(const QuotaBucketRow *row, QuotaLeaseEntry *entry)
{
	QuotaPlaceKey key;

	if (!quota_leases_exist())
		return false;
	key = quota_lease_key(&row->key);
	return quota_leases_read_over(&key, &row->state, entry);
}

/* Takes up to n of what is left back into the row; false: nothing is left. */
static bool
recall(Relation buckets, QuotaBucketRow *row, int64 n)
{
	QuotaPlaceKey key = quota_lease_key(&row->key);
	QuotaBucketState state = row->state;

	if (quota_leases_recall(&key, state.lease_id, n, &state) == 0)
		return false;
	QuotaEnsure(quota_row_write(buckets, row, &state, InvalidSnapshot));
	return true;
}

bool
quota_lease_let_give(Relation buckets, QuotaBucketRow *row, int64 n, int64 spared)
{
	QuotaLeaseEntry entry = {0};
	QuotaPlaceKey key;

	if (!read_over(row, &entry))
		return false;
	key = quota_lease_key(&row->key);
	/* before anybody looks at how much there is */
	quota_leases_sink(&key, entry.lease, &row->state, n);
	if (spared <= 0)
		return false;
	return !quota_leases_spare(&key, entry.lease, spared) && recall(buckets, row, PG_INT64_MAX);
}

/* Was it drawn under other terms, or may the call pass a threshold with it? */
static bool
is_of_no_use(const QuotaMeter *meter, const QuotaBucketRow *row, const QuotaLeaseEntry *entry)
{
	QuotaLeaseTerms terms = quota_lease_terms(meter);

	return !quota_same_lease_terms(&entry->terms, &terms) || entry->may_give < 0 ||
		is_above(&row->state, entry, meter->amount);
}

QuotaPrepared
quota_lease_stand(Relation buckets, const QuotaMeter *meter, QuotaRows *rows)
{
	QuotaBucketRow *row = &rows->bucket;
	QuotaLeaseEntry entry = {0};
	bool		found = read_over(row, &entry);
	bool		of_no_use;
	bool		may_end;
	int64		missing;

	if (row->state.lease_id == 0)
		return QUOTA_PREPARED_LOCKED;
	of_no_use = found && is_of_no_use(meter, row, &entry);
	may_end = !found || entry.unknown || GetCurrentTimestamp() < entry.retires_until;
	if ((rows->drained || of_no_use || may_end) && close_if_quiet(buckets, row, &entry, found))
		return QUOTA_PREPARED_CHANGED;
	missing = of_no_use ? PG_INT64_MAX : meter->amount - quota_lease_source_left(meter, &row->state);
	if (missing <= 0)
		return QUOTA_PREPARED_LOCKED;
	if (found)
		return recall(buckets, row, missing) ? QUOTA_PREPARED_CHANGED : QUOTA_PREPARED_LOCKED;
	/* of an orphan: prepared transactions, which want no row */
	return quota_lease_end(buckets, row, true) ? QUOTA_PREPARED_CHANGED : QUOTA_PREPARED_LOCKED;
}

bool
quota_lease_end(Relation buckets, QuotaBucketRow *row, bool wait)
{
	QuotaLeaseEntry entry = {0};
	bool		found = read_over(row, &entry);

	if (row->state.lease_id == 0)
		return false;
	if (close_if_quiet(buckets, row, &entry, found))
		return true;
	if (!wait)
		return false;
	drain(&row->key);
	found = read_over(row, &entry);
	QuotaEnsure(close_if_quiet(buckets, row, &entry, found));
	quota_lease_end_drain(&row->key);
	return true;
}

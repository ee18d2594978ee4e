/*-------------------------------------------------------------------------
 *
 * lease_take.c
 *		Which accounts of a call are served by their leases, without their rows.
 *
 * The lease's lock first, at once or not at all; then the entry in memory.  Memory comes
 * before any row is locked.
 *
 * A session reads the row once for each lease that it meets: that guards against memory
 * that is not of these tables, as after a restore.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "engine/lease_draw.h"
#include "engine/lease_take.h"
#include "shared/lease_lock.h"
#include "store/schema.h"

/* ---- which leases the session has seen in rows ---- */

typedef struct Seen
{
	QuotaPlaceKey key;
	int64		lease;
} Seen;

#define MOST_SEEN	256			/* a later one takes the place of an earlier one */

static Seen seen[MOST_SEEN];
static uint64 seen_generation = 0;

static Seen *
seen_place(const QuotaPlaceKey *key)
{
	if (seen_generation != quota_relation_generation(QUOTA_BUCKET))
	{
		memset(seen, 0, sizeof(seen));
		seen_generation = quota_relation_generation(QUOTA_BUCKET);
	}
	return &seen[key->bits[1] % MOST_SEEN];
}

bool
quota_row_bears(Relation buckets, const QuotaWindowKey *window, const QuotaPlaceKey *key,
				int64 lease, Snapshot snapshot)
{
	Seen	   *place = seen_place(key);
	QuotaBucketRow row;

	if (quota_same_place(&place->key, key) && place->lease == lease)
		return true;
	quota_bucket_find(buckets, window, snapshot, &row);
	if (row.tuple == NULL || row.state.lease_id != lease)
		return false;
	heap_freetuple(row.tuple);
	place->key = *key;
	place->lease = lease;
	return true;
}

/* ---- looking ---- */

/* Has the entry something for this call, and is the session not to draw more? */
static bool
serves(const QuotaMeter *meter, const QuotaPlaceKey *key, const QuotaLeaseEntry *entry, bool *draws)
{
	TimestampTz now = GetCurrentTimestamp();

	if (entry->closing || (meter->early_id != 0 && meter->early_id <= entry->row.lease_since))
		return false;
	*draws = quota_lease_left(entry) < meter->amount || now < entry->retires_until ||
		(quota_lease_left(entry) < entry->drawn / 2 && quota_leases_claim(key, entry->lease, now)) ||
		quota_leases_retire(key, entry, now);
	return !*draws;
}

bool
quota_lease_look(Relation buckets, const QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	QuotaLeaseEntry entry;
	const QuotaBucketState *written;
	QuotaLeaseShare own;

	rows->by_lease = false;
	if (!rows->looks_at_lease || !quota_can_lease(meter))
		return false;
	rows->lease_key = quota_lease_key(&meter->key);
	if (!quota_leases_read(&rows->lease_key, &entry))
	{
		rows->draws = quota_leases_eager();
		return false;
	}
	if (!serves(meter, &rows->lease_key, &entry, &rows->draws) || !quota_lease_share(&meter->key))
		return false;
	/* again, now that nobody can drain it */
	rows->by_lease = quota_leases_read(&rows->lease_key, &entry) && !entry.closing &&
		quota_row_bears(buckets, &meter->key, &rows->lease_key, entry.lease, snapshot);
	if (!rows->by_lease)
	{
		quota_lease_unshare(&meter->key);
		return false;
	}
	rows->lease = entry.lease;
	rows->lease_terms = entry.terms;
	rows->bucket.tuple = NULL;
	rows->bucket.key = meter->key;
	rows->bucket.moved = false;
	own = quota_leases_own(&rows->lease_key, entry.lease);
	written = quota_leases_written(&rows->lease_key, entry.lease);
	rows->bucket.state = quota_lease_seen(&entry, written ? written : &entry.row, &own);
	return true;
}

/* ---- taking ---- */

static void
leave(QuotaMeter *meter, QuotaRows *rows)
{
	rows->by_lease = false;
	rows->lease_taken = 0;
	meter->outcome.lease_id = 0;
	quota_lease_unshare(&meter->key);
}

/* The account's row shall do instead, and lease more if it can. */
static void
look_at_row(Relation buckets, QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	leave(meter, rows);
	rows->looks_at_lease = false;
	rows->draws = true;
	quota_rows_find(buckets, meter, rows, RowExclusiveLock, snapshot);
}

static bool
take(const QuotaMeter *meter, const QuotaRows *rows)
{
	QuotaLeaseTerms terms = quota_lease_terms(meter);

	/* what an expired hold has is given back first */
	return !rows->expired && meter->amount > 0 &&
		quota_same_lease_terms(&terms, &rows->lease_terms) &&
		quota_lease_is_source(meter, quota_leases_overage(meter)) &&
		quota_leases_take(&rows->lease_key, rows->lease, meter->amount,
						  meter->reserve ? meter->amount : 0);
}

void
quota_leases_serve(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters,
				   Snapshot snapshot)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (!rows[i].by_lease)
			continue;
		if (take(&meters[i], &rows[i]))
		{
			rows[i].lease_taken = meters[i].amount;
			meters[i].outcome.lease_id = rows[i].lease;
			continue;
		}
		look_at_row(buckets, &meters[i], &rows[i], snapshot);
	}
}

void
quota_leases_leave(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters,
				   Snapshot snapshot)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (rows[i].by_lease)
			look_at_row(buckets, &meters[i], &rows[i], snapshot);
	}
}

/* n of what was taken */
static void
give_up(const QuotaMeter *meter, QuotaRows *rows, int64 n)
{
	if (n <= 0)
		return;
	quota_leases_untake(&rows->lease_key, rows->lease, n, meter->reserve ? n : 0);
	rows->lease_taken -= n;
}

void
quota_leases_trim(QuotaMeter *meters, QuotaRows *rows, int nmeters)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (rows[i].by_lease)
			give_up(&meters[i], &rows[i], rows[i].lease_taken - meters[i].amount);
	}
}

void
quota_leases_return(QuotaMeter *meters, QuotaRows *rows, int nmeters)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (!rows[i].by_lease)
			continue;
		give_up(&meters[i], &rows[i], rows[i].lease_taken);
		leave(&meters[i], &rows[i]);
	}
}

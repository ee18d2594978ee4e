/*-------------------------------------------------------------------------
 *
 * leases.c
 *		Leases of hot accounts in shared memory.
 *
 * An entry with anything in flight or a writer stays where it is (lease_places.c), so that
 * the callbacks find it again by key and lease; where it has gone, there is nothing to do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/lease_places.h"
#include "shared/leases.h"
#include "shared/transaction.h"
#include "store/schema.h"

/*
 * A lease is to end after so long, since after a crash its entries have to be added up.
 * For so long charges then go by the row; if there is always something in flight
 * meanwhile, it goes on.
 */
#define LASTS_US			(10 * USECS_PER_SEC)
#define RETIRING_US			(100 * INT64CONST(1000))
/* how long a session has to draw that has claimed to */
#define CLAIM_US			(50 * INT64CONST(1000))

/* The entry, if it is of that lease. */
static QuotaLeaseEntry *
find_lease(QuotaSet *set, const QuotaPlaceKey *key, int64 lease)
{
	QuotaLeaseEntry *entry = quota_lease_find(set, key);

	return entry != NULL && entry->lease == lease ? entry : NULL;
}

/* ---- what a transaction has done, to be ended with it ---- */

typedef struct Share
{
	QuotaPlaceKey key;
	int64		lease;
	QuotaLeaseShare share;
	struct Share *before;
} Share;

typedef struct Write
{
	QuotaPlaceKey key;
	int64		lease;
	uint64		writer;
	QuotaBucketState row;
	bool		opens;
	QuotaLeaseWrite was;
	struct Write *before;
} Write;

/* of this transaction, the newest first */
static Share *shares = NULL;
static Write *writes = NULL;

static void
end_of_share(void *what, QuotaEnd end)
{
	const Share *noted = (const Share *) what;
	QuotaLeaseEntry *entry;
	QuotaSet   *set;

	shares = noted->before;
	set = quota_lease_set(&noted->key, LW_EXCLUSIVE);
	entry = find_lease(set, &noted->key, noted->lease);
	if (entry != NULL && end == QUOTA_COMMITTED)
		quota_lease_commit(entry, &noted->share);
	else if (entry != NULL && end == QUOTA_ABORTED)
		quota_lease_abort(entry, &noted->share);
	else if (entry != NULL)
		quota_lease_prepare(entry, &noted->share);
	quota_set_unlock(set);
}

/* What becomes of a prepared transaction's row is for the session to see that locks it next. */
static void
end_of_write(void *what, QuotaEnd end)
{
	const Write *write = (const Write *) what;
	TimestampTz now = GetCurrentTimestamp();
	QuotaLeaseEntry *entry;
	QuotaSet   *set;

	writes = write->before;
	set = quota_lease_set(&write->key, LW_EXCLUSIVE);
	entry = find_lease(set, &write->key, write->lease);
	if (entry != NULL && end == QUOTA_COMMITTED)
	{
		if (quota_lease_publish(entry, write->writer, &write->row, now))
			quota_lease_set_free(entry);
	}
	else if (entry != NULL && end == QUOTA_ABORTED)
	{
		if (write->opens && entry->writer == write->writer)
			quota_lease_set_free(entry);
		else
			quota_lease_unwrite(entry, write->writer, &write->was);
	}
	quota_set_unlock(set);
}

static bool
is_of(const Share *noted, const QuotaPlaceKey *key, int64 lease)
{
	return noted != NULL && noted->lease == lease && quota_same_place(&noted->key, key);
}

/* A note that can be added to; a transaction with many calls for one account has few. */
static QuotaLeaseShare *
note_share(const QuotaPlaceKey *key, int64 lease)
{
	Share		noted = {.key = *key,.lease = lease,.before = shares};
	Share	   *last = (Share *) quota_noted_last(end_of_share);

	if (!is_of(last, key, lease))
		last = shares = (Share *) quota_at_end(end_of_share, &noted, sizeof(noted));
	return &last->share;
}

static Write *
note_write(const QuotaPlaceKey *key, int64 lease, const QuotaBucketState *row)
{
	Write		noted = {.key = *key,.lease = lease,.row = *row,.before = writes};

	noted.writer = quota_lease_next_writer();
	writes = (Write *) quota_at_end(end_of_write, &noted, sizeof(noted));
	return writes;
}

static bool
is_mine(uint64 writer)
{
	for (const Write *write = writes; write != NULL; write = write->before)
	{
		if (write->writer == writer)
			return true;
	}
	return false;
}

const QuotaBucketState *
quota_leases_written(const QuotaPlaceKey *key, int64 lease)
{
	for (const Write *write = writes; write != NULL; write = write->before)
	{
		if (write->lease == lease && quota_same_place(&write->key, key))
			return &write->row;
	}
	return NULL;
}

QuotaLeaseShare
quota_leases_own(const QuotaPlaceKey *key, int64 lease)
{
	QuotaLeaseShare sum = {0};

	for (const Share *noted = shares; noted != NULL; noted = noted->before)
	{
		if (!is_of(noted, key, lease))
			continue;
		sum.taken += noted->share.taken;
		sum.held += noted->share.held;
		sum.given += noted->share.given;
		sum.unheld += noted->share.unheld;
		sum.spared += noted->share.spared;
		sum.settled += noted->share.settled;
	}
	return sum;
}

/* A note can come to nothing: a take that another session was quicker than. */
bool
quota_leases_shared_any(void)
{
	for (const Share *noted = shares; noted != NULL; noted = noted->before)
	{
		if (noted->share.taken > 0 || noted->share.given > 0 || noted->share.settled > 0)
			return true;
	}
	return false;
}

/* ---- taking and giving ---- */

bool
quota_leases_read(const QuotaPlaceKey *key, QuotaLeaseEntry *entry)
{
	QuotaSet   *set = quota_lease_set(key, LW_SHARED);
	const QuotaLeaseEntry *found = quota_lease_find(set, key);

	if (found)
		*entry = *found;
	quota_set_unlock(set);
	return found != NULL;
}

bool
quota_leases_take(const QuotaPlaceKey *key, int64 lease, int64 n, int64 held)
{
	QuotaLeaseShare *share = note_share(key, lease);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);
	bool		takes = entry != NULL && quota_lease_take(entry, n, held);

	if (takes)
	{
		share->taken += n;
		share->held += held;
	}
	quota_set_unlock(set);
	if (takes)
		quota_leases_count(QUOTA_LEASE_TAKEN);
	return takes;
}

void
quota_leases_untake(const QuotaPlaceKey *key, int64 lease, int64 n, int64 held)
{
	QuotaLeaseShare back = {.taken = n,.held = held};
	QuotaLeaseShare *share = note_share(key, lease);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);

	share->taken -= n;
	share->held -= held;
	if (entry)
		quota_lease_abort(entry, &back);
	quota_set_unlock(set);
}

bool
quota_leases_give(const QuotaPlaceKey *key, int64 lease, int64 n, int64 unheld, int64 spared)
{
	QuotaLeaseShare *share = note_share(key, lease);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);
	bool		gives = entry != NULL && quota_lease_give(entry, n, unheld, spared);

	if (gives)
	{
		share->given += n;
		share->unheld += unheld;
		share->spared += spared;
		share->settled += unheld > 0 ? 1 : 0;
	}
	quota_set_unlock(set);
	return gives;
}

bool
quota_leases_claim(const QuotaPlaceKey *key, int64 lease, TimestampTz now)
{
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);
	bool		claimed = entry != NULL && entry->writer == 0 &&
		quota_lease_left(entry) < entry->drawn / 2 && entry->claimed_at < now - CLAIM_US;

	if (claimed)
		entry->claimed_at = now;
	quota_set_unlock(set);
	return claimed;
}

static bool
is_old(const QuotaLeaseEntry *entry, TimestampTz now)
{
	return now - Max(entry->opened_at, entry->retires_until) > LASTS_US;
}

bool
quota_leases_retire(const QuotaPlaceKey *key, const QuotaLeaseEntry *seen, TimestampTz now)
{
	QuotaLeaseEntry *entry;
	QuotaSet   *set;
	bool		retires;

	/* without the lock, since nearly every charge asks in vain */
	if (!is_old(seen, now))
		return false;
	set = quota_lease_set(key, LW_EXCLUSIVE);
	entry = find_lease(set, key, seen->lease);
	retires = entry != NULL && is_old(entry, now);

	if (retires)
		entry->retires_until = now + RETIRING_US;
	quota_set_unlock(set);
	return retires;
}

/* ---- for the session that has the row locked ---- */

bool
quota_leases_read_over(const QuotaPlaceKey *key, const QuotaBucketState *row,
					   QuotaLeaseEntry *entry)
{
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *here = quota_lease_find(set, key);
	bool		found = here != NULL;

	if (found && !is_mine(here->writer) && !quota_lease_read_over(here, row))
	{
		quota_lease_set_free(here);
		found = false;
	}
	found = found && here->lease == row->lease_id;
	if (found)
		*entry = *here;
	quota_set_unlock(set);
	return found;
}

bool
quota_leases_open(const QuotaPlaceKey *key, const QuotaLeaseEntry *entry)
{
	Oid			table = quota_relid(QUOTA_BUCKET);
	Write	   *noted = note_write(key, entry->lease, &entry->row);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *place = quota_lease_find(set, key);

	/* one that is left of an earlier lease is of no use to anybody */
	if (place != NULL)
		quota_lease_set_free(place);
	place = quota_lease_make(set, key, table);
	if (place)
	{
		*place = *entry;
		place->row.leased = 0;
		place->floor = PG_INT64_MAX;
		quota_lease_sink(place, &entry->row, 0);
		(void) quota_lease_write(place, entry->row.leased, false, noted->writer);
		noted->opens = true;
	}
	quota_set_unlock(set);
	if (place)
		quota_leases_count(QUOTA_LEASE_DRAWN);
	return place != NULL;
}

void
quota_leases_draw(const QuotaPlaceKey *key, const QuotaLeaseEntry *drawn)
{
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, drawn->lease);

	if (entry)
	{
		entry->drawn = drawn->drawn;
		entry->drawn_at = drawn->drawn_at;
		entry->spent_when_drawn = quota_lease_spent(entry);
	}
	quota_set_unlock(set);
	quota_leases_count(QUOTA_LEASE_DRAWN);
}

void
quota_leases_write(const QuotaPlaceKey *key, int64 lease, const QuotaBucketState *row)
{
	Write	   *noted = note_write(key, lease, row);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);

	if (entry)
		noted->was = quota_lease_write(entry, row->leased, row->lease_id == 0, noted->writer);
	quota_set_unlock(set);
}

int64
quota_leases_recall(const QuotaPlaceKey *key, int64 lease, int64 n, QuotaBucketState *row)
{
	QuotaLeaseShare own = quota_leases_own(key, lease);
	Write	   *noted = note_write(key, lease, row);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);
	int64		recalled = entry ? quota_lease_recallable(entry, &own, n) : 0;

	if (entry)
	{
		*row = noted->row = quota_lease_recalled(row, recalled);
		noted->was = quota_lease_write(entry, row->leased, false, noted->writer);
	}
	quota_set_unlock(set);
	if (recalled > 0)
		quota_leases_count(QUOTA_LEASE_RECALLED);
	return recalled;
}

bool
quota_leases_close(const QuotaPlaceKey *key, int64 lease, QuotaBucketState *row)
{
	QuotaLeaseShare own = quota_leases_own(key, lease);
	Write	   *noted = note_write(key, lease, row);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);
	bool		closes = entry != NULL && quota_lease_is_quiet(entry, &own);

	if (closes)
	{
		*row = noted->row = quota_lease_closed(entry, row, &own);
		noted->was = quota_lease_write(entry, 0, true, noted->writer);
	}
	quota_set_unlock(set);
	return closes;
}

void
quota_leases_sink(const QuotaPlaceKey *key, int64 lease, const QuotaBucketState *row, int64 n)
{
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);

	if (entry)
		quota_lease_sink(entry, row, n);
	quota_set_unlock(set);
}

bool
quota_leases_spare(const QuotaPlaceKey *key, int64 lease, int64 spared)
{
	QuotaLeaseShare *share = note_share(key, lease);
	QuotaSet   *set = quota_lease_set(key, LW_EXCLUSIVE);
	QuotaLeaseEntry *entry = find_lease(set, key, lease);
	bool		stays_above = true;

	if (entry)
	{
		entry->may_give -= spared;
		share->spared += spared;
		stays_above = entry->may_give >= 0;
	}
	quota_set_unlock(set);
	return stays_above;
}

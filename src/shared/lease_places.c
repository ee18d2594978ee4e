/*-------------------------------------------------------------------------
 *
 * lease_places.c
 *		Where leases stand in shared memory, and what is counted of them.
 *
 * An entry with anything in flight or a writer stays where it is.  One that is idle may be
 * forgotten when its place is wanted: its row is an orphan then, and the ledger knows what
 * was taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "shared/lease_places.h"
#include "store/scan.h"
#include "store/schema.h"

/* a place for so many accounts that memory has room for: few are hot */
#define ACCOUNTS_PER_PLACE	4
/* an entry that nobody has drawn for in so long may be forgotten */
#define IDLE_US				(10 * USECS_PER_MINUTE)

typedef struct Place
{
	QuotaPlaceKey key;			/* first; 0: free */
	Oid			database;
	Oid			table;
	QuotaLeaseEntry entry;
} Place;

typedef struct Leases
{
	pg_atomic_uint64 writer;	/* the last serial number */
	pg_atomic_uint64 nleases;
	pg_atomic_uint64 nevents[QUOTA_LEASE_TURNED_AWAY + 1];
} Leases;

static Leases *leases = NULL;	/* NULL: the library is not preloaded */
static QuotaPlaces *places;

static int
nplaces(void)
{
	return Max(quota_max_accounts() / ACCOUNTS_PER_PLACE, 1);
}

Size
quota_leases_size(void)
{
	return add_size(MAXALIGN(sizeof(Leases)), quota_places_size(nplaces(), sizeof(Place)));
}

void
quota_leases_start(void)
{
	bool		found;

	leases = (Leases *) ShmemInitStruct("quota leases", sizeof(Leases), &found);
	if (!found)
	{
		pg_atomic_init_u64(&leases->writer, 0);
		pg_atomic_init_u64(&leases->nleases, 0);
		for (int i = 0; i < (int) lengthof(leases->nevents); i++)
			pg_atomic_init_u64(&leases->nevents[i], 0);
	}
	places = quota_places_start("quota leases, places", "QuotaLeases", nplaces(), sizeof(Place));
}

bool
quota_leases_exist(void)
{
	return leases != NULL;
}

QuotaPlaceKey
quota_lease_key(const QuotaWindowKey *window)
{
	return quota_place_of_window(window, quota_relid(QUOTA_BUCKET));
}

/* ---- places ---- */

QuotaSet *
quota_lease_set(const QuotaPlaceKey *key, LWLockMode mode)
{
	return quota_set_lock(places, key->bits[1], mode);
}

QuotaLeaseEntry *
quota_lease_find(QuotaSet *set, const QuotaPlaceKey *key)
{
	Place	   *place = (Place *) quota_place_find(set, key);

	return place ? &place->entry : NULL;
}

void
quota_lease_set_free(QuotaLeaseEntry *entry)
{
	Place	   *place = (Place *) ((char *) entry - offsetof(Place, entry));

	memset(place, 0, sizeof(*place));
	pg_atomic_fetch_sub_u64(&leases->nleases, 1);
}

static bool
may_be_forgotten(const QuotaLeaseEntry *entry, TimestampTz now)
{
	QuotaLeaseShare nothing = {0};

	return entry->writer == 0 && quota_lease_is_quiet(entry, &nothing) && entry->drawn_at < now - IDLE_US;
}

QuotaLeaseEntry *
quota_lease_make(QuotaSet *set, const QuotaPlaceKey *key, Oid table)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < quota_set_nways(set); i++)
	{
		Place	   *place = (Place *) quota_set_place(set, i);

		if (place->key.bits[0] != 0 && may_be_forgotten(&place->entry, now))
			quota_lease_set_free(&place->entry);
		if (place->key.bits[0] != 0)
			continue;
		place->key = *key;
		place->database = MyDatabaseId;
		place->table = table;
		pg_atomic_fetch_add_u64(&leases->nleases, 1);
		return &place->entry;
	}
	quota_leases_count(QUOTA_LEASE_TURNED_AWAY);
	return NULL;
}

uint64
quota_lease_next_writer(void)
{
	return pg_atomic_add_fetch_u64(&leases->writer, 1);
}

/* ---- for operators ---- */

void
quota_leases_count(QuotaLeaseEvent event)
{
	if (leases)
		pg_atomic_fetch_add_u64(&leases->nevents[event], 1);
}

int64
quota_leases_counted(QuotaLeaseEvent event)
{
	return leases ? (int64) pg_atomic_read_u64(&leases->nevents[event]) : 0;
}

int64
quota_leases_now(void)
{
	return leases ? (int64) pg_atomic_read_u64(&leases->nleases) : 0;
}

int
quota_leases_list(QuotaLeaseEntry **entries)
{
	Oid			table = quota_relid(QUOTA_BUCKET);
	int			n = 0;

	*entries = NULL;
	for (int i = 0; leases != NULL && i < quota_nsets(places); i++)
	{
		QuotaLeaseEntry here[QUOTA_WAYS];
		int			nhere = 0;
		QuotaSet   *set = quota_set_lock_nth(places, i, LW_SHARED);

		for (int j = 0; j < quota_set_nways(set); j++)
		{
			const Place *place = (const Place *) quota_set_place(set, j);

			if (place->key.bits[0] != 0 && place->database == MyDatabaseId && place->table == table)
				here[nhere++] = place->entry;
		}
		quota_set_unlock(set);
		for (int j = 0; j < nhere; j++)
		{
			*entries = (QuotaLeaseEntry *) quota_array_grow(*entries, n, sizeof(QuotaLeaseEntry));
			(*entries)[n++] = here[j];
		}
	}
	return n;
}

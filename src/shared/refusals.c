/*-------------------------------------------------------------------------
 *
 * refusals.c
 *		What was refused by raising, counted in shared memory.
 *
 * A count that has been taken out stays for a while as 0, to answer note_denial(),
 * which an application's error handler calls a moment later: has this one been counted?
 * Then its place is free.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/date.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "base/subject.h"
#include "shared/places.h"
#include "shared/refusals.h"
#include "shared/transaction.h"
#include "store/denial.h"
#include "store/schema.h"

/* a place for so many accounts that memory has room for */
#define ACCOUNTS_PER_PLACE	8
/* how long what has been taken out stays */
#define KEPT_US				USECS_PER_MINUTE

typedef struct Who
{
	Oid			database;		/* InvalidOid: the place is free */
	Oid			table;			/* an extension that is made again has another */
	DateADT		day;
	int32		feature_id;
	int32		reason;
	char		subject[QUOTA_MAX_SUBJECT_BYTES + 1];
} Who;

typedef struct Place
{
	Who			who;
	TimestampTz last_at;		/* by the clock that calls go by */
	TimestampTz changed_at;		/* by the true one */
	int64		times;
} Place;

typedef struct Refusals
{
	pg_atomic_uint64 nmissed;
} Refusals;

static Refusals *refusals = NULL;	/* NULL: the library is not preloaded */
static QuotaPlaces *places;

static int
nplaces(void)
{
	return quota_max_accounts() / ACCOUNTS_PER_PLACE + QUOTA_WAYS;
}

Size
quota_refusals_size(void)
{
	return add_size(MAXALIGN(sizeof(Refusals)), quota_places_size(nplaces(), sizeof(Place)));
}

void
quota_refusals_start(void)
{
	bool		found;

	refusals = (Refusals *) ShmemInitStruct("quota refusals", sizeof(Refusals), &found);
	if (!found)
		pg_atomic_init_u64(&refusals->nmissed, 0);
	places = quota_places_start("quota refusals, places", "QuotaRefusals", nplaces(),
								sizeof(Place));
}

static void
set_who(const char *subject, int32 feature_id, QuotaReason reason, TimestampTz at, Who *who)
{
	memset(who, 0, sizeof(*who));
	who->database = MyDatabaseId;
	who->table = quota_relid(QUOTA_DENIAL);
	who->day = quota_denial_day(at);
	who->feature_id = feature_id;
	who->reason = reason;
	strlcpy(who->subject, subject, sizeof(who->subject));
}

static QuotaSet *
lock_set(const Who *who, LWLockMode mode)
{
	return quota_set_lock(places, hash_bytes((const unsigned char *) who, sizeof(*who)), mode);
}

static Place *
find(QuotaSet *set, const Who *who)
{
	for (int i = 0; i < quota_set_nways(set); i++)
	{
		Place	   *place = (Place *) quota_set_place(set, i);

		if (memcmp(&place->who, who, sizeof(*who)) == 0)
			return place;
	}
	return NULL;
}

static Place *
find_or_make(QuotaSet *set, const Who *who, TimestampTz now)
{
	Place	   *place = find(set, who);

	for (int i = 0; place == NULL && i < quota_set_nways(set); i++)
	{
		Place	   *here = (Place *) quota_set_place(set, i);

		if (OidIsValid(here->who.database) && (here->times > 0 || now - here->changed_at < KEPT_US))
			continue;
		memset(here, 0, sizeof(*here));
		here->who = *who;
		place = here;
	}
	if (place == NULL)
		pg_atomic_fetch_add_u64(&refusals->nmissed, 1);
	return place;
}

static void
add(const Who *who, TimestampTz at, int64 times)
{
	TimestampTz now = GetCurrentTimestamp();
	QuotaSet   *set = lock_set(who, LW_EXCLUSIVE);
	Place	   *place = find_or_make(set, who, now);

	if (place)
	{
		place->last_at = Max(place->last_at, at);
		place->changed_at = now;
		place->times += times;
	}
	quota_set_unlock(set);
}

void
quota_refusals_count(const char *subject, int32 feature_id, QuotaReason reason, TimestampTz at)
{
	Who			who;

	if (refusals == NULL)
		return;
	set_who(subject, feature_id, reason, at, &who);
	add(&who, at, 1);
}

bool
quota_refusals_has(const char *subject, int32 feature_id, QuotaReason reason, TimestampTz at)
{
	bool		has = false;

	if (refusals == NULL)
		return false;
	/* it was raised a moment ago, perhaps before midnight */
	for (TimestampTz day = at; !has && day >= at - KEPT_US; day -= KEPT_US)
	{
		QuotaSet   *set;
		Who			who;

		set_who(subject, feature_id, reason, day, &who);
		set = lock_set(&who, LW_SHARED);
		has = find(set, &who) != NULL;
		quota_set_unlock(set);
	}
	return has;
}

/* What an abort puts back. */
typedef struct TakenOut
{
	Who			who;
	TimestampTz last_at;
	int64		times;
} TakenOut;

static void
put_back(void *what, QuotaEnd end)
{
	const TakenOut *taken = (const TakenOut *) what;

	if (end == QUOTA_ABORTED)
		add(&taken->who, taken->last_at, taken->times);
}

/* The place's count is the transaction's from here on. */
static QuotaRefused
take_out(Place *place)
{
	TakenOut	taken = {.who = place->who,.last_at = place->last_at,.times = place->times};
	QuotaRefused refused = {
		.subject = pstrdup(place->who.subject),
		.feature_id = place->who.feature_id,
		.reason = (QuotaReason) place->who.reason,
		.last_at = place->last_at,
		.times = place->times
	};

	(void) quota_at_end(put_back, &taken, sizeof(taken));
	place->times = 0;
	place->changed_at = GetCurrentTimestamp();
	return refused;
}

/* Is it of another database, or of an extension that was dropped here? */
static bool
is_stranger(const Who *who)
{
	return who->database != MyDatabaseId || who->table != quota_relid(QUOTA_DENIAL);
}

static bool
is_gone(const Who *who)
{
	return is_stranger(who) &&
		(who->database == MyDatabaseId ||
		 !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(who->database)));
}

static void
end_of_forgetting(void *what, QuotaEnd end)
{
	const Who  *who = (const Who *) what;
	QuotaSet   *set;
	Place	   *place;

	/* the extension may have been dropped by a transaction that did not commit */
	if (end != QUOTA_COMMITTED)
		return;
	set = lock_set(who, LW_EXCLUSIVE);
	place = find(set, who);
	if (place)
		memset(place, 0, sizeof(*place));
	quota_set_unlock(set);
}

/* Frees what nobody will take out.  The catalog is not asked with a lock of ours held. */
static void
forget_gone(void)
{
	for (int i = 0; i < quota_nsets(places) * QUOTA_WAYS; i++)
	{
		QuotaSet   *set = quota_set_lock_nth(places, i / QUOTA_WAYS, LW_SHARED);
		Place	   *place = i % QUOTA_WAYS < quota_set_nways(set) ?
			(Place *) quota_set_place(set, i % QUOTA_WAYS) : NULL;
		Who			who = {0};

		if (place)
			who = place->who;
		quota_set_unlock(set);
		if (OidIsValid(who.database) && is_gone(&who))
			(void) quota_at_end(end_of_forgetting, &who, sizeof(who));
	}
}

/* Takes out what a set has of ours; there is room for it. */
static int
take_out_of(QuotaSet *set, bool remember, QuotaRefused *refused)
{
	int			n = 0;

	for (int i = 0; i < quota_set_nways(set); i++)
	{
		Place	   *place = (Place *) quota_set_place(set, i);

		if (!OidIsValid(place->who.database) || is_stranger(&place->who))
			continue;
		if (place->times > 0)
			refused[n++] = take_out(place);
		if (!remember)
			memset(place, 0, sizeof(*place));
	}
	return n;
}

int
quota_refusals_take(bool remember, QuotaRefused **refused)
{
	int			room = QUOTA_WAYS;
	int			n = 0;

	*refused = (QuotaRefused *) palloc(sizeof(QuotaRefused) * room);
	if (refusals == NULL)
		return 0;
	forget_gone();
	for (int i = 0; i < quota_nsets(places); i++)
	{
		QuotaSet   *set;

		if (n + QUOTA_WAYS > room)
		{
			room = 2 * (n + QUOTA_WAYS);
			*refused = (QuotaRefused *) repalloc_huge(*refused, sizeof(QuotaRefused) * room);
		}
		set = quota_set_lock_nth(places, i, LW_EXCLUSIVE);
		n += take_out_of(set, remember, *refused + n);
		quota_set_unlock(set);
	}
	return n;
}

int64
quota_refusals_missed(void)
{
	return refusals ? (int64) pg_atomic_read_u64(&refusals->nmissed) : 0;
}

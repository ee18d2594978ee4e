/*-------------------------------------------------------------------------
 *
 * refusals.c
 *		What was refused by raising, counted in shared memory.
 *
 * A set-associative table as that of rates.c, whose sets are protected by a lock
 * each.  What has been taken out stays for a while with 0, to answer note_denial(),
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
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/date.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "base/subject.h"
#include "shared/refusals.h"
#include "shared/transaction.h"
#include "store/denial.h"
#include "store/schema.h"

#define WAYS				8
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

typedef struct Set
{
	LWLock		lock;			/* of its places */
	Place		places[WAYS];
} Set;

typedef struct Refusals
{
	int			tranche;		/* of the locks */
	int			nsets;
	pg_atomic_uint64 nmissed;
	Set			sets[FLEXIBLE_ARRAY_MEMBER];
} Refusals;

static Refusals *refusals = NULL;	/* NULL: the library is not preloaded */

static int
nsets(void)
{
	return quota_max_accounts() / (ACCOUNTS_PER_PLACE * WAYS) + 1;
}

Size
quota_refusals_size(void)
{
	return add_size(offsetof(Refusals, sets), mul_size(sizeof(Set), nsets()));
}

static void
initialize(void)
{
	refusals->tranche = LWLockNewTrancheId();
	refusals->nsets = nsets();
	pg_atomic_init_u64(&refusals->nmissed, 0);
	for (int i = 0; i < refusals->nsets; i++)
	{
		LWLockInitialize(&refusals->sets[i].lock, refusals->tranche);
		memset(refusals->sets[i].places, 0, sizeof(refusals->sets[i].places));
	}
}

void
quota_refusals_start(void)
{
	bool		found;

	refusals = (Refusals *) ShmemInitStruct("quota refusals", quota_refusals_size(), &found);
	if (!found)
		initialize();
	LWLockRegisterTranche(refusals->tranche, "QuotaRefusals");
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

static Set *
lock_set(const Who *who, LWLockMode mode)
{
	uint32		hash = hash_bytes((const unsigned char *) who, sizeof(*who));
	Set		   *set = &refusals->sets[hash % refusals->nsets];

	LWLockAcquire(&set->lock, mode);
	return set;
}

static Place *
find(Set *set, const Who *who)
{
	for (int i = 0; i < WAYS; i++)
	{
		if (memcmp(&set->places[i].who, who, sizeof(*who)) == 0)
			return &set->places[i];
	}
	return NULL;
}

static Place *
find_or_make(Set *set, const Who *who, TimestampTz now)
{
	Place	   *place = find(set, who);

	for (int i = 0; place == NULL && i < WAYS; i++)
	{
		Place	   *here = &set->places[i];

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
	Set		   *set = lock_set(who, LW_EXCLUSIVE);
	Place	   *place = find_or_make(set, who, now);

	if (place)
	{
		place->last_at = Max(place->last_at, at);
		place->changed_at = now;
		place->times += times;
	}
	LWLockRelease(&set->lock);
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
		Set		   *set;
		Who			who;

		set_who(subject, feature_id, reason, day, &who);
		set = lock_set(&who, LW_SHARED);
		has = find(set, &who) != NULL;
		LWLockRelease(&set->lock);
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

/* Frees what nobody will take out. */
static void
forget_gone(void)
{
	for (int i = 0; i < refusals->nsets; i++)
	{
		for (int j = 0; j < WAYS; j++)
		{
			Set		   *set = &refusals->sets[i];
			Place	   *place = &set->places[j];
			Who			who;

			LWLockAcquire(&set->lock, LW_SHARED);
			who = place->who;
			LWLockRelease(&set->lock);
			if (!OidIsValid(who.database) || !is_stranger(&who) ||
				(who.database != MyDatabaseId &&
				 SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(who.database))))
				continue;
			LWLockAcquire(&set->lock, LW_EXCLUSIVE);
			if (memcmp(&place->who, &who, sizeof(who)) == 0)
				memset(place, 0, sizeof(*place));
			LWLockRelease(&set->lock);
		}
	}
}

int
quota_refusals_take(bool remember, QuotaRefused **refused)
{
	int			room = WAYS;
	int			n = 0;

	*refused = (QuotaRefused *) palloc(sizeof(QuotaRefused) * room);
	if (refusals == NULL)
		return 0;
	forget_gone();
	for (int i = 0; i < refusals->nsets; i++)
	{
		Set		   *set = &refusals->sets[i];

		if (n + WAYS > room)
		{
			room = 2 * (n + WAYS);
			*refused = (QuotaRefused *) repalloc(*refused, sizeof(QuotaRefused) * room);
		}
		LWLockAcquire(&set->lock, LW_EXCLUSIVE);
		for (int j = 0; j < WAYS; j++)
		{
			Place	   *place = &set->places[j];

			if (OidIsValid(place->who.database) && !is_stranger(&place->who) && place->times > 0)
				(*refused)[n++] = take_out(place);
			if (!remember && !is_stranger(&place->who))
				memset(place, 0, sizeof(*place));
		}
		LWLockRelease(&set->lock);
	}
	return n;
}

int64
quota_refusals_missed(void)
{
	return refusals ? (int64) pg_atomic_read_u64(&refusals->nmissed) : 0;
}

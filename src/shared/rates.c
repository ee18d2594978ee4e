/*-------------------------------------------------------------------------
 *
 * rates.c
 *		Rates of accounts in shared memory.
 *
 * An account whose backlog has run out says nothing that its absence would not, so its
 * place is free for the next one that wants it.  An account that finds no place is a
 * row.
 *
 * Caveat: an account goes by its row while its set is full, and by memory when a
 * place is free again.  What sessions take from the row in the same moment, and have
 * not committed, memory does not know: so much more is let through, once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "shared/place_key.h"
#include "shared/places.h"
#include "shared/rates.h"
#include "shared/transaction.h"
#include "store/schema.h"

typedef struct Place
{
	QuotaPlaceKey key;			/* first; 0: free */
	QuotaGcra	state;
} Place;

typedef struct Rates
{
	pg_atomic_uint64 naccounts;
	pg_atomic_uint64 nturned_away;
} Rates;

static Rates *rates = NULL;		/* NULL: the library is not preloaded */
static QuotaPlaces *places;

Size
quota_rates_size(void)
{
	return add_size(MAXALIGN(sizeof(Rates)),
					quota_places_size(quota_max_accounts(), sizeof(Place)));
}

void
quota_rates_start(void)
{
	bool		found;

	rates = (Rates *) ShmemInitStruct("quota rates", sizeof(Rates), &found);
	if (!found)
	{
		pg_atomic_init_u64(&rates->naccounts, 0);
		pg_atomic_init_u64(&rates->nturned_away, 0);
	}
	places = quota_places_start("quota rates, places", "QuotaRates", quota_max_accounts(),
								sizeof(Place));
}

static QuotaPlaceKey
key_of(const QuotaAccountKey *account)
{
	return quota_place_of_account(account, quota_relid(QUOTA_RATE_USE));
}

static bool
is_free(const Place *place)
{
	return place->key.bits[0] == 0;
}

static QuotaSet *
lock_set(const QuotaPlaceKey *key, LWLockMode mode)
{
	return quota_set_lock(places, key->bits[1], mode);
}

/* The key's place, or one that it is given, with that state; NULL if none is to be had. */
static Place *
find_or_make(QuotaSet *set, const QuotaPlaceKey *key, TimestampTz clock, const QuotaGcra *state)
{
	Place	   *place = (Place *) quota_place_find(set, key);

	/* a test clock in the future frees none */
	if (place == NULL)
		clock = Min(clock, GetCurrentTimestamp());
	for (int i = 0; place == NULL && i < quota_set_nways(set); i++)
	{
		Place	   *here = (Place *) quota_set_place(set, i);

		if (!is_free(here) && here->state.tat >= clock)
			continue;
		if (is_free(here))
			pg_atomic_fetch_add_u64(&rates->naccounts, 1);
		here->key = *key;
		here->state = *state;
		place = here;
	}
	if (place == NULL)
		pg_atomic_fetch_add_u64(&rates->nturned_away, 1);
	return place;
}

/* What a transaction took, or has to give back: of one account, at one rate. */
typedef struct Units
{
	QuotaPlaceKey key;
	QuotaRate	rate;
	TimestampTz clock;
	int64		n;
	QuotaGcra	after;			/* of what was taken: what that led to */
	struct Units *before;		/* of what is to be given back; else not used */
} Units;

/* what the transaction gives back, the newest first; most give nothing */
static Units *gives = NULL;

static void
give_back(const Units *noted)
{
	QuotaSet   *set = lock_set(&noted->key, LW_EXCLUSIVE);
	Place	   *place = (Place *) quota_place_find(set, &noted->key);

	if (place)
		place->state = quota_gcra_correct(&noted->rate, &place->state, noted->clock, -noted->n);
	quota_set_unlock(set);
}

/* What was taken comes back if it is undone, as far as time has not brought it back. */
static void
end_of_take(void *what, QuotaEnd end)
{
	const Units *noted = (const Units *) what;
	Place	   *place;
	QuotaSet   *set;

	if (end != QUOTA_ABORTED)
		return;
	set = lock_set(&noted->key, LW_EXCLUSIVE);
	place = (Place *) quota_place_find(set, &noted->key);
	if (place)
		place->state = quota_gcra_undo(&noted->rate, &place->state, &noted->after,
									   quota_clock_now(), noted->n);
	quota_set_unlock(set);
}

/* What was given back is there for others when that is certain. */
static void
end_of_give(void *what, QuotaEnd end)
{
	const Units *noted = (const Units *) what;

	gives = noted->before;
	if (end == QUOTA_COMMITTED)
		give_back(noted);
}

/* A note that n can be added to; a transaction with many calls for one account has few. */
static Units *
note(QuotaAtEnd at_end, const QuotaPlaceKey *key, const QuotaRate *rate, TimestampTz clock, int64 n)
{
	Units		noted = {.key = *key,.rate = *rate,.clock = clock,.after = QUOTA_GCRA_UNUSED};
	Units	   *last = (Units *) quota_noted_last(at_end);
	int64		sum;

	if (last != NULL && quota_same_place(&last->key, key) &&
		memcmp(&last->rate, rate, sizeof(*rate)) == 0 && !pg_add_s64_overflow(last->n, n, &sum))
		return last;
	return (Units *) quota_at_end(at_end, &noted, sizeof(noted));
}

static Units *
note_give(const QuotaPlaceKey *key, const QuotaRate *rate, TimestampTz clock, int64 n)
{
	Units	   *noted = note(end_of_give, key, rate, clock, n);

	if (noted != gives)
	{
		noted->before = gives;
		gives = noted;
	}
	return noted;
}

/* What the transaction gives back is there for itself. */
static int64
own_gives(const QuotaPlaceKey *key)
{
	int64		sum = 0;

	for (const Units *noted = gives; noted != NULL; noted = noted->before)
	{
		if (quota_same_place(&noted->key, key) && pg_add_s64_overflow(sum, noted->n, &sum))
			return PG_INT64_MAX;
	}
	return sum;
}

bool
quota_rates_read(const QuotaAccountKey *account, const QuotaRate *rate, TimestampTz clock,
				 QuotaGcra *state)
{
	const Place *place;
	QuotaPlaceKey key;
	QuotaSet   *set;

	if (rates == NULL)
		return false;
	key = key_of(account);
	set = lock_set(&key, LW_SHARED);
	place = (Place *) quota_place_find(set, &key);
	if (place)
		*state = place->state;
	quota_set_unlock(set);
	if (place)
		*state = quota_gcra_correct(rate, state, clock, -own_gives(&key));
	return place != NULL;
}

bool
quota_rates_admit(const QuotaAccountKey *account, TimestampTz clock, QuotaGcra *state)
{
	const Place *place;
	QuotaPlaceKey key;
	QuotaSet   *set;

	if (rates == NULL)
		return false;
	key = key_of(account);
	set = lock_set(&key, LW_EXCLUSIVE);
	place = find_or_make(set, &key, clock, state);
	if (place)
		*state = place->state;
	quota_set_unlock(set);
	return place != NULL;
}

bool
quota_rates_take(const QuotaAccountKey *account, const QuotaRate *rate, TimestampTz clock, int64 n,
				 bool beyond, QuotaGcra *state, int64 *taken)
{
	QuotaPlaceKey key = key_of(account);
	Units	   *noted = note(end_of_take, &key, rate, clock, n);
	int64		own = own_gives(&key);
	QuotaSet   *set = lock_set(&key, LW_EXCLUSIVE);
	Place	   *place = find_or_make(set, &key, clock, state);
	bool		takes = false;

	if (place)
	{
		int64		available;

		*state = quota_gcra_correct(rate, &place->state, clock, -own);
		available = quota_gcra_available(rate, state, clock);
		takes = beyond || available >= n;
		*taken = takes ? Min(n, available) : 0;
		noted->n += *taken;
		/* more than the burst, as long as what the transaction gives back is not there */
		place->state = quota_gcra_correct(rate, &place->state, clock, *taken);
		noted->after = place->state;
		*state = quota_gcra_correct(rate, state, clock, *taken);
	}
	quota_set_unlock(set);
	return takes;
}

void
quota_rates_untake(const QuotaAccountKey *account, const QuotaRate *rate, TimestampTz clock,
				   int64 n)
{
	Units		taken = {.key = key_of(account),.rate = *rate,.clock = clock,.n = n};

	note(end_of_take, &taken.key, rate, clock, -n)->n -= n;
	give_back(&taken);
}

bool
quota_rates_correct(const QuotaAccountKey *account, const QuotaRate *rate, TimestampTz clock,
					int64 difference)
{
	Units	   *noted;
	Place	   *place;
	QuotaPlaceKey key;
	QuotaSet   *set;

	if (rates == NULL)
		return false;
	key = key_of(account);
	noted = difference > 0 ? note(end_of_take, &key, rate, clock, difference) :
		note_give(&key, rate, clock, -difference);
	set = lock_set(&key, LW_EXCLUSIVE);
	place = (Place *) quota_place_find(set, &key);
	if (place)
	{
		noted->n += difference > 0 ? difference : -difference;
		if (difference > 0)
			place->state = noted->after = quota_gcra_correct(rate, &place->state, clock, difference);
	}
	quota_set_unlock(set);
	return place != NULL;
}

int64
quota_rates_accounts(void)
{
	return rates ? (int64) pg_atomic_read_u64(&rates->naccounts) : 0;
}

int64
quota_rates_turned_away(void)
{
	return rates ? (int64) pg_atomic_read_u64(&rates->nturned_away) : 0;
}

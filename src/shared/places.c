/*-------------------------------------------------------------------------
 *
 * places.c
 *		Tables of a fixed size in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "shared/places.h"

struct QuotaSet
{
	LWLock		lock;			/* of its places */
	int			nways;
	Size		place_size;
	char		places[FLEXIBLE_ARRAY_MEMBER];
};

struct QuotaPlaces
{
	int			tranche;		/* of the locks */
	int			nsets;
	Size		set_size;
	char		sets[FLEXIBLE_ARRAY_MEMBER];
};

static int
nsets(int nplaces)
{
	return (nplaces + QUOTA_WAYS - 1) / QUOTA_WAYS;
}

static Size
set_size(Size place_size)
{
	return MAXALIGN(offsetof(QuotaSet, places)) + QUOTA_WAYS * MAXALIGN(place_size);
}

Size
quota_places_size(int nplaces, Size place_size)
{
	return add_size(MAXALIGN(offsetof(QuotaPlaces, sets)),
					mul_size(set_size(place_size), nsets(nplaces)));
}

static QuotaSet *
nth(QuotaPlaces *places, int n)
{
	return (QuotaSet *) ((char *) places + MAXALIGN(offsetof(QuotaPlaces, sets)) +
						 n * places->set_size);
}

QuotaPlaces *
quota_places_start(const char *name, const char *tranche, int nplaces, Size place_size)
{
	Size		size = quota_places_size(nplaces, place_size);
	bool		found;
	QuotaPlaces *places = (QuotaPlaces *) ShmemInitStruct(name, size, &found);

	if (!found)
	{
		memset(places, 0, size);
		places->tranche = LWLockNewTrancheId();
		places->nsets = nsets(nplaces);
		places->set_size = set_size(place_size);
		for (int i = 0; i < places->nsets; i++)
		{
			QuotaSet   *set = nth(places, i);

			LWLockInitialize(&set->lock, places->tranche);
			set->nways = Min(QUOTA_WAYS, nplaces - i * QUOTA_WAYS);
			set->place_size = MAXALIGN(place_size);
		}
	}
	LWLockRegisterTranche(places->tranche, tranche);
	return places;
}

int
quota_nsets(const QuotaPlaces *places)
{
	return places->nsets;
}

QuotaSet *
quota_set_lock_nth(QuotaPlaces *places, int n, LWLockMode mode)
{
	QuotaSet   *set = nth(places, n);

	LWLockAcquire(&set->lock, mode);
	return set;
}

QuotaSet *
quota_set_lock(QuotaPlaces *places, uint64 hash, LWLockMode mode)
{
	return quota_set_lock_nth(places, (int) (hash % places->nsets), mode);
}

void
quota_set_unlock(QuotaSet *set)
{
	LWLockRelease(&set->lock);
}

int
quota_set_nways(const QuotaSet *set)
{
	return set->nways;
}

void *
quota_set_place(QuotaSet *set, int i)
{
	return (char *) set + MAXALIGN(offsetof(QuotaSet, places)) + i * set->place_size;
}

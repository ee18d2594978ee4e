/*-------------------------------------------------------------------------
 *
 * places.h
 *		Tables of a fixed size in shared memory.
 *
 * A set-associative table: a key's hash says which set of QUOTA_WAYS places it may stand
 * in, and the set's lock protects these.  Nothing in it is ever moved, and two keys
 * rarely share a lock.  What stands in a place, and when it is free, is the user's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_PLACES_H
#define QUOTA_PLACES_H

#include "storage/lwlock.h"

#define QUOTA_WAYS	8

typedef struct QuotaPlaces QuotaPlaces;
typedef struct QuotaSet QuotaSet;

/* how much shared memory so many places of that size take */
extern Size quota_places_size(int nplaces, Size place_size);

/* Finds the table, or makes it with all places zero; while the server starts. */
extern QuotaPlaces *quota_places_start(const char *name, const char *tranche, int nplaces,
									   Size place_size);

extern int	quota_nsets(const QuotaPlaces *places);

/* the set of a hash, or one by its number; locked */
extern QuotaSet *quota_set_lock(QuotaPlaces *places, uint64 hash, LWLockMode mode);
extern QuotaSet *quota_set_lock_nth(QuotaPlaces *places, int n, LWLockMode mode);
extern void quota_set_unlock(QuotaSet *set);

/* how many places it has: the last set can have fewer than the others */
extern int	quota_set_nways(const QuotaSet *set);
extern void *quota_set_place(QuotaSet *set, int i);

#endif							/* QUOTA_PLACES_H */

/*-------------------------------------------------------------------------
 *
 * lease_places.h
 *		Where leases stand in shared memory, and what is counted of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_PLACES_H
#define QUOTA_LEASE_PLACES_H

#include "shared/leases.h"
#include "shared/places.h"

/* the set that a window's entry may stand in, locked; quota_set_unlock() */
extern QuotaSet *quota_lease_set(const QuotaPlaceKey *key, LWLockMode mode);

/* The rest is for who has locked it.  The window's entry, of whatever lease; or NULL. */
extern QuotaLeaseEntry *quota_lease_find(QuotaSet *set, const QuotaPlaceKey *key);

/* A place for a new entry, to be written; NULL if none is to be had.  table: of buckets. */
extern QuotaLeaseEntry *quota_lease_make(QuotaSet *set, const QuotaPlaceKey *key, Oid table);

extern void quota_lease_set_free(QuotaLeaseEntry *entry);

/* a serial number for a session that writes a row with a lease */
extern uint64 quota_lease_next_writer(void);

#endif							/* QUOTA_LEASE_PLACES_H */

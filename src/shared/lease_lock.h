/*-------------------------------------------------------------------------
 *
 * lease_lock.h
 *		The heavyweight lock of a lease.
 *
 * A session that takes from a lease holds it until its transaction ends, across PREPARE
 * TRANSACTION; it gets it at once, or not at all.  A session that wants to know what has
 * been taken drains: it waits for them, and keeps new ones out.  Drainers do not wait for
 * each other; the row's lock keeps them apart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_LOCK_H
#define QUOTA_LEASE_LOCK_H

#include "store/window_key.h"

/*
 * False: somebody drains, the lock table is full, or the transaction has enough of these
 * already.
 */
extern bool quota_lease_share(const QuotaWindowKey *window);

/* it has not come to use: gives back one that was shared */
extern void quota_lease_unshare(const QuotaWindowKey *window);

/* Waits for those who have taken; until quota_lease_end_drain(), or the transaction's end. */
extern void quota_lease_drain(const QuotaWindowKey *window);
extern void quota_lease_end_drain(const QuotaWindowKey *window);

/* may anybody else have something in flight? */
extern bool quota_lease_has_takers(const QuotaWindowKey *window);

#endif							/* QUOTA_LEASE_LOCK_H */

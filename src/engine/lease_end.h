/*-------------------------------------------------------------------------
 *
 * lease_end.h
 *		Ending leases before administration writes their rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ENGINE_LEASE_END_H
#define QUOTA_ENGINE_LEASE_END_H

#include "utils/snapshot.h"

#include "store/window_key.h"

/*
 * Waits for those who have taken from these leases, locks the rows that bear them, in this
 * order, and ends the leases; returns how many.  Without "wait" those from which somebody
 * has taken go on.  In a transaction that keeps
 * its first snapshot 40001 for a row that has changed since.  22023 for a lease that is
 * there twice.
 */
extern int	quota_engine_close_leases(const int64 *lease_ids, int n, bool wait);

/* how much of a window's use open holds have, by the ledger */
extern int64 quota_engine_reserved(const QuotaWindowKey *window, Snapshot snapshot);

#endif							/* QUOTA_ENGINE_LEASE_END_H */

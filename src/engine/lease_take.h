/*-------------------------------------------------------------------------
 *
 * lease_take.h
 *		Which accounts of a call are served by their leases, without their rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_TAKE_H
#define QUOTA_LEASE_TAKE_H

#include "engine/row_parts.h"

/*
 * Has the window's use from its lease, as if all that is in flight had been committed, put
 * in place of its row; false: look at the row.
 */
extern bool quota_lease_look(Relation buckets, const QuotaMeter *meter, QuotaRows *rows,
							 Snapshot snapshot);

/*
 * Does the window's row bear that lease?  A session looks once for each lease that it
 * meets, since memory might not be of these tables.
 */
extern bool quota_row_bears(Relation buckets, const QuotaWindowKey *window, const QuotaPlaceKey *key,
							int64 lease, Snapshot snapshot);

/*
 * Takes what was decided on from the leases that were looked at.  An account whose lease
 * cannot serve it is looked at again, by its row.
 */
extern void quota_leases_serve(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters,
							   Snapshot snapshot);

/* Takes nothing from them: the rows shall decide. */
extern void quota_leases_leave(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters,
							   Snapshot snapshot);

/* What was taken is less now that rows have been locked: the meters' amounts. */
extern void quota_leases_trim(QuotaMeter *meters, QuotaRows *rows, int nmeters);

/* gives all of it back: the call ends otherwise */
extern void quota_leases_return(QuotaMeter *meters, QuotaRows *rows, int nmeters);

#endif							/* QUOTA_LEASE_TAKE_H */

/*-------------------------------------------------------------------------
 *
 * leases.h
 *		Leases of hot accounts in shared memory, when the library is preloaded.
 *
 * The account's row of quota_internal.bucket is the truth; an entry here says how much of
 * what the row leases has been taken.  What a transaction does to an entry is undone if it
 * (or its savepoint) is rolled back, and becomes final when it commits.
 *
 * A lease is named by its account window's key and by the row's lease_id: an entry of
 * another lease is none.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASES_H
#define QUOTA_LEASES_H

#include "shared/lease_entry.h"
#include "shared/place_key.h"

/* how much shared memory it takes, and its start; while the server starts */
extern Size quota_leases_size(void);
extern void quota_leases_start(void);

/* is there any memory for leases? */
extern bool quota_leases_exist(void);

extern QuotaPlaceKey quota_lease_key(const QuotaWindowKey *window);

/* a copy of the window's entry; false: there is none */
extern bool quota_leases_read(const QuotaPlaceKey *key, QuotaLeaseEntry *entry);

/* false: so much is not left, or the lease is over; "held" of it is a hold's */
extern bool quota_leases_take(const QuotaPlaceKey *key, int64 lease, int64 n, int64 held);

/* What was taken in this (sub)transaction comes back: the call did not come to use it. */
extern void quota_leases_untake(const QuotaPlaceKey *key, int64 lease, int64 n, int64 held);

/*
 * False: it has not had so much taken, is over, or could pass a threshold.  "unheld" is
 * what a hold has no longer; "spared" what is given back of no hold.
 */
extern bool quota_leases_give(const QuotaPlaceKey *key, int64 lease, int64 n, int64 unheld,
							  int64 spared);

/* the row as the transaction has written it last, or NULL */
extern const QuotaBucketState *quota_leases_written(const QuotaPlaceKey *key, int64 lease);

/* what the transaction has in flight of a lease, and whether of any */
extern QuotaLeaseShare quota_leases_own(const QuotaPlaceKey *key, int64 lease);
extern bool quota_leases_shared_any(void);

/*
 * Claims for the session to draw more before the lease runs out, where less than half of
 * the last draw is left; one session at a time has it for a moment.
 */
extern bool quota_leases_claim(const QuotaPlaceKey *key, int64 lease, TimestampTz now);

/* Has the lease lasted long enough?  Then charges go by the row for a moment, to end it. */
extern bool quota_leases_retire(const QuotaPlaceKey *key, const QuotaLeaseEntry *seen, TimestampTz now);

/*
 * The rest is for the session that has the window's row locked.
 *
 * What memory says beside the locked row, others' writes read over; false: nothing, and an
 * entry of another lease is forgotten.
 */
extern bool quota_leases_read_over(const QuotaPlaceKey *key, const QuotaBucketState *row,
								   QuotaLeaseEntry *entry);

/* A new lease; the row is written next.  False: memory is full. */
extern bool quota_leases_open(const QuotaPlaceKey *key, const QuotaLeaseEntry *entry);

/* More is drawn: *entry has how much and when; the row is written next. */
extern void quota_leases_draw(const QuotaPlaceKey *key, const QuotaLeaseEntry *entry);

/*
 * Before the row is written: what it is from now on, without a lease if that ends.  An
 * entry that is not there needs nothing.
 */
extern void quota_leases_write(const QuotaPlaceKey *key, int64 lease, const QuotaBucketState *row);

/* Takes up to n of what is left out of the lease; *row is to be written so. */
extern int64 quota_leases_recall(const QuotaPlaceKey *key, int64 lease, int64 n,
								 QuotaBucketState *row);

/* Ends the lease, if nobody else has anything in flight; *row is to be written so. */
extern bool quota_leases_close(const QuotaPlaceKey *key, int64 lease, QuotaBucketState *row);

/*
 * The row, as it is now, is to give back up to n: what it then gives of what was taken
 * from the lease, the lease does not give as well.
 */
extern void quota_leases_sink(const QuotaPlaceKey *key, int64 lease, const QuotaBucketState *row,
							  int64 n);

/*
 * The row gives back "spared", which is no hold's.  False: use may have passed a
 * threshold, and what is left of the lease is to be recalled.
 */
extern bool quota_leases_spare(const QuotaPlaceKey *key, int64 lease, int64 spared);

/* What is counted since the server started. */
typedef enum QuotaLeaseEvent
{
	QUOTA_LEASE_TAKEN,
	QUOTA_LEASE_DRAWN,
	QUOTA_LEASE_RECALLED,
	QUOTA_LEASE_DRAINED,
	QUOTA_LEASE_WAITED,			/* a row was another's meanwhile */
	QUOTA_LEASE_WAS_ORPHAN,
	QUOTA_LEASE_TURNED_AWAY		/* memory was full */
} QuotaLeaseEvent;

extern void quota_leases_count(QuotaLeaseEvent event);

/* how often; and how many leases there are now */
extern int64 quota_leases_counted(QuotaLeaseEvent event);
extern int64 quota_leases_now(void);

/* Copies of this database's entries, palloc'd; returns how many. */
extern int	quota_leases_list(QuotaLeaseEntry **entries);

#endif							/* QUOTA_LEASES_H */

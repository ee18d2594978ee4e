/*-------------------------------------------------------------------------
 *
 * bucket.h
 *		Rows of quota_internal.bucket: the use of one account in one window.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_BUCKET_H
#define QUOTA_BUCKET_H

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "store/window_key.h"

/* Where the units of a window came from. */
typedef struct QuotaCounts
{
	int64		used;			/* the allowance; capacity: held */
	int64		granted;		/* grants */
	int64		overage;
	int64		overdrawn;		/* beyond all room */
} QuotaCounts;

/* What a bucket's row says besides its key. */
typedef struct QuotaBucketState
{
	QuotaCounts counts;
	int64		reserved;		/* how much of the counts open holds have */
	bool		rollover_fixed;
	int64		rolled_in;		/* once fixed: what rolled over into the window */
	int64		rolled_out;		/* what rolled out of it; counts as used */
	bool		is_prorated;
	int64		prorated;		/* the window's allowance in place of the plan's */
	bool		unlimited;		/* as of the last charge, with: */
	int64		allowance;
	int32		plan_version_id;	/* as of the last charge; 0: none */
	int64		lease_id;		/* 0: no lease; else: */
	int64		lease_since;	/* its entries in the ledger have larger ids */
	int64		leased;			/* so much of a count is leased; see true use in
								 * docs/leases.md */
	bool		leases_overage; /* that count is overage, not "used" */
} QuotaBucketState;

/* A version of a bucket's row. */
typedef struct QuotaBucketRow
{
	HeapTuple	tuple;			/* NULL: there is none */
	QuotaWindowKey key;
	int32		generation;		/* without a row: of the one to create */
	QuotaBucketState state;
	bool		moved;			/* another window took its use over: */
	TimestampTz moved_start;
	TimestampTz moved_end;
	int64		moved_id;		/* use of debits with a smaller id went along */
} QuotaBucketRow;

/* before anything is decided, so that nobody can lock the table in between */
extern Relation quota_bucket_open(void);

/*
 * The row in which the window counts, as the snapshot sees it; all zero when there is
 * none.  A row whose use another window took over is none, though what it says of
 * rollover and terms is kept: when the account comes back, it counts in the next
 * generation.
 */
extern void quota_bucket_find(Relation rel, const QuotaWindowKey *key, Snapshot snapshot,
							  QuotaBucketRow *row);

/*
 * The row that now has what the ledger entry "id" took from the key's window: it is
 * of that window, or of the one to which the use has gone since.  There may be none,
 * once the account is erased.
 */
extern void quota_bucket_follow(Relation rel, const QuotaWindowKey *key, int64 id,
								Snapshot snapshot, QuotaBucketRow *row);

/*
 * Has a charge been counted, though all of it may have come back since?  A row can have
 * been made by a change of plan, or for its lock.
 */
extern bool quota_bucket_is_charged(const QuotaBucketState *state);

/* the newest charged window of the key's account that ended when the key's begins, or before */
extern void quota_bucket_before(Relation rel, const QuotaWindowKey *key, Snapshot snapshot,
								QuotaBucketRow *row);

/* the row that bears a lease; none: its tuple is NULL */
extern void quota_bucket_of_lease(Relation rel, int64 lease_id, Snapshot snapshot,
								  QuotaBucketRow *row);

/*
 * The newest window that begins when the key's ends, or later, and has fixed what
 * rolled over into it: it has closed the key's.
 */
extern void quota_bucket_closing(Relation rel, const QuotaWindowKey *key, Snapshot snapshot,
								 QuotaBucketRow *row);

/*
 * Makes sure that there is a row, waiting for a session that is creating it; true if we
 * have created it: then nobody else can lock it before we end.
 */
extern bool quota_bucket_create(Relation rel, const QuotaWindowKey *key, int32 generation,
								const QuotaBucketState *state);

/*
 * May the transaction have a row locked that somebody else waits for?  So it is after any
 * of the functions that lock or write one, until it ends.
 */
extern bool quota_bucket_locked_any(void);

/* locks the newest version; false when the row has gone */
extern bool quota_bucket_lock(Relation rel, QuotaBucketRow *row, Snapshot snapshot);

/* false when the row has changed since it was read: lock it and decide again */
extern bool quota_bucket_update(Relation rel, QuotaBucketRow *row, const QuotaBucketState *state,
								Snapshot snapshot);

#endif							/* QUOTA_BUCKET_H */

/*-------------------------------------------------------------------------
 *
 * row_parts.h
 *		What the engine's files share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ENGINE_ROW_PARTS_H
#define QUOTA_ENGINE_ROW_PARTS_H

#include "engine/engine.h"
#include "shared/leases.h"
#include "storage/lockdefs.h"
#include "store/rate.h"

/* The rows of one account; same places as in its QuotaMeter. */
typedef struct QuotaRows
{
	QuotaBucketRow bucket;
	QuotaGrantUse *grants;
	QuotaCapUse *caps;
	QuotaRateUse rate;
	bool		rate_in_memory; /* the rate has no row, and needs none */
	int64		rate_taken;		/* of it, by this call */
	bool		expired;		/* are there expired holds? */
	bool		leased;			/* does the window's row bear a lease, or that of the one
								 * before, as far as it was looked at? */
	bool		orphaned;		/* and memory does not know of it */
	bool		looks_at_lease; /* may the window's lease do instead of its row? */
	bool		by_lease;		/* it does: "bucket" says what memory knows, with: */
	QuotaPlaceKey lease_key;
	int64		lease;
	QuotaLeaseTerms lease_terms;
	int64		lease_taken;	/* of it, by this call */
	bool		draws;			/* the lease runs short, or others queue for the row */
	bool		drained;		/* nobody else has anything of the lease in flight */
	QuotaWindowKey before;		/* drained as well: the window that rolls over */
	bool		before_drained;
} QuotaRows;

/* What quota_rows_prepare() found. */
typedef enum QuotaPrepared
{
	QUOTA_PREPARED_LOCKED,		/* all rows are there and locked */
	QUOTA_PREPARED_CHANGED,		/* some were created or given back to */
	QUOTA_PREPARED_STALE		/* somebody else did something to one of them */
} QuotaPrepared;

/*
 * row_read.c: finds an account's rows and shows them in meter, expired holds left out.
 * The tables are opened with AccessShareLock to be read; with RowExclusiveLock, which
 * is then kept, where what was found is to be locked or written.
 */
extern void quota_rows_find(Relation rel, QuotaMeter *meter, QuotaRows *rows,
							LOCKMODE lockmode, Snapshot snapshot);

/* row_read.c: the numbers of rows that have been found or locked, put into meter */
extern void quota_rows_show(QuotaMeter *meter, const QuotaRows *rows);

/* row_read.c: whether the window's row has yet to say what rolled over into it */
extern bool quota_rollover_is_open(const QuotaMeter *meter, const QuotaBucketRow *row);

/*
 * row_prepare.c: locks all rows in order, creating those that are missing: a row
 * that we create is locked until we end, so the order holds for it too.  It stops
 * at a row that somebody else has created meanwhile, since that one is not locked
 * yet.
 */
extern QuotaPrepared quota_rows_prepare(Relation buckets, QuotaMeter *meters, QuotaRows *rows,
										int nmeters, Snapshot snapshot);

#endif							/* QUOTA_ENGINE_ROW_PARTS_H */

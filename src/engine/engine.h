/*-------------------------------------------------------------------------
 *
 * engine.h
 *		Taking from and giving back to buckets, whoever keeps them.
 *
 * The layer above says which buckets and how much each may hold; it knows plans
 * and periods and writes the ledger.  The engine knows numbers only, and makes
 * the decision atomic: whatever other transactions do, no bucket goes beyond its
 * ceiling, and what is taken comes back when the (sub)transaction aborts.
 *
 * The caller has put the buckets of one call in a fixed order (path order);
 * engines lock in that order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ENGINE_H
#define QUOTA_ENGINE_H

#include "utils/snapshot.h"

#include "store/bucket.h"

/* One bucket of a request. */
typedef struct QuotaBucketRef
{
	QuotaBucketKey key;
	bool		unlimited;		/* else: */
	int64		ceiling;		/* most that used + overdrawn may come to by a
								 * take */
	bool		counts_only;	/* capacity of a prefix that is no account, or
								 * overdrawing of one: "used" takes it all */
	int64		amount;			/* take: how much is asked for */
	bool		had_room;		/* out: did it fit? */
	QuotaCounts counts;			/* out: after the call */
	QuotaCounts change;			/* out: what the call added or (give)
								 * subtracted; never negative */
} QuotaBucketRef;

typedef enum QuotaTakeMode
{
	QUOTA_TAKE_ALL,				/* its amount from every bucket, or nothing */
	QUOTA_TAKE_UP_TO,			/* the same from every bucket: as much of the
								 * amount as all of them have room for */
	QUOTA_TAKE_OVERDRAW			/* the amounts; what has no room is overdrawn */
} QuotaTakeMode;

typedef enum QuotaTakeResult
{
	QUOTA_TAKEN,
	QUOTA_NO_ROOM,				/* nothing is taken; counts say why */
	QUOTA_STALE					/* look up anew: a window was superseded, or its
								 * row has only now been created */
} QuotaTakeResult;

typedef struct QuotaEngine
{
	const char *name;

	/* Call before looking up what to take; keeps windows from moving unseen. */
	void		(*open) (void);

	/* Sets counts as the snapshot sees them. */
	void		(*peek) (QuotaBucketRef *refs, int nrefs, Snapshot snapshot);

	/*
	 * Takes ref.amount from every bucket, and sets it to what was taken.
	 * "snapshot" is the one that the buckets were looked up with.  22003 when a
	 * bucket would overflow.
	 */
	QuotaTakeResult (*take) (QuotaBucketRef *refs, int nrefs, QuotaTakeMode mode,
							 Snapshot snapshot);

	/*
	 * Gives back change.used and change.overdrawn of each ref, as far as the
	 * bucket has them; change is then what really came back, key the window
	 * that it came back to: a window whose use another one took over passes
	 * on what debits before "debit_id" took.  Of counts_only buckets, none
	 * gives back more than the last one: what the last one has not got was
	 * given back before, at every level.
	 */
	void		(*give) (QuotaBucketRef *refs, int nrefs, int64 debit_id);

	/* Ends what open() began. */
	void		(*close) (void);
} QuotaEngine;

/* the engine that serves */
extern const QuotaEngine *quota_engine(void);

/*
 * Room that is left below the ceiling, never negative; of an unlimited bucket
 * what its number can still hold.
 */
extern int64 quota_room(const QuotaBucketRef *ref);

#endif							/* QUOTA_ENGINE_H */

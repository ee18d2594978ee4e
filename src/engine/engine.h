/*-------------------------------------------------------------------------
 *
 * engine.h
 *		Taking from and giving back to accounts.
 *
 * The layer above says which accounts and under which limits; it knows plans and
 * periods and writes the ledger.  The engine makes the decision atomic: whatever
 * other transactions do, no account goes beyond its limits, and what is taken
 * comes back when the (sub)transaction aborts.
 *
 * The caller has put the accounts of one call in a fixed order (by feature, then
 * by level); the engine locks in that order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ENGINE_H
#define QUOTA_ENGINE_H

#include "utils/snapshot.h"

#include "base/gcra.h"
#include "base/window.h"
#include "store/bucket.h"
#include "store/cap.h"
#include "store/grant.h"
#include "store/part.h"

/* A grant that an account can take from. */
typedef struct QuotaAccountGrant
{
	QuotaGrant	grant;
	int64		used;			/* out: what has been taken of it */
	int64		change;			/* out: what the call took */
} QuotaAccountGrant;

/* A cap of an account. */
typedef struct QuotaAccountCap
{
	QuotaCapKey key;
	int64		ceiling;
	QuotaWindow window;			/* in: the fixed one, or the one that a first use
								 * now would open; out: the present one */
	bool		opened;			/* out: does a use count in it already? */
	TimestampTz opened_at;		/* out: when that one was opened, if it is */
	int64		cleared_id;		/* out: as in QuotaCapUse */
	int64		used;			/* out */
} QuotaAccountCap;

/*
 * A change of plan that is in force though nobody has carried it out: a report
 * shows what is there as if somebody had.  (A charge carries it out first.)
 */
typedef struct QuotaDue
{
	bool		is_due;
	TimestampTz at;
	QuotaWindow window;			/* goes on, or begins, on the new terms */
	bool		prorates;		/* its limit is shared with: */
	int64		old_allowance;
	const struct QuotaMeter *first; /* another one was due before: that of
										 * this account; or NULL */
} QuotaDue;

/* Where use is told of when it gets there. */
typedef struct QuotaLines
{
	int			npercents;
	const int32 *percents;		/* of the allowance */
	int			nremainders;
	const int64 *remainders;	/* what is left of it */
} QuotaLines;

/* What limits an account, as plans and overrides say: facts, which the engine only reads. */
typedef struct QuotaLimits
{
	int32		plan_version_id;	/* 0: none */
	bool		rate_only;		/* nothing is stored but the rate */
	bool		counts_only;	/* capacity: "used" takes all, overdrawn or not */
	bool		overdraw_only;	/* no account any more: all is overdrawn, and the
								 * row's terms stay as they were */
	bool		unlimited;		/* else: */
	int64		allowance;		/* of the plan (capacity: grants included) */
	int64		overage_limit;	/* 0: none; PG_INT64_MAX: without limit */
	bool		rolls_over;		/* with: */
	int64		rollover_max;
	QuotaSeries series;			/* the windows */
	TimestampTz idle_since;		/* from here windows without any use count;
								 * DT_NOBEGIN: from the first use */
	const QuotaRate *rate;		/* or NULL */
	QuotaLines	lines;
} QuotaLimits;

/* What an account stands at; the look-up names grants and caps, the engine fills in their use. */
typedef struct QuotaBalance
{
	QuotaBucketState bucket;	/* expired holds left out */
	int			ngrants;		/* in the order in which they are taken from;
								 * used up ones are left out */
	QuotaAccountGrant *grants;
	int			ncaps;			/* in the order of their rows */
	QuotaAccountCap *caps;
	QuotaGcra	rate;
} QuotaBalance;

/* What a take came to in an account. */
typedef struct QuotaOutcome
{
	bool		had_room;		/* did it fit? */
	bool		had_rate;
	QuotaCounts change;			/* what it added; grants have theirs */
	int64		capped;			/* how much of it caps count */
	int64		lease_id;		/* the lease that all of it was taken from; 0: the row */
} QuotaOutcome;

/*
 * An account as a request meets it: which window, what limits it, what it stands at, and
 * what a take comes to.
 */
typedef struct QuotaMeter
{
	QuotaWindowKey key;
	TimestampTz at;				/* time of the charge */
	TimestampTz clock;			/* time of day, for the rate */
	QuotaLimits limits;
	QuotaDue	due;
	bool		has_grants;		/* may it have any, used up or not? */
	int64		amount;			/* take: how much is asked for */
	bool		reserve;		/* take: for a hold */
	int64		early_id;		/* take: the ledger's entry has this id, drawn long ago; or 0 */
	QuotaBalance balance;		/* out: as the engine read it; after a take, after it */
	QuotaOutcome outcome;		/* out, of a take */
} QuotaMeter;

typedef enum QuotaTakeMode
{
	QUOTA_TAKE_ALL,				/* its amount from every account, or nothing */
	QUOTA_TAKE_UP_TO,			/* the same from every account: as much of the
								 * amount as all of them have room for */
	QUOTA_TAKE_OVERDRAW			/* the amounts; what has no room is overdrawn */
} QuotaTakeMode;

typedef enum QuotaTakeResult
{
	QUOTA_TAKEN,
	QUOTA_NO_ROOM,				/* nothing is taken; balances and outcomes say why */
	QUOTA_STALE					/* look up again: a window was superseded, or a
								 * row has only now been created, or an expired
								 * hold given back */
} QuotaTakeResult;

/* What give() shall give back. */
typedef struct QuotaGiving
{
	QuotaPart	part;			/* out: amount is what really came back, key the
								 * window that it came back to */
	int64		unreserve;		/* how much of it a hold had reserved */
	bool		leaves_caps;	/* a correction: caps have counted what they did */
	int64		early_id;		/* the ledger's entry has this id, drawn long ago; or 0 */
	int64		lease_id;		/* out: the lease that it came back to; 0: the row */
} QuotaGiving;

/*
 * Call before looking up what to take; keeps windows from moving unseen until the
 * transaction ends.
 */
extern void quota_engine_enter(void);

/*
 * Locks the accounts without taking anything, and sets their balances; gives back what
 * expired holds have.  "snapshot" is the one that they were looked up with.  False:
 * look up again.
 */
extern bool quota_engine_lock(QuotaMeter *meters, int nmeters, Snapshot snapshot);

/* sets balances as the snapshot sees them */
extern void quota_engine_peek(QuotaMeter *meters, int nmeters, Snapshot snapshot);

/*
 * Takes meter.amount from every account, and sets it to what was taken.  "snapshot" is
 * the one that they were looked up with.  22003 when a number would overflow.
 */
extern QuotaTakeResult quota_engine_take(QuotaMeter *meters, int nmeters, QuotaTakeMode mode,
										 Snapshot snapshot);

/*
 * Gives back, as far as the buckets have it; a capacity keeps what open holds have
 * reserved.  A window whose use another one took over passes on what debits before
 * "debit_id" took.  Without a debit (0: a capacity that ceased to exist) no level
 * gives back more than the last one has: above it, the rest is that of others.  In
 * order of account.
 */
extern void quota_engine_give(QuotaGiving *givings, int ngivings, int64 debit_id);

/* gives back what expired holds have in an account; returns how many */
extern int	quota_engine_expire(const QuotaAccountKey *account);

/*
 * The true count of what was taken of meter's rate is known: so much more than was
 * taken (negative: less).  Not beyond the full burst, but into debt.  After all that
 * the call does with buckets.
 */
extern void quota_engine_correct_rate(const QuotaMeter *meter, int64 difference);

/*
 * Lets the account's caps count from 0 in the windows that "at" lies in; what was
 * charged before restores them no more, and one that opens with the first use is
 * closed.  Sets how many had counted something; false: look up again.
 */
extern bool quota_engine_clear_caps(const QuotaMeter *meter, TimestampTz at, Snapshot snapshot,
									int *ncleared);

/*
 * Sets *key to the window that has what a ledger entry took there: a window whose use
 * another one took over leads to that one.  Returns which generation of it.
 */
extern int32 quota_engine_locate(QuotaWindowKey *key, int64 entry_id, Snapshot snapshot);

#endif							/* QUOTA_ENGINE_H */

/*-------------------------------------------------------------------------
 *
 * lease_entry.h
 *		What shared memory knows of an account's lease: arithmetic.
 *
 * A lease is a part of what the account's row counts as used, from which transactions
 * take without touching the row (docs/leases.md).  All functions are pure; their callers
 * hold the lock of the entry's place.  None allocates or throws.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEASE_ENTRY_H
#define QUOTA_LEASE_ENTRY_H

#include "store/bucket.h"

/* The limits that a lease was drawn under: under others it is of no use. */
typedef struct QuotaLeaseTerms
{
	int32		plan_version_id;
	bool		unlimited;
	int64		allowance;
	int64		overage_limit;
	int64		shown_allowance;	/* with rollover, its share and grants */
} QuotaLeaseTerms;

typedef struct QuotaLeaseEntry
{
	int64		lease;			/* the row's lease_id; 0: there is no entry */
	QuotaBucketState row;		/* the committed row, as far as published; leases row.leased */
	int64		wanted;			/* what the row's last writer has it lease; with: */
	uint64		writer;			/* a serial number; 0: nobody, and wanted = row.leased */
	bool		closing;		/* the writer ends the lease */
	bool		unknown;		/* a prepared transaction has taken, and its end is not told */
	int64		taken;			/* by transactions that have ended, less what they gave back */
	int64		busy;			/* by those that have not */
	int64		lost;			/* by prepared ones */
	int64		giving;			/* given back by those that have not ended */
	int64		held;			/* reserved by ended ones, less what they closed: beside
								 * what the row says, either can be negative */
	int64		holding;		/* reserved by those that have not ended */
	int64		floor;			/* the row's count less what it leases, at the lowest that a
								 * writer has made it: below 0 the row has given back, or is
								 * about to, what was taken from the lease */
	int32		settling;		/* holds that these close, though nothing may come back */
	int64		may_give;		/* how far use without holds may be given back: there lies
								 * a threshold; negative: it has been passed */
	QuotaLeaseTerms terms;
	int64		ceiling;		/* use with holds and lease stays below: another one */
	/* the rest says when and how much to draw; times are of the true clock */
	int64		drawn;			/* how much was drawn last */
	TimestampTz drawn_at;
	int64		spent_when_drawn;
	int64		longest_us;		/* from a draw to its commit, lately */
	TimestampTz claimed_at;		/* a session went to draw more before it runs out */
	TimestampTz opened_at;
	TimestampTz retires_until;	/* charges go by the row, so that the lease can end */
} QuotaLeaseEntry;

/* What a writer changes, so that it can be put back. */
typedef struct QuotaLeaseWrite
{
	int64		wanted;
	uint64		writer;
	bool		closing;
} QuotaLeaseWrite;

/* what has been taken, or may have been */
extern int64 quota_lease_spent(const QuotaLeaseEntry *entry);

/* how much anybody may take now */
extern int64 quota_lease_left(const QuotaLeaseEntry *entry);

/* What one transaction, or one call of it, has in flight. */
typedef struct QuotaLeaseShare
{
	int64		taken;
	int64		held;			/* how much of it a hold reserves */
	int64		given;
	int64		unheld;			/* what its holds have no longer, given back or kept */
	int64		spared;			/* what it has taken off may_give */
	int32		settled;		/* how many holds it has closed or made smaller */
} QuotaLeaseShare;

/* false: there is not so much left */
extern bool quota_lease_take(QuotaLeaseEntry *entry, int64 n, int64 held);

/*
 * False: it has not had so much taken from it, or use could fall below a threshold.
 * "unheld" is what a hold has no longer, "spared" what is no hold's.
 */
extern bool quota_lease_give(QuotaLeaseEntry *entry, int64 n, int64 unheld, int64 spared);

/* The row, which counts so much and is locked, is about to give back n. */
extern void quota_lease_sink(QuotaLeaseEntry *entry, const QuotaBucketState *row, int64 n);

/* How it ends. */
extern void quota_lease_commit(QuotaLeaseEntry *entry, const QuotaLeaseShare *share);
extern void quota_lease_abort(QuotaLeaseEntry *entry, const QuotaLeaseShare *share);
extern void quota_lease_prepare(QuotaLeaseEntry *entry, const QuotaLeaseShare *share);

/*
 * The writer's row is not committed yet: what is missing there can be taken no more, what
 * is new not yet.  Returns what stood there before.
 */
extern QuotaLeaseWrite quota_lease_write(QuotaLeaseEntry *entry, int64 wanted, bool closing,
										 uint64 writer);

/*
 * The writer has committed, at "now"; true: the lease has ended.  Nothing if the entry has
 * another writer.
 */
extern bool quota_lease_publish(QuotaLeaseEntry *entry, uint64 writer, const QuotaBucketState *row,
								TimestampTz now);

/* The write is undone, unless the entry has another writer. */
extern void quota_lease_unwrite(QuotaLeaseEntry *entry, uint64 writer, const QuotaLeaseWrite *before);

/*
 * The row is locked, so every change of it by others is decided: what a writer said of it
 * is over.  False: it bears another lease, or none, and the entry is of no use any more.
 */
extern bool quota_lease_read_over(QuotaLeaseEntry *entry, const QuotaBucketState *row);

/*
 * How much of n the row can have back of what is left; the writer's own draw, and what it
 * gives back, are there for it.
 */
extern int64 quota_lease_recallable(const QuotaLeaseEntry *entry, const QuotaLeaseShare *own, int64 n);

/* has nobody else anything in flight? */
extern bool quota_lease_is_quiet(const QuotaLeaseEntry *entry, const QuotaLeaseShare *own);

/* The row's state when the lease ends here: what the caller has in flight goes along. */
extern QuotaBucketState quota_lease_closed(const QuotaLeaseEntry *entry, const QuotaBucketState *row,
										   const QuotaLeaseShare *own);

/*
 * The row's state if all that others take commits, and nothing that they give back: at
 * least so much is left.
 */
extern QuotaBucketState quota_lease_seen(const QuotaLeaseEntry *entry, const QuotaBucketState *row,
										 const QuotaLeaseShare *own);

/* The row's state if nothing that others have in flight commits, but for what they give back. */
extern QuotaBucketState quota_lease_sure(const QuotaLeaseEntry *entry, const QuotaBucketState *row,
										 const QuotaLeaseShare *own);

/* The row's state when it has n of the lease back. */
extern QuotaBucketState quota_lease_recalled(const QuotaBucketState *row, int64 n);

extern bool quota_same_lease_terms(const QuotaLeaseTerms *a, const QuotaLeaseTerms *b);

#endif							/* QUOTA_LEASE_ENTRY_H */

/*-------------------------------------------------------------------------
 *
 * give.h
 *		Giving back: capacity that ceased to exist, and refunds.
 *
 * These look neither at entitlement nor at status: what was taken may always
 * come back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_GIVE_H
#define QUOTA_GIVE_H

#include "decide/charge.h"

/*
 * Gives back one item's capacity at every level of the path, each of which keeps
 * what open holds have reserved there.  22023 when the subject itself has less in
 * use (with up_to that comes back; the id is 0 when it is nothing), or on another
 * kind.
 */
extern void quota_give_back(QuotaRequest *request);

/* Whose debit it is, to claim a key before anything is locked. */
typedef struct QuotaDebitOwner
{
	const char *subject;
	const char *feature;
} QuotaDebitOwner;

/* QT404 unknown, 22023 when the id is not a debit's */
extern void quota_refund_look_up(int64 debit_id, QuotaDebitOwner *owner);

/*
 * Gives back its one item's amount of request->debit_id, everything that is left
 * of it when the amount is 0, into the buckets it came from, last first.  22023 when
 * so much is not left, of a capacity, or of a hold that is open.
 */
extern void quota_refund(QuotaRequest *request);

/* A debit or hold as its ledger entries tell it. */
typedef struct QuotaDebit
{
	int64		id;
	QuotaSubject subject;
	const QuotaFeature *feature;	/* NULL: it has been removed since */
	char		kind;			/* of its first entry */
	int			nentries;
	QuotaEntry *entries;
	int			nparts;
	QuotaPart  *parts;			/* what is left of it, account by account from
								 * the first segment down */
} QuotaDebit;

/* false when there is no debit or hold with this id */
extern bool quota_debit_read(int64 id, Snapshot snapshot, QuotaDebit *debit);

/* QT404 when its feature has been removed */
extern void quota_debit_require_feature(const QuotaDebit *debit);

/* what is left of it; the same at every level */
extern int64 quota_debit_left(const QuotaDebit *debit);

/* what entries of a kind overdrew, at the level with the most */
extern int64 quota_debit_overdrew(const QuotaDebit *debit, char kind);

/* How much of what comes back is no longer reserved. */
typedef enum QuotaUnreserve
{
	QUOTA_UNRESERVE_NOTHING,	/* it is no hold, or not an open one */
	QUOTA_UNRESERVE_GIVEN,		/* as much as comes back */
	QUOTA_UNRESERVE_ALL			/* the hold is closed: what stays, too */
} QuotaUnreserve;

/* What an amount says. */
typedef enum QuotaGiveRule
{
	QUOTA_GIVE_AMOUNT,			/* so much comes back at every level */
	QUOTA_GIVE_BEYOND			/* what a level has beyond it */
} QuotaGiveRule;

/*
 * What to give back, last taken first.  palloc'd; account by account from the
 * first segment down.
 */
extern int	quota_plan_giving(const QuotaDebit *debit, QuotaGiveRule what, int64 amount,
							  QuotaUnreserve unreserve, QuotaGiving **givings);

#endif							/* QUOTA_GIVE_H */

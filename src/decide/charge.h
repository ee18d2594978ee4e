/*-------------------------------------------------------------------------
 *
 * charge.h
 *		Charging a path, ledger included.
 *
 * All of these may wait for other transactions.  What they do is undone by the
 * abort of the (sub)transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CHARGE_H
#define QUOTA_CHARGE_H

#include "utils/jsonb.h"

#include "decide/judge.h"

/* One feature of a request, and what came of it. */
typedef struct QuotaItem
{
	const char *feature;
	int64		amount;
	int64		reserved_id;	/* id for the ledger, from
								 * quota_ledger_next_id(); 0: draw one */

	/* what came of it */
	int64		id;				/* 0: nothing was charged */
	int64		charged;
	QuotaVerdict verdict;		/* its reason is what enforce would say; its
								 * numbers are those after the charge */
} QuotaItem;

typedef struct QuotaRequest
{
	QuotaSubject subject;
	QuotaItem  *items;			/* in order of feature, byte for byte */
	int			nitems;
	bool		up_to;			/* take what there is; of a single item */
	int64		debit_id;		/* what a refund gives back */
	const struct QuotaActionCall *action;	/* what quota_charge_action() prices */
	bool		raise;			/* raise a refusal, or return it? */
	const char *key;			/* or NULL */
	Jsonb	   *metadata;		/* or NULL */
} QuotaRequest;

/*
 * Charges every account on the path for every item, or nothing.  QT404, 22023
 * on a static feature, 22003; with request->raise also QT402 and QT403, for the
 * first item that is refused.
 */
extern void quota_charge(QuotaRequest *request);

/* the verdict on the present state, for a call that repeats an earlier one */
extern void quota_charge_verdict(const QuotaSubject *subject, const char *feature,
								 QuotaVerdict *verdict);

/*
 * Writes the ledger entries of what the engine changed for an item, amounts
 * times "sign", and sets item->id.
 */
extern void quota_write_entries(const QuotaRequest *request, QuotaItem *item,
								const QuotaAccounts *accounts, TimestampTz at,
								char kind, int sign);

#endif							/* QUOTA_CHARGE_H */

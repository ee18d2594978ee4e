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
#include "store/ledger.h"

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
	TimestampTz expires_at;		/* of the hold */
	QuotaVerdict verdict;		/* its reason is what enforce would say; its
								 * numbers are those after the charge */
} QuotaItem;

typedef struct QuotaRequest
{
	QuotaSubject subject;
	QuotaItem  *items;			/* in order of feature, byte for byte */
	int			nitems;
	bool		up_to;			/* take, or give back, what there is; of a single
								 * item */
	int64		ttl_us;			/* > 0: reserve it for a hold, for so long */
	int16		hold_levels;	/* the levels of that hold's ledger entries */
	int64		hold_id;		/* with ttl_us: grows this hold, instead of
								 * making one */
	TimestampTz hold_expires_at;	/* when that one expires */
	int64		debit_id;		/* what a refund gives back */
	const struct QuotaActionCall *action;	/* what quota_charge_action() prices */
	const void *extra;			/* what a function of its own needs besides */
	bool		raise;			/* raise a refusal, or return it? */
	bool		overdraw;		/* never refuse, as observe does: what exceeds the room
								 * is overdrawn, and a denial is recorded */
	bool		unasked;		/* with overdraw: it counts what is there already, which
								 * is no matter of a rate, and no denial */
	bool		throttle;		/* a rate that is used up is an answer: neither
								 * raised nor recorded */
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
 * Writes the ledger entries of what the engine took from an item's accounts and
 * returns the first one's id (template->id, or a new one where that is 0); the
 * template's amount and bucket do not matter.
 */
extern int64 quota_write_entries(const QuotaAccounts *accounts, const QuotaEntry *template);

/* what a take had no room for in one account; of a capacity, which counts all as one number, too */
extern int64 quota_overdrawn(const QuotaBucketRef *ref);

/* what a request has in common with all its entries */
extern QuotaEntry quota_entry_template(const QuotaRequest *request, const QuotaItem *item,
									   TimestampTz at, char kind);

#endif							/* QUOTA_CHARGE_H */

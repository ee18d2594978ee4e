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

/* What becomes of a refusal.  In observe nothing is refused: all but the last overdraw. */
typedef enum QuotaOnRefusal
{
	QUOTA_ANSWER,				/* the verdict says so, and a denial is recorded */
	QUOTA_RAISE,
	QUOTA_RAISE_BUT_RATE,		/* a rate that is used up is an answer, of which no
								 * denial is recorded */
	QUOTA_OVERDRAW,				/* none: what exceeds the room is overdrawn, and a
								 * denial is recorded */
	QUOTA_OVERDRAW_SILENTLY		/* the same for what is there already: it is no matter
								 * of a rate, and no denial */
} QuotaOnRefusal;

/* A hold that is reserved by a charge, or grows by it. */
typedef struct QuotaReservation
{
	int64		ttl_us;
	int64		hold_id;		/* the one that grows, with what it has: */
	TimestampTz expires_at;
	int16		levels;			/* of its ledger entries */
} QuotaReservation;

typedef struct QuotaRequest
{
	QuotaSubject subject;
	QuotaItem  *items;			/* in order of feature, byte for byte */
	int			nitems;
	QuotaOnRefusal on_refusal;
	bool		up_to;			/* take, or give back, what there is; of a single
								 * item */
	const QuotaReservation *reserve;	/* or NULL: a debit */
	int64		debit_id;		/* what a refund gives back */
	const struct QuotaActionCall *action;	/* what quota_charge_action() prices */
	const void *extra;			/* what a function of its own needs besides */
	const char *key;			/* or NULL */
	Jsonb	   *metadata;		/* or NULL */
} QuotaRequest;

/*
 * Charges every account on the path for every item, or nothing.  QT404, 22023
 * on a static feature, 22003; QT402 and QT403 for the first item that is refused, if
 * refusals are to be raised.
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
extern int64 quota_overdrawn(const QuotaMeter *meter);

/* what a request has in common with all its entries */
extern QuotaEntry quota_entry_template(const QuotaRequest *request, const QuotaItem *item,
									   TimestampTz at, char kind);

#endif							/* QUOTA_CHARGE_H */

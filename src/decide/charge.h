/*-------------------------------------------------------------------------
 *
 * charge.h
 *		Charging a path and giving back, ledger included.
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

typedef struct QuotaRequest
{
	QuotaSubject subject;
	const char *feature;
	int64		amount;
	bool		up_to;			/* take what there is */
	bool		raise;			/* raise a refusal, or return it? */
	int64		id;				/* for the ledger, from
								 * quota_ledger_next_id(); 0: take one when
								 * needed */
	const char *key;			/* or NULL */
	Jsonb	   *metadata;		/* or NULL */
} QuotaRequest;

typedef struct QuotaOutcome
{
	QuotaVerdict verdict;		/* its reason is what enforce would say; its
								 * numbers are those after the charge */
	int64		id;				/* 0: nothing was charged */
	int64		amount;			/* what was charged */
} QuotaOutcome;

/*
 * Charges every account on the path, or none.  QT404, QT402, QT403 (the latter
 * two only with request->raise), 22023 on a static feature, 22003.
 */
extern void quota_charge(const QuotaRequest *request, QuotaOutcome *outcome);

/* the verdict on the present state, for a call that repeats an earlier one */
extern void quota_charge_verdict(const QuotaSubject *subject, const char *feature,
								 QuotaVerdict *verdict);

/*
 * Writes the ledger entries of what the engine changed, amounts times "sign";
 * the first bears *id, which is drawn here when it is 0.
 */
extern void quota_write_entries(const QuotaRequest *request, const QuotaAccounts *accounts,
								TimestampTz at, char kind, int sign, int64 *id);

#endif							/* QUOTA_CHARGE_H */

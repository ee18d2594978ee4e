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
 * Gives back capacity at every level of the path; the levels above the subject
 * stop at 0.  22023 when the subject itself holds less, or on another kind.
 */
extern void quota_give_back(const QuotaRequest *request, QuotaOutcome *outcome);

/* Whose debit it is, to claim a key before anything is locked. */
typedef struct QuotaDebitOwner
{
	const char *subject;
	const char *feature;
} QuotaDebitOwner;

/* QT404 unknown, 22023 when the id is not a debit's */
extern void quota_refund_look_up(int64 debit_id, QuotaDebitOwner *owner);

/*
 * Gives back "amount" of a debit, everything that is left of it when 0, into the
 * buckets it came from, last first.  22023 when so much is not left.
 */
extern void quota_refund(int64 debit_id, int64 amount, int64 id, const char *key,
						 QuotaOutcome *outcome);

#endif							/* QUOTA_GIVE_H */

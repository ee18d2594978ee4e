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
 * Gives back one item's capacity at every level of the path; the levels above
 * the subject stop at 0.  22023 when the subject itself holds less, or on another kind.
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
 * of it when the amount is 0, into the buckets it came from, last first.  22023 when so much is not left.
 */
extern void quota_refund(QuotaRequest *request);

#endif							/* QUOTA_GIVE_H */

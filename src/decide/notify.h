/*-------------------------------------------------------------------------
 *
 * notify.h
 *		Events of thresholds that use has crossed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_NOTIFY_H
#define QUOTA_NOTIFY_H

#include "utils/array.h"

#include "decide/account.h"
#include "decide/give.h"

/* after a charge: meter->outcome.change of each account is what it took */
extern void quota_notify(const QuotaPath *path, const QuotaAccounts *accounts);

/* after a settle of the hold, or a record, that was read before; what it has in the present windows is new */
extern void quota_notify_settled(const QuotaDebit *debit);

/*
 * What a change of limits needs to know of the time before it, and what it tells
 * afterwards, of the accounts that the subject has itself.
 */
extern ArrayType *quota_standings(const QuotaSubject *subject);
extern void quota_notify_changed(const QuotaSubject *subject, ArrayType *standings);

/* marks the subject's grants that have expired as seen; returns how many */
extern int64 quota_notify_expired(const QuotaSubject *subject, int32 feature_id);

#endif							/* QUOTA_NOTIFY_H */

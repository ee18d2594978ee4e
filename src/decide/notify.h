/*-------------------------------------------------------------------------
 *
 * notify.h
 *		Events of thresholds that use has crossed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_NOTIFY_H
#define QUOTA_NOTIFY_H

#include "decide/account.h"

/*
 * Writes an event for every threshold that a charge has made an account cross,
 * once per window and threshold.
 */
extern void quota_notify(const QuotaPath *path, const QuotaAccounts *accounts);

#endif							/* QUOTA_NOTIFY_H */

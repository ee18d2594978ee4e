/*-------------------------------------------------------------------------
 *
 * rate.h
 *		Rows of quota_internal.rate_use: how far an account's rate has been used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_RATE_H
#define QUOTA_RATE_H

#include "access/htup.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "base/gcra.h"
#include "store/window_key.h"

/* A version of a row. */
typedef struct QuotaRateUse
{
	HeapTuple	tuple;			/* NULL: there is none */
	QuotaGcra	state;
} QuotaRateUse;

extern Relation quota_rate_use_open(LOCKMODE lockmode);

/* of the prefix and feature that the key names */
extern void quota_rate_use_find(Relation rel, const QuotaAccountKey *account, Snapshot snapshot,
								QuotaRateUse *use);

/* not used yet; true if we have created it */
extern bool quota_rate_use_create(Relation rel, const QuotaAccountKey *account);

/* locks the newest version; false when it has gone */
extern bool quota_rate_use_lock(Relation rel, QuotaRateUse *use, Snapshot snapshot);

/* of a row that is locked */
extern void quota_rate_use_update(Relation rel, QuotaRateUse *use, const QuotaGcra *state);

#endif							/* QUOTA_RATE_H */

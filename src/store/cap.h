/*-------------------------------------------------------------------------
 *
 * cap.h
 *		Rows of quota_internal.cap_use: what a cap of one account has counted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_CAP_H
#define QUOTA_CAP_H

#include "access/htup.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "base/window.h"
#include "store/window_key.h"

/* Which cap of an account. */
typedef struct QuotaCapKey
{
	QuotaPeriod period;
	TimestampTz window_start;	/* DT_NOBEGIN: opens with the first use */
} QuotaCapKey;

/* A version of a row. */
typedef struct QuotaCapUse
{
	HeapTuple	tuple;			/* NULL: there is none */
	TimestampTz opened_at;		/* the window that "used" counts in: */
	TimestampTz closes_at;
	int64		used;
	int64		cleared_id;		/* what entries up to this one took restores it no
								 * more; 0: never cleared */
} QuotaCapUse;

extern Relation quota_cap_use_open(LOCKMODE lockmode);

/* of the account that "window" belongs to, and of its source; here and below */
extern void quota_cap_use_find(Relation rel, const QuotaWindowKey *window, const QuotaCapKey *key,
							   Snapshot snapshot, QuotaCapUse *use);

/* the rows of all caps of an account whose window "at" lies in; palloc'd */
extern int	quota_cap_use_containing(Relation rel, const QuotaWindowKey *window, TimestampTz at,
									 Snapshot snapshot, QuotaCapUse **uses);

/* with nothing used; true if we have created it */
extern bool quota_cap_use_create(Relation rel, const QuotaWindowKey *window, const QuotaCapKey *key,
								 TimestampTz opened_at, TimestampTz closes_at);

/* locks the newest version; false when it has gone */
extern bool quota_cap_use_lock(Relation rel, QuotaCapUse *use, Snapshot snapshot);

/* writes the window and what it counts of a row that is locked */
extern void quota_cap_use_update(Relation rel, QuotaCapUse *use);

#endif							/* QUOTA_CAP_H */

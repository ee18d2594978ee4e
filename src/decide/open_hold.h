/*-------------------------------------------------------------------------
 *
 * open_hold.h
 *		A hold that is being worked on.
 *
 * What extending, settling and releasing have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_OPEN_HOLD_H
#define QUOTA_OPEN_HOLD_H

#include "decide/give.h"
#include "decide/hold.h"
#include "store/hold.h"

/* A hold whose row is locked or deleted by us, and what the ledger says of it. */
typedef struct QuotaOpenHold
{
	QuotaHold	row;
	QuotaDebit	debit;
	bool		expired;
} QuotaOpenHold;

/* locks it; QT404, QT410 settled or released before */
extern void quota_open_hold(int64 id, QuotaOpenHold *hold);

/*
 * Deletes it, so that it counts nowhere any more; QT404.  If it has expired, what it
 * still had is given back.  If a part is gone, somebody has already given it back: the
 * hold had expired by their clock, whatever ours says.  False if it was closed before:
 * then "debit" alone is known.
 */
extern bool quota_close_hold(int64 id, QuotaOpenHold *hold);

/* QT410 */
extern void quota_raise_hold_closed(int64 id, const char *why);

/* what the ledger says now */
extern void quota_hold_read(QuotaOpenHold *hold);

/* what its entries have in common */
extern QuotaEntry quota_hold_entry(const QuotaOpenHold *hold, char kind, Jsonb *metadata);

/*
 * The accounts that the hold has ever counted in, in path order, with the entries
 * (or NULL) by which it did so last.
 */
extern int	quota_hold_accounts(const QuotaOpenHold *hold, QuotaWindowKey *keys, int64 *entry_ids);

/* gives back; "book": what comes back is noted in the ledger, even if it is nothing */
extern void quota_hold_give(const QuotaOpenHold *hold, QuotaGiveRule what, int64 amount,
							QuotaUnreserve unreserve, char kind, Jsonb *metadata, bool book);

/*
 * Brings the rates that the hold has taken from to the true count, which is less by
 * an amount or, beyond nothing, what a settle says: as quota_hold_give() was told.
 * What expired has not come back there.  After the buckets.  "verdict": the numbers
 * of now.
 */
extern void quota_hold_correct_rates(const QuotaOpenHold *hold, QuotaGiveRule what, int64 amount,
									 QuotaVerdict *verdict);

#endif							/* QUOTA_OPEN_HOLD_H */

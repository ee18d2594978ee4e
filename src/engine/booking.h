/*-------------------------------------------------------------------------
 *
 * booking.h
 *		Ledger entries of what comes back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_BOOKING_H
#define QUOTA_BOOKING_H

#include "engine/engine.h"
#include "store/ledger.h"

/*
 * Gives back and writes an entry for each; "like" says kind, time,
 * subject, debit_id, key and metadata, and the id of the first one (0: draw one).
 * Returns the first one's id, 0 when there was nothing.
 *
 * A bucket can have less than comes back, because its use was given back by other
 * means: it stops at 0.  What comes back is then booked whole, so that it cannot
 * be had twice, and a correction entry makes the ledger's sum what the bucket
 * says.
 */
extern int64 quota_give_and_book(QuotaGiving *givings, int ngivings, const QuotaEntry *like);

/*
 * Writes an entry for what each giving has given back; nothing for nothing.  "like"
 * as above, but without a debit_id of its own: the operation is its own.
 */
extern int64 quota_book_given(const QuotaGiving *givings, int ngivings, const QuotaEntry *like);

#endif							/* QUOTA_BOOKING_H */

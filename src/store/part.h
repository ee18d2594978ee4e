/*-------------------------------------------------------------------------
 *
 * part.h
 *		What a debit or hold stands at, by its ledger entries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_PART_H
#define QUOTA_PART_H

#include "store/ledger.h"

/* What one charge took from one source of one account's window. */
typedef struct QuotaPart
{
	QuotaWindowKey key;			/* the window */
	char		source;			/* QUOTA_SOURCE_... */
	int64		grant_id;
	TimestampTz at;				/* of the use: says which period of the grant
								 * and which windows of caps */
	int64		entry_id;		/* of the charge: says which moves of the window
								 * came after it; 0: the debit's id does */
	int64		amount;
} QuotaPart;

/*
 * The parts that are left of a debit, given its entries in order of id; what
 * came back is taken off the last ones of the same source first.  With an account
 * only those of that one.  palloc'd; in the order in which they were charged.
 */
extern int	quota_parts_of(const QuotaEntry *entries, int nentries, const QuotaAccountKey *account,
						   QuotaPart **parts);

/* the count that a source of the ledger is counted in */
extern int64 *quota_count_of(QuotaCounts *counts, char source);

#endif							/* QUOTA_PART_H */

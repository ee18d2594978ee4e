/*-------------------------------------------------------------------------
 *
 * ledger.h
 *		The append-only ledger.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_LEDGER_H
#define QUOTA_LEDGER_H

#include "utils/jsonb.h"
#include "utils/snapshot.h"

#include "store/bucket.h"

/* quota_internal.ledger_entry.kind */
#define QUOTA_ENTRY_DEBIT		'd'
#define QUOTA_ENTRY_REFUND		'r'
#define QUOTA_ENTRY_GIVE_BACK	'b'
#define QUOTA_ENTRY_CORRECTION	'c'
#define QUOTA_ENTRY_MISSING		'm'	/* came back, but its bucket had less */
#define QUOTA_ENTRY_TRANSFER	't'
#define QUOTA_ENTRY_HOLD		'h'
#define QUOTA_ENTRY_SETTLE		's'
#define QUOTA_ENTRY_RELEASE		'l'
#define QUOTA_ENTRY_EXPIRY		'x'

/* quota_internal.ledger_entry.source */
#define QUOTA_SOURCE_ALLOWANCE	'a'
#define QUOTA_SOURCE_GRANT		'g'
#define QUOTA_SOURCE_OVERAGE	'v'
#define QUOTA_SOURCE_OVERDRAWN	'o'
#define QUOTA_SOURCE_CAPACITY	'c'
#define QUOTA_SOURCE_CAPACITY_BEYOND	'C' /* the same count: what a settle took
											 * beyond the room */

/* One row.  Together with "source" the key says which bucket. */
typedef struct QuotaEntry
{
	int64		id;
	TimestampTz at;
	bool		backdated;		/* it happened at another time: */
	TimestampTz occurred_at;
	const char *subject;
	QuotaWindowKey bucket;
	char		kind;
	char		source;
	int64		amount;			/* > 0 taken, < 0 given back */
	int64		debit_id;
	int16		levels;			/* which levels the operation of debit_id charged
								 * when it began, as bits; 0: it begins with
								 * these entries */
	int64		grant_id;		/* QUOTA_SOURCE_GRANT; else 0 */
	int64		lease_id;		/* the lease it is taken from or given back to;
								 * 0: none */
	const char *key;			/* or NULL */
	Jsonb	   *metadata;		/* or NULL */
} QuotaEntry;

extern int64 quota_ledger_next_id(void);
/* the entries of one call of one operation */
extern void quota_ledger_append(const QuotaEntry *entries, int nentries);

/*
 * The entries of a debit and of its refunds in order of id; palloc'd.  Returns
 * how many there are.
 */
extern int	quota_ledger_of_debit(int64 debit_id, Snapshot snapshot, QuotaEntry **entries);

/* is there any entry with this id?  Slow; for error messages. */
extern bool quota_ledger_has_entry(int64 id);

/*
 * Lets one transaction at a time work on what was charged by one debit, until
 * it ends.  Taken before any bucket.
 */
extern void quota_ledger_lock_debit(int64 debit_id, Snapshot snapshot);

#endif							/* QUOTA_LEDGER_H */

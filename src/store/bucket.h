/*-------------------------------------------------------------------------
 *
 * bucket.h
 *		Rows of quota.bucket: the use of one account in one window.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_BUCKET_H
#define QUOTA_BUCKET_H

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Which bucket.  "prefix" is not NUL-terminated: mostly it is part of a subject. */
typedef struct QuotaBucketKey
{
	const char *prefix;
	int			prefix_len;
	int32		feature_id;
	int64		source_id;		/* subscription; 0: default plan, capacity */
	TimestampTz start;
	TimestampTz end;
} QuotaBucketKey;

typedef struct QuotaCounts
{
	int64		used;
	int64		overdrawn;
} QuotaCounts;

/* A version of a bucket's row. */
typedef struct QuotaBucketRow
{
	HeapTuple	tuple;			/* NULL: there is none */
	ItemPointerData tid;
	QuotaCounts counts;
	bool		moved;			/* another window took its use over: */
	TimestampTz moved_start;
	TimestampTz moved_end;
	int64		moved_id;		/* use of debits with a smaller id went along */
} QuotaBucketRow;

/* before anything is decided, so that nobody can lock the table in between */
extern Relation quota_bucket_open(void);

/* the version that the snapshot sees; all zero when there is none */
extern void quota_bucket_find(Relation rel, const QuotaBucketKey *key, Snapshot snapshot,
							  QuotaBucketRow *row);

/*
 * Makes sure that there is a row, waiting for whoever is creating it; true if we
 * have created it, so that nobody else can have it before we end.
 */
extern bool quota_bucket_create(Relation rel, const QuotaBucketKey *key);

/* locks the newest version; false when the row has gone */
extern bool quota_bucket_lock(Relation rel, QuotaBucketRow *row, Snapshot snapshot);

/* false when the row has changed since it was read: lock it and decide anew */
extern bool quota_bucket_update(Relation rel, QuotaBucketRow *row, QuotaCounts counts,
								Snapshot snapshot);

#endif							/* QUOTA_BUCKET_H */

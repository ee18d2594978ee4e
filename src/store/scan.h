/*-------------------------------------------------------------------------
 *
 * scan.h
 *		Rows of one of our tables by a key: init, the key's columns, begin, next,
 *		end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_SCAN_H
#define QUOTA_SCAN_H

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "datatype/timestamp.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define QUOTA_MAX_SCAN_KEYS	7

typedef struct QuotaScan
{
	Relation	rel;
	int			nkeys;
	ScanKeyData keys[QUOTA_MAX_SCAN_KEYS];
	Relation	index;			/* of an ordered scan; else NULL */
	SysScanDesc scan;
} QuotaScan;

extern void quota_scan_init(QuotaScan *scan, Relation rel);

/* The key: columns of the table that the index has, in the index's order. */
extern void quota_scan_text(QuotaScan *scan, AttrNumber column, const char *text, int len);
extern void quota_scan_int4(QuotaScan *scan, AttrNumber column, int32 value);
extern void quota_scan_int8(QuotaScan *scan, AttrNumber column, int64 value);
extern void quota_scan_time(QuotaScan *scan, AttrNumber column, StrategyNumber strategy,
							TimestampTz value);

/* an invalid index: the whole table; a tuple lives until the next one */
extern void quota_scan_begin(QuotaScan *scan, Oid index, Snapshot snapshot);
extern HeapTuple quota_scan_next(QuotaScan *scan);
extern void quota_scan_end(QuotaScan *scan);

/* the same in the index's order, with quota_scan_end() as well */
extern void quota_scan_begin_ordered(QuotaScan *scan, Oid index, Snapshot snapshot);
extern HeapTuple quota_scan_next_ordered(QuotaScan *scan, ScanDirection direction);

/* all of it: a copy of the first row, or NULL */
extern HeapTuple quota_scan_one(QuotaScan *scan, Oid index, Snapshot snapshot);

/*
 * Has the table no block?  Most databases have no override, grant or hold at all.
 * A row that any snapshot sees is in some block, so this needs no flag that could be
 * out of date.
 */
extern bool quota_scan_is_vain(Relation rel);

/*
 * The array, with room for one more than its n elements; NULL is an empty one.  It
 * must have been grown by this function alone.
 */
extern void *quota_array_grow(void *array, int n, Size element_size);

#endif							/* QUOTA_SCAN_H */

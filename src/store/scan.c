/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Rows of one of our tables by a key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "store/scan.h"

/* a power of two */
#define FIRST_ROOM	4

void
quota_scan_init(QuotaScan *scan, Relation rel)
{
	scan->rel = rel;
	scan->nkeys = 0;
	scan->index = NULL;
	scan->scan = NULL;
}

static ScanKey
next_key(QuotaScan *scan)
{
	Assert(scan->nkeys < QUOTA_MAX_SCAN_KEYS);
	return &scan->keys[scan->nkeys++];
}

void
quota_scan_text(QuotaScan *scan, AttrNumber column, const char *text, int len)
{
	ScanKeyInit(next_key(scan), column, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(text, len)));
}

void
quota_scan_int4(QuotaScan *scan, AttrNumber column, int32 value)
{
	ScanKeyInit(next_key(scan), column, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(value));
}

void
quota_scan_int8(QuotaScan *scan, AttrNumber column, int64 value)
{
	ScanKeyInit(next_key(scan), column, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}

void
quota_scan_time(QuotaScan *scan, AttrNumber column, StrategyNumber strategy, TimestampTz value)
{
	static const RegProcedure comparisons[] = {
		[BTLessStrategyNumber] = F_TIMESTAMPTZ_LT,
		[BTLessEqualStrategyNumber] = F_TIMESTAMPTZ_LE,
		[BTEqualStrategyNumber] = F_TIMESTAMPTZ_EQ,
		[BTGreaterEqualStrategyNumber] = F_TIMESTAMPTZ_GE,
		[BTGreaterStrategyNumber] = F_TIMESTAMPTZ_GT
	};

	ScanKeyInit(next_key(scan), column, strategy, comparisons[strategy], TimestampTzGetDatum(value));
}

void
quota_scan_begin(QuotaScan *scan, Oid index, Snapshot snapshot)
{
	scan->scan = systable_beginscan(scan->rel, index, OidIsValid(index), snapshot,
									scan->nkeys, scan->keys);
}

HeapTuple
quota_scan_next(QuotaScan *scan)
{
	return systable_getnext(scan->scan);
}

void
quota_scan_begin_ordered(QuotaScan *scan, Oid index, Snapshot snapshot)
{
	scan->index = index_open(index, AccessShareLock);
	scan->scan = systable_beginscan_ordered(scan->rel, scan->index, snapshot, scan->nkeys,
											scan->keys);
}

HeapTuple
quota_scan_next_ordered(QuotaScan *scan, ScanDirection direction)
{
	return systable_getnext_ordered(scan->scan, direction);
}

void
quota_scan_end(QuotaScan *scan)
{
	if (scan->index == NULL)
	{
		systable_endscan(scan->scan);
		return;
	}
	systable_endscan_ordered(scan->scan);
	index_close(scan->index, AccessShareLock);
}

HeapTuple
quota_scan_one(QuotaScan *scan, Oid index, Snapshot snapshot)
{
	HeapTuple	tuple;

	quota_scan_begin(scan, index, snapshot);
	tuple = quota_scan_next(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	quota_scan_end(scan);
	return tuple;
}

bool
quota_scan_is_vain(Relation rel)
{
	return RelationGetNumberOfBlocks(rel) == 0;
}

void *
quota_array_grow(void *array, int n, Size element_size)
{
	if (array == NULL)
		return palloc(element_size * FIRST_ROOM);
	if (n >= FIRST_ROOM && (n & (n - 1)) == 0)
		return repalloc(array, element_size * n * 2);
	return array;
}

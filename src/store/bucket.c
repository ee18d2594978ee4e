/*-------------------------------------------------------------------------
 *
 * bucket.c
 *		Rows of quota.bucket: find, create, lock, update.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/bucket.h"
#include "store/row.h"
#include "store/schema.h"

Relation
quota_bucket_open(void)
{
	return table_open(quota_relid(QUOTA_BUCKET), RowExclusiveLock);
}

static void
deform(Relation rel, QuotaBucketRow *row)
{
	Datum		values[Natts_bucket];
	bool		nulls[Natts_bucket];

	heap_deform_tuple(row->tuple, RelationGetDescr(rel), values, nulls);
	row->counts.used = DatumGetInt64(values[Anum_bucket_used - 1]);
	row->counts.overdrawn = DatumGetInt64(values[Anum_bucket_overdrawn - 1]);
	row->moved = !nulls[Anum_bucket_moved_start - 1];
	if (row->moved)
	{
		row->moved_start = DatumGetTimestampTz(values[Anum_bucket_moved_start - 1]);
		row->moved_end = DatumGetTimestampTz(values[Anum_bucket_moved_end - 1]);
		row->moved_id = DatumGetInt64(values[Anum_bucket_moved_id - 1]);
	}
}

void
quota_bucket_find(Relation rel, const QuotaBucketKey *key, Snapshot snapshot,
				  QuotaBucketRow *row)
{
	ScanKeyData keys[5];
	SysScanDesc scan;
	HeapTuple	tuple;

	memset(row, 0, sizeof(*row));
	ScanKeyInit(&keys[0], Anum_bucket_subject, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(key->prefix, key->prefix_len)));
	ScanKeyInit(&keys[1], Anum_bucket_feature_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(key->feature_id));
	ScanKeyInit(&keys[2], Anum_bucket_source_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(key->source_id));
	ScanKeyInit(&keys[3], Anum_bucket_period_start, BTEqualStrategyNumber,
				F_TIMESTAMPTZ_EQ, TimestampTzGetDatum(key->start));
	ScanKeyInit(&keys[4], Anum_bucket_period_end, BTEqualStrategyNumber,
				F_TIMESTAMPTZ_EQ, TimestampTzGetDatum(key->end));
	scan = systable_beginscan(rel, quota_relid(QUOTA_BUCKET_PKEY), true, snapshot, 5, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		row->tuple = heap_copytuple(tuple);
		ItemPointerCopy(&tuple->t_self, &row->tid);
		deform(rel, row);
	}
	systable_endscan(scan);
}

bool
quota_bucket_create(Relation rel, const QuotaBucketKey *key)
{
	Datum		values[Natts_bucket] = {0};
	bool		nulls[Natts_bucket] = {false};

	values[Anum_bucket_subject - 1] =
		PointerGetDatum(cstring_to_text_with_len(key->prefix, key->prefix_len));
	values[Anum_bucket_feature_id - 1] = Int32GetDatum(key->feature_id);
	values[Anum_bucket_source_id - 1] = Int64GetDatum(key->source_id);
	values[Anum_bucket_period_start - 1] = TimestampTzGetDatum(key->start);
	values[Anum_bucket_period_end - 1] = TimestampTzGetDatum(key->end);
	values[Anum_bucket_used - 1] = Int64GetDatum(0);
	values[Anum_bucket_overdrawn - 1] = Int64GetDatum(0);
	nulls[Anum_bucket_moved_start - 1] = true;
	nulls[Anum_bucket_moved_end - 1] = true;
	nulls[Anum_bucket_moved_id - 1] = true;
	return quota_insert_if_absent(rel, values, nulls);
}

bool
quota_bucket_lock(Relation rel, QuotaBucketRow *row, Snapshot snapshot)
{
	HeapTuple	tuple = quota_lock_row(rel, &row->tid, snapshot);

	if (tuple == NULL)
		return false;
	row->tuple = tuple;
	deform(rel, row);
	return true;
}

bool
quota_bucket_update(Relation rel, QuotaBucketRow *row, QuotaCounts counts, Snapshot snapshot)
{
	int			columns[2] = {Anum_bucket_used, Anum_bucket_overdrawn};
	Datum		values[2];
	bool		nulls[2] = {false, false};
	HeapTuple	tuple;
	TM_Result	result;

	/* The table's CHECK constraints are not looked at on this route. */
	QuotaEnsure(counts.used >= 0 && counts.overdrawn >= 0);
	values[0] = Int64GetDatum(counts.used);
	values[1] = Int64GetDatum(counts.overdrawn);
	tuple = heap_modify_tuple_by_cols(row->tuple, RelationGetDescr(rel), 2, columns,
									  values, nulls);
	result = quota_update_row(rel, &row->tid, tuple, snapshot);
	if (result == TM_Updated || result == TM_Deleted)
		return false;
	if (result != TM_Ok)
		elog(ERROR, "quota: unexpected result %d of updating a bucket", (int) result);
	row->counts = counts;
	return true;
}

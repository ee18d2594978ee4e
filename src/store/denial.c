/*-------------------------------------------------------------------------
 *
 * denial.c
 *		Rows of quota_internal.denial: how often somebody was refused on a day.
 *
 * A refusal is added to a row that no other transaction is adding to, else it
 * gets one of its own: so nobody waits, and there are no more rows than there
 * were transactions at the same time.  The view quota.denials adds them up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/denial.h"
#include "store/heap.h"
#include "store/schema.h"
#include "store/tuple.h"

/* The UTC day, rounded down: an int64 division rounds towards zero. */
DateADT
quota_denial_day(TimestampTz at)
{
	return (DateADT) ((at - (at % USECS_PER_DAY + USECS_PER_DAY) % USECS_PER_DAY) / USECS_PER_DAY);
}

static void
insert(Relation rel, const char *subject, int32 feature_id, const char *reason, TimestampTz at,
	   int64 times)
{
	QuotaInserter *inserter = quota_insert_begin(rel);
	Datum		values[Natts_denial];
	bool		nulls[Natts_denial] = {false};

	values[Anum_denial_day - 1] = DateADTGetDatum(quota_denial_day(at));
	values[Anum_denial_subject - 1] = CStringGetTextDatum(subject);
	values[Anum_denial_feature_id - 1] = Int32GetDatum(feature_id);
	values[Anum_denial_reason - 1] = CStringGetTextDatum(reason);
	values[Anum_denial_times - 1] = Int64GetDatum(times);
	values[Anum_denial_last_at - 1] = TimestampTzGetDatum(at);
	quota_insert_row(inserter, values, nulls);
	quota_insert_end(inserter);
}

static bool
is_about(HeapTuple tuple, TupleDesc desc, int32 feature_id, const char *reason)
{
	return DatumGetInt32(quota_attribute(tuple, desc, Anum_denial_feature_id)) == feature_id &&
		strcmp(quota_text_attribute(tuple, desc, Anum_denial_reason), reason) == 0;
}

static void
count_more(Relation rel, HeapTuple row, TimestampTz at, int64 times)
{
	static const int columns[] = {Anum_denial_times, Anum_denial_last_at};
	TupleDesc	desc = RelationGetDescr(rel);
	Datum		values[lengthof(columns)];

	values[0] = Int64GetDatum(quota_add(DatumGetInt64(quota_attribute(row, desc, Anum_denial_times)),
										times, "the number of refusals"));
	values[1] = TimestampTzGetDatum(Max(DatumGetTimestampTz(quota_attribute(row, desc, Anum_denial_last_at)),
										at));
	quota_update_locked_row(rel, &row, lengthof(columns), columns, values);
}

/* The first row of this refusal that is free, locked: a copy, or NULL. */
static HeapTuple
free_row(Relation rel, const char *subject, int32 feature_id, const char *reason, TimestampTz at)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	found = NULL;
	HeapTuple	tuple;
	SysScanDesc scan;
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_denial_day, BTEqualStrategyNumber, F_DATE_EQ,
				DateADTGetDatum(quota_denial_day(at)));
	ScanKeyInit(&keys[1], Anum_denial_subject, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(subject));
	scan = systable_beginscan(rel, quota_relid(QUOTA_DENIAL_DAY), true, snapshot, 2, keys);
	while (found == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (is_about(tuple, RelationGetDescr(rel), feature_id, reason) &&
			quota_lock_row_if_free(rel, tuple, snapshot))
			found = heap_copytuple(tuple);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

void
quota_denial_record(const char *subject, int32 feature_id, const char *reason, TimestampTz at,
					int64 times)
{
	Relation	rel = table_open(quota_relid(QUOTA_DENIAL), RowExclusiveLock);
	HeapTuple	row = free_row(rel, subject, feature_id, reason, at);

	if (row)
		count_more(rel, row, at, times);
	else
		insert(rel, subject, feature_id, reason, at, times);
	table_close(rel, NoLock);
}

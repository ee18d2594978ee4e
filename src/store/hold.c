/*-------------------------------------------------------------------------
 *
 * hold.c
 *		Holds, and the accounts that they count in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/hold.h"
#include "store/heap.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/tuple.h"

TimestampTz
quota_hold_expiry(TimestampTz clock, int64 ttl_us)
{
	TimestampTz expires_at;

	if (pg_add_s64_overflow(clock, ttl_us, &expires_at) || !IS_VALID_TIMESTAMP(expires_at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("expiry of the hold is out of range")));
	return expires_at;
}

void
quota_hold_create(const QuotaHold *hold)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD), RowExclusiveLock);
	QuotaInserter *inserter = quota_insert_begin(rel);
	Datum		values[Natts_hold];
	bool		nulls[Natts_hold] = {false};

	/* the table's CHECK constraints are not looked at here */
	QuotaEnsure(hold->reserved >= 0 && hold->ttl_us > 0);
	values[Anum_hold_id - 1] = Int64GetDatum(hold->id);
	values[Anum_hold_subject - 1] = CStringGetTextDatum(hold->subject);
	values[Anum_hold_feature_id - 1] = Int32GetDatum(hold->feature_id);
	values[Anum_hold_reserved - 1] = Int64GetDatum(hold->reserved);
	values[Anum_hold_ttl_us - 1] = Int64GetDatum(hold->ttl_us);
	values[Anum_hold_created_at - 1] = TimestampTzGetDatum(hold->created_at);
	values[Anum_hold_expires_at - 1] = TimestampTzGetDatum(hold->expires_at);
	values[Anum_hold_expiry_seen - 1] = BoolGetDatum(false);
	values[Anum_hold_metadata - 1] = hold->metadata ? JsonbPGetDatum(hold->metadata) :
		DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	quota_insert_row(inserter, values, nulls);
	quota_insert_end(inserter);
	table_close(rel, NoLock);
}

static void
from_tuple(HeapTuple tuple, TupleDesc desc, QuotaHold *hold)
{
	memset(hold, 0, sizeof(*hold));
	hold->id = DatumGetInt64(quota_attribute(tuple, desc, Anum_hold_id));
	hold->subject = TextDatumGetCString(quota_attribute(tuple, desc, Anum_hold_subject));
	hold->feature_id = DatumGetInt32(quota_attribute(tuple, desc, Anum_hold_feature_id));
	hold->reserved = DatumGetInt64(quota_attribute(tuple, desc, Anum_hold_reserved));
	hold->ttl_us = DatumGetInt64(quota_attribute(tuple, desc, Anum_hold_ttl_us));
	hold->created_at = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_hold_created_at));
	hold->expires_at = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_hold_expires_at));
	hold->expiry_seen = DatumGetBool(quota_attribute(tuple, desc, Anum_hold_expiry_seen));
	hold->tuple = tuple;
}

static HeapTuple
find(Relation rel, int64 id, Snapshot snapshot)
{
	QuotaScan	scan;

	quota_scan_init(&scan, rel);
	quota_scan_int8(&scan, Anum_hold_id, id);
	return quota_scan_one(&scan, quota_relid(QUOTA_HOLD_PKEY), snapshot);
}

bool
quota_hold_find(int64 id, Snapshot snapshot, QuotaHold *hold)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD), AccessShareLock);
	HeapTuple	tuple = find(rel, id, snapshot);

	if (tuple)
		from_tuple(tuple, RelationGetDescr(rel), hold);
	table_close(rel, AccessShareLock);
	return tuple != NULL;
}

bool
quota_hold_lock(int64 id, QuotaHold *hold)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD), RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple = find(rel, id, snapshot);
	bool		locked = tuple != NULL && quota_lock_row(rel, &tuple, snapshot);

	if (locked)
		from_tuple(tuple, RelationGetDescr(rel), hold);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return locked;
}

bool
quota_hold_remove(int64 id, QuotaHold *hold)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD), RowExclusiveLock);
	HeapTuple	tuple;
	bool		removed = false;

	do
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

		CHECK_FOR_INTERRUPTS();
		tuple = find(rel, id, snapshot);
		/* waits for a session that is working on it; an extended one is looked up again */
		removed = tuple != NULL && quota_delete_row(rel, tuple);
		UnregisterSnapshot(snapshot);
	} while (tuple != NULL && !removed);
	if (removed)
		from_tuple(tuple, RelationGetDescr(rel), hold);
	table_close(rel, NoLock);
	return removed;
}

void
quota_hold_update(QuotaHold *hold)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD), RowExclusiveLock);
	static const int columns[] = {Anum_hold_reserved, Anum_hold_ttl_us, Anum_hold_expires_at};
	Datum		values[lengthof(columns)];

	values[0] = Int64GetDatum(hold->reserved);
	values[1] = Int64GetDatum(hold->ttl_us);
	values[2] = TimestampTzGetDatum(hold->expires_at);
	quota_update_locked_row(rel, &hold->tuple, lengthof(columns), columns, values);
	table_close(rel, NoLock);
}

static void
init_account_scan(QuotaScan *scan, Relation rel, const QuotaAccountKey *account)
{
	quota_scan_init(scan, rel);
	quota_scan_account(scan, Anum_hold_part_account, Anum_hold_part_feature_id, account);
}

static HeapTuple
find_part(Relation rel, const QuotaAccountKey *account, int64 hold_id,
		  TimestampTz expires_at, Snapshot snapshot)
{
	QuotaScan	scan;

	init_account_scan(&scan, rel, account);
	quota_scan_time(&scan, Anum_hold_part_expires_at, BTEqualStrategyNumber, expires_at);
	quota_scan_int8(&scan, Anum_hold_part_hold_id, hold_id);
	return quota_scan_one(&scan, quota_relid(QUOTA_HOLD_PART_PKEY), snapshot);
}

static bool
has_part(Relation rel, const QuotaAccountKey *account, int64 hold_id, TimestampTz expires_at)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple = find_part(rel, account, hold_id, expires_at, snapshot);

	UnregisterSnapshot(snapshot);
	return tuple != NULL;
}

void
quota_hold_part_create(const QuotaAccountKey *account, int64 hold_id,
					   bool is_new, TimestampTz expires_at)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	Datum		values[Natts_hold_part];
	bool		nulls[Natts_hold_part] = {false};

	if (is_new || !has_part(rel, account, hold_id, expires_at))
	{
		QuotaInserter *inserter = quota_insert_begin(rel);

		values[Anum_hold_part_account - 1] = quota_prefix_text(account);
		values[Anum_hold_part_feature_id - 1] = Int32GetDatum(account->feature_id);
		values[Anum_hold_part_hold_id - 1] = Int64GetDatum(hold_id);
		values[Anum_hold_part_expires_at - 1] = TimestampTzGetDatum(expires_at);
		quota_insert_row(inserter, values, nulls);
		quota_insert_end(inserter);
	}
	table_close(rel, NoLock);
}

bool
quota_hold_part_extend(const QuotaAccountKey *account, int64 hold_id,
					   TimestampTz expires_at, TimestampTz later)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			column = Anum_hold_part_expires_at;
	Datum		value = TimestampTzGetDatum(later);
	bool		isnull = false;
	HeapTuple	tuple = find_part(rel, account, hold_id, expires_at, snapshot);
	bool		extended;

	/* waits for a session that removes it */
	extended = tuple != NULL &&
		quota_update_row(rel, &tuple, 1, &column, &value, &isnull, InvalidSnapshot);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return extended;
}

bool
quota_hold_part_remove(const QuotaAccountKey *account, int64 hold_id, TimestampTz expires_at)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	HeapTuple	tuple = find_part(rel, account, hold_id, expires_at, snapshot);
	bool		removed;

	removed = tuple != NULL && quota_delete_row(rel, tuple);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return removed;
}

int
quota_hold_parts_expired(const QuotaAccountKey *account,
						 TimestampTz clock, Snapshot snapshot, QuotaHoldPart **parts)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	QuotaScan	scan;
	HeapTuple	tuple;
	int			n = 0;

	*parts = NULL;
	if (quota_scan_is_vain(rel))
	{
		table_close(rel, AccessShareLock);
		return 0;
	}
	init_account_scan(&scan, rel, account);
	quota_scan_time(&scan, Anum_hold_part_expires_at, BTLessEqualStrategyNumber, clock);
	quota_scan_begin(&scan, quota_relid(QUOTA_HOLD_PART_PKEY), snapshot);
	while ((tuple = quota_scan_next(&scan)) != NULL)
	{
		*parts = (QuotaHoldPart *) quota_array_grow(*parts, n, sizeof(QuotaHoldPart));
		(*parts)[n].hold_id = DatumGetInt64(quota_attribute(tuple, desc, Anum_hold_part_hold_id));
		(*parts)[n].expires_at =
			DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_hold_part_expires_at));
		n++;
	}
	quota_scan_end(&scan);
	table_close(rel, AccessShareLock);
	return n;
}

/*-------------------------------------------------------------------------
 *
 * hold.c
 *		Holds, and the accounts that they count in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "common/int.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/hold.h"
#include "store/row.h"
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

	values[Anum_hold_id - 1] = Int64GetDatum(hold->id);
	values[Anum_hold_subject - 1] = CStringGetTextDatum(hold->subject);
	values[Anum_hold_feature_id - 1] = Int32GetDatum(hold->feature_id);
	values[Anum_hold_reserved - 1] = Int64GetDatum(hold->reserved);
	values[Anum_hold_ttl_us - 1] = Int64GetDatum(hold->ttl_us);
	values[Anum_hold_created_at - 1] = TimestampTzGetDatum(hold->created_at);
	values[Anum_hold_expires_at - 1] = TimestampTzGetDatum(hold->expires_at);
	values[Anum_hold_state - 1] = CharGetDatum(hold->state);
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
	hold->state = DatumGetChar(quota_attribute(tuple, desc, Anum_hold_state));
	hold->tuple = tuple;
	ItemPointerCopy(&tuple->t_self, &hold->tid);
}

static HeapTuple
find(Relation rel, int64 id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_hold_id, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	return quota_find_row(rel, quota_relid(QUOTA_HOLD_PKEY), 1, &key, snapshot);
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

	if (tuple)
	{
		ItemPointerData tid = tuple->t_self;

		tuple = quota_lock_row(rel, &tid, snapshot);
		if (tuple)
		{
			tuple->t_self = tid;
			from_tuple(tuple, RelationGetDescr(rel), hold);
		}
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return tuple != NULL;
}

void
quota_hold_update(QuotaHold *hold)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD), RowExclusiveLock);
	int			columns[4] = {Anum_hold_reserved, Anum_hold_ttl_us, Anum_hold_expires_at, Anum_hold_state};
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};
	HeapTuple	tuple;

	values[0] = Int64GetDatum(hold->reserved);
	values[1] = Int64GetDatum(hold->ttl_us);
	values[2] = TimestampTzGetDatum(hold->expires_at);
	values[3] = CharGetDatum(hold->state);
	tuple = heap_modify_tuple_by_cols(hold->tuple, RelationGetDescr(rel), 4, columns, values, nulls);
	if (quota_update_row(rel, &hold->tid, tuple, InvalidSnapshot) != TM_Ok)
		elog(ERROR, "quota: a locked hold has changed");
	hold->tuple = tuple;
	hold->tid = tuple->t_self;
	table_close(rel, NoLock);
}

void
quota_hold_part_create(const char *account, int account_len, int32 feature_id, int64 hold_id,
					   TimestampTz expires_at)
{
	Relation	rel;
	Datum		values[Natts_hold_part];
	bool		nulls[Natts_hold_part] = {false};

	values[Anum_hold_part_account - 1] =
		PointerGetDatum(cstring_to_text_with_len(account, account_len));
	values[Anum_hold_part_feature_id - 1] = Int32GetDatum(feature_id);
	values[Anum_hold_part_hold_id - 1] = Int64GetDatum(hold_id);
	values[Anum_hold_part_expires_at - 1] = TimestampTzGetDatum(expires_at);
	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	(void) quota_insert_if_absent(rel, values, nulls);
	table_close(rel, NoLock);
}

static void
init_account_keys(ScanKeyData *keys, const char *account, int account_len, int32 feature_id)
{
	ScanKeyInit(&keys[0], Anum_hold_part_account, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(account, account_len)));
	ScanKeyInit(&keys[1], Anum_hold_part_feature_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(feature_id));
}

/* The newest version of a part, locked, its place in *tid; NULL when there is none. */
static HeapTuple
lock_part(Relation rel, const char *account, int account_len, int32 feature_id, int64 hold_id,
		  ItemPointer tid)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData keys[3];
	HeapTuple	tuple;

	init_account_keys(keys, account, account_len, feature_id);
	ScanKeyInit(&keys[2], Anum_hold_part_hold_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(hold_id));
	tuple = quota_find_row(rel, quota_relid(QUOTA_HOLD_PART_PKEY), 3, keys, snapshot);
	if (tuple)
	{
		ItemPointerCopy(&tuple->t_self, tid);
		tuple = quota_lock_row(rel, tid, snapshot);
	}
	UnregisterSnapshot(snapshot);
	return tuple;
}

bool
quota_hold_part_extend(const char *account, int account_len, int32 feature_id, int64 hold_id,
					   TimestampTz expires_at)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	int			column = Anum_hold_part_expires_at;
	Datum		value = TimestampTzGetDatum(expires_at);
	bool		isnull = false;
	ItemPointerData tid;
	HeapTuple	tuple;

	tuple = lock_part(rel, account, account_len, feature_id, hold_id, &tid);
	if (tuple != NULL)
	{
		HeapTuple	extended = heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), 1, &column,
														 &value, &isnull);

		if (quota_update_row(rel, &tid, extended, InvalidSnapshot) != TM_Ok)
			elog(ERROR, "quota: a locked part of a hold has changed");
	}
	table_close(rel, NoLock);
	return tuple != NULL;
}

bool
quota_hold_part_remove(const char *account, int account_len, int32 feature_id, int64 hold_id,
					   TimestampTz clock)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	ItemPointerData tid;
	HeapTuple	tuple;
	bool		removed = false;

	tuple = lock_part(rel, account, account_len, feature_id, hold_id, &tid);
	if (tuple != NULL &&
		DatumGetTimestampTz(quota_attribute(tuple, RelationGetDescr(rel),
											Anum_hold_part_expires_at)) <= clock)
	{
		quota_delete_row(rel, &tid);
		removed = true;
	}
	table_close(rel, NoLock);
	return removed;
}

int
quota_hold_parts_expired(const char *account, int account_len, int32 feature_id,
						 TimestampTz clock, Snapshot snapshot, int64 **hold_ids)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;
	int			room = 4;

	*hold_ids = NULL;
	/* nobody has any in most databases: see quota_override_of() */
	if (RelationGetNumberOfBlocks(rel) == 0)
	{
		table_close(rel, AccessShareLock);
		return 0;
	}
	*hold_ids = (int64 *) palloc(sizeof(int64) * room);
	init_account_keys(keys, account, account_len, feature_id);
	ScanKeyInit(&keys[2], Anum_hold_part_expires_at, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(clock));
	scan = systable_beginscan(rel, quota_relid(QUOTA_HOLD_PART_EXPIRY), true, snapshot, 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (n == room)
		{
			room *= 2;
			*hold_ids = (int64 *) repalloc(*hold_ids, sizeof(int64) * room);
		}
		(*hold_ids)[n++] = DatumGetInt64(quota_attribute(tuple, desc, Anum_hold_part_hold_id));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return n;
}

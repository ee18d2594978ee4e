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
#include "miscadmin.h"
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
		/* waits for whoever is working on it; one that was extended is looked up anew */
		removed = tuple != NULL && quota_delete_row(rel, &tuple->t_self);
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
	int			columns[3] = {Anum_hold_reserved, Anum_hold_ttl_us, Anum_hold_expires_at};
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	HeapTuple	tuple;

	values[0] = Int64GetDatum(hold->reserved);
	values[1] = Int64GetDatum(hold->ttl_us);
	values[2] = TimestampTzGetDatum(hold->expires_at);
	tuple = heap_modify_tuple_by_cols(hold->tuple, RelationGetDescr(rel), 3, columns, values, nulls);
	if (quota_update_row(rel, &hold->tid, tuple, InvalidSnapshot) != TM_Ok)
		elog(ERROR, "quota: a locked hold has changed");
	hold->tuple = tuple;
	hold->tid = tuple->t_self;
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

/*
 * The part of a hold, whenever it expires: the index looks at all parts of the
 * account for it.  Only for what is done with the hold's row locked.
 */
static HeapTuple
find_part(Relation rel, const char *account, int account_len, int32 feature_id, int64 hold_id,
		  Snapshot snapshot)
{
	ScanKeyData keys[3];

	init_account_keys(keys, account, account_len, feature_id);
	ScanKeyInit(&keys[2], Anum_hold_part_hold_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(hold_id));
	return quota_find_row(rel, quota_relid(QUOTA_HOLD_PART_PKEY), 3, keys, snapshot);
}

static bool
has_part(Relation rel, const char *account, int account_len, int32 feature_id, int64 hold_id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		found = find_part(rel, account, account_len, feature_id, hold_id, snapshot) != NULL;

	UnregisterSnapshot(snapshot);
	return found;
}

void
quota_hold_part_create(const char *account, int account_len, int32 feature_id, int64 hold_id,
					   bool is_new, TimestampTz expires_at)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	Datum		values[Natts_hold_part];
	bool		nulls[Natts_hold_part] = {false};

	if (is_new || !has_part(rel, account, account_len, feature_id, hold_id))
	{
		QuotaInserter *inserter = quota_insert_begin(rel);

		values[Anum_hold_part_account - 1] =
			PointerGetDatum(cstring_to_text_with_len(account, account_len));
		values[Anum_hold_part_feature_id - 1] = Int32GetDatum(feature_id);
		values[Anum_hold_part_hold_id - 1] = Int64GetDatum(hold_id);
		values[Anum_hold_part_expires_at - 1] = TimestampTzGetDatum(expires_at);
		quota_insert_row(inserter, values, nulls);
		quota_insert_end(inserter);
	}
	table_close(rel, NoLock);
}

bool
quota_hold_part_extend(const char *account, int account_len, int32 feature_id, int64 hold_id,
					   TimestampTz expires_at)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			column = Anum_hold_part_expires_at;
	Datum		value = TimestampTzGetDatum(expires_at);
	bool		isnull = false;
	bool		extended = false;
	HeapTuple	tuple;

	tuple = find_part(rel, account, account_len, feature_id, hold_id, snapshot);
	if (tuple != NULL)
	{
		HeapTuple	later = heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), 1, &column,
													  &value, &isnull);

		/* waits for whoever removes it */
		extended = quota_update_row(rel, &tuple->t_self, later, InvalidSnapshot) == TM_Ok;
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return extended;
}

bool
quota_hold_part_remove(const char *account, int account_len, int32 feature_id, int64 hold_id,
					   TimestampTz expires_at)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData keys[4];
	HeapTuple	tuple;
	bool		removed;

	init_account_keys(keys, account, account_len, feature_id);
	ScanKeyInit(&keys[2], Anum_hold_part_expires_at, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
				TimestampTzGetDatum(expires_at));
	ScanKeyInit(&keys[3], Anum_hold_part_hold_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(hold_id));
	tuple = quota_find_row(rel, quota_relid(QUOTA_HOLD_PART_PKEY), 4, keys, snapshot);
	removed = tuple != NULL && quota_delete_row(rel, &tuple->t_self);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return removed;
}

int
quota_hold_parts_expired(const char *account, int account_len, int32 feature_id,
						 TimestampTz clock, Snapshot snapshot, QuotaHoldPart **parts)
{
	Relation	rel = table_open(quota_relid(QUOTA_HOLD_PART), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;
	int			room = 4;

	*parts = NULL;
	/* nobody has any in most databases: see quota_override_of() */
	if (RelationGetNumberOfBlocks(rel) == 0)
	{
		table_close(rel, AccessShareLock);
		return 0;
	}
	*parts = (QuotaHoldPart *) palloc(sizeof(QuotaHoldPart) * room);
	init_account_keys(keys, account, account_len, feature_id);
	ScanKeyInit(&keys[2], Anum_hold_part_expires_at, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(clock));
	scan = systable_beginscan(rel, quota_relid(QUOTA_HOLD_PART_PKEY), true, snapshot, 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (n == room)
		{
			room *= 2;
			*parts = (QuotaHoldPart *) repalloc(*parts, sizeof(QuotaHoldPart) * room);
		}
		(*parts)[n].hold_id = DatumGetInt64(quota_attribute(tuple, desc, Anum_hold_part_hold_id));
		(*parts)[n].expires_at =
			DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_hold_part_expires_at));
		n++;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return n;
}

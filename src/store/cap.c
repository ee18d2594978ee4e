/*-------------------------------------------------------------------------
 *
 * cap.c
 *		Rows of quota.cap_use: what a cap of one account has counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/cap.h"
#include "store/row.h"
#include "store/schema.h"
#include "store/tuple.h"

Relation
quota_cap_use_open(LOCKMODE lockmode)
{
	return table_open(quota_relid(QUOTA_CAP_USE), lockmode);
}

static void
take_tuple(Relation rel, HeapTuple tuple, QuotaCapUse *use)
{
	TupleDesc	desc = RelationGetDescr(rel);

	use->tuple = tuple;
	ItemPointerCopy(&tuple->t_self, &use->tid);
	use->opened_at = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_cap_use_opened_at));
	use->closes_at = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_cap_use_closes_at));
	use->used = DatumGetInt64(quota_attribute(tuple, desc, Anum_cap_use_used));
}

static void
init_account_keys(const QuotaBucketKey *account, ScanKeyData *keys)
{
	ScanKeyInit(&keys[0], Anum_cap_use_subject, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(account->prefix, account->prefix_len)));
	ScanKeyInit(&keys[1], Anum_cap_use_feature_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(account->feature_id));
	ScanKeyInit(&keys[2], Anum_cap_use_source_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(account->source_id));
}

void
quota_cap_use_find(Relation rel, const QuotaCapKey *key, Snapshot snapshot, QuotaCapUse *use)
{
	ScanKeyData keys[7];
	HeapTuple	tuple;

	memset(use, 0, sizeof(*use));
	init_account_keys(key->bucket, keys);
	ScanKeyInit(&keys[3], Anum_cap_use_period_months, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(key->period.months));
	ScanKeyInit(&keys[4], Anum_cap_use_period_days, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(key->period.days));
	ScanKeyInit(&keys[5], Anum_cap_use_period_us, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(key->period.us));
	ScanKeyInit(&keys[6], Anum_cap_use_window_start, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
				TimestampTzGetDatum(key->window_start));
	tuple = quota_find_row(rel, quota_relid(QUOTA_CAP_USE_PKEY), 7, keys, snapshot);
	if (tuple)
		take_tuple(rel, tuple, use);
}

int
quota_cap_use_containing(Relation rel, const QuotaBucketKey *account, TimestampTz at,
						 Snapshot snapshot, QuotaCapUse **uses)
{
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;
	int			room = 4;

	*uses = (QuotaCapUse *) palloc(sizeof(QuotaCapUse) * room);
	init_account_keys(account, keys);
	scan = systable_beginscan(rel, quota_relid(QUOTA_CAP_USE_PKEY), true, snapshot, 3, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		QuotaCapUse use;

		take_tuple(rel, tuple, &use);
		if (at < use.opened_at || at >= use.closes_at)
			continue;
		if (n == room)
		{
			room *= 2;
			*uses = (QuotaCapUse *) repalloc(*uses, sizeof(QuotaCapUse) * room);
		}
		use.tuple = heap_copytuple(tuple);
		(*uses)[n++] = use;
	}
	systable_endscan(scan);
	return n;
}

bool
quota_cap_use_create(Relation rel, const QuotaCapKey *key, TimestampTz opened_at,
					 TimestampTz closes_at)
{
	Datum		values[Natts_cap_use];
	bool		nulls[Natts_cap_use] = {false};

	values[Anum_cap_use_subject - 1] =
		PointerGetDatum(cstring_to_text_with_len(key->bucket->prefix, key->bucket->prefix_len));
	values[Anum_cap_use_feature_id - 1] = Int32GetDatum(key->bucket->feature_id);
	values[Anum_cap_use_source_id - 1] = Int64GetDatum(key->bucket->source_id);
	values[Anum_cap_use_period_months - 1] = Int32GetDatum(key->period.months);
	values[Anum_cap_use_period_days - 1] = Int32GetDatum(key->period.days);
	values[Anum_cap_use_period_us - 1] = Int64GetDatum(key->period.us);
	values[Anum_cap_use_window_start - 1] = TimestampTzGetDatum(key->window_start);
	values[Anum_cap_use_opened_at - 1] = TimestampTzGetDatum(opened_at);
	values[Anum_cap_use_closes_at - 1] = TimestampTzGetDatum(closes_at);
	values[Anum_cap_use_used - 1] = Int64GetDatum(0);
	return quota_insert_if_absent(rel, values, nulls);
}

bool
quota_cap_use_lock(Relation rel, QuotaCapUse *use, Snapshot snapshot)
{
	HeapTuple	tuple = quota_lock_row(rel, &use->tid, snapshot);

	if (tuple == NULL)
		return false;
	take_tuple(rel, tuple, use);
	return true;
}

void
quota_cap_use_update(Relation rel, QuotaCapUse *use)
{
	int			columns[3] = {Anum_cap_use_opened_at, Anum_cap_use_closes_at, Anum_cap_use_used};
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	HeapTuple	tuple;

	QuotaEnsure(use->used >= 0);
	values[0] = TimestampTzGetDatum(use->opened_at);
	values[1] = TimestampTzGetDatum(use->closes_at);
	values[2] = Int64GetDatum(use->used);
	tuple = heap_modify_tuple_by_cols(use->tuple, RelationGetDescr(rel), 3, columns, values, nulls);
	if (quota_update_row(rel, &use->tid, tuple, InvalidSnapshot) != TM_Ok)
		elog(ERROR, "quota: a locked row of quota.cap_use has changed");
	take_tuple(rel, tuple, use);
}

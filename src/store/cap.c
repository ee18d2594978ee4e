/*-------------------------------------------------------------------------
 *
 * cap.c
 *		Rows of quota_internal.cap_use: what a cap of one account has counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "store/cap.h"
#include "store/heap.h"
#include "store/scan.h"
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
	use->opened_at = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_cap_use_opened_at));
	use->closes_at = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_cap_use_closes_at));
	use->used = DatumGetInt64(quota_attribute(tuple, desc, Anum_cap_use_used));
	use->cleared_id = DatumGetInt64(quota_attribute(tuple, desc, Anum_cap_use_cleared_id));
}

static void
init_account_scan(QuotaScan *scan, Relation rel, const QuotaWindowKey *window)
{
	quota_scan_init(scan, rel);
	quota_scan_account(scan, Anum_cap_use_subject, Anum_cap_use_feature_id, &window->account);
	quota_scan_int8(scan, Anum_cap_use_source_id, window->source_id);
}

void
quota_cap_use_find(Relation rel, const QuotaWindowKey *window, const QuotaCapKey *key,
				   Snapshot snapshot, QuotaCapUse *use)
{
	QuotaScan	scan;
	HeapTuple	tuple;

	memset(use, 0, sizeof(*use));
	init_account_scan(&scan, rel, window);
	quota_scan_int4(&scan, Anum_cap_use_period_months, key->period.months);
	quota_scan_int4(&scan, Anum_cap_use_period_days, key->period.days);
	quota_scan_int8(&scan, Anum_cap_use_period_us, key->period.us);
	quota_scan_time(&scan, Anum_cap_use_window_start, BTEqualStrategyNumber, key->window_start);
	tuple = quota_scan_one(&scan, quota_relid(QUOTA_CAP_USE_PKEY), snapshot);
	if (tuple)
		take_tuple(rel, tuple, use);
}

int
quota_cap_use_containing(Relation rel, const QuotaWindowKey *window, TimestampTz at,
						 Snapshot snapshot, QuotaCapUse **uses)
{
	QuotaScan	scan;
	HeapTuple	tuple;
	int			n = 0;

	*uses = NULL;
	init_account_scan(&scan, rel, window);
	quota_scan_time(&scan, Anum_cap_use_closes_at, BTGreaterStrategyNumber, at);
	quota_scan_begin(&scan, quota_relid(QUOTA_CAP_USE_CLOSING), snapshot);
	while ((tuple = quota_scan_next(&scan)) != NULL)
	{
		QuotaCapUse use;

		take_tuple(rel, tuple, &use);
		if (at < use.opened_at)
			continue;
		*uses = (QuotaCapUse *) quota_array_grow(*uses, n, sizeof(QuotaCapUse));
		use.tuple = heap_copytuple(tuple);
		(*uses)[n++] = use;
	}
	quota_scan_end(&scan);
	return n;
}

bool
quota_cap_use_create(Relation rel, const QuotaWindowKey *window, const QuotaCapKey *key,
					 TimestampTz opened_at, TimestampTz closes_at)
{
	Datum		values[Natts_cap_use];
	bool		nulls[Natts_cap_use] = {false};

	values[Anum_cap_use_subject - 1] = quota_prefix_text(&window->account);
	values[Anum_cap_use_feature_id - 1] = Int32GetDatum(window->account.feature_id);
	values[Anum_cap_use_source_id - 1] = Int64GetDatum(window->source_id);
	values[Anum_cap_use_period_months - 1] = Int32GetDatum(key->period.months);
	values[Anum_cap_use_period_days - 1] = Int32GetDatum(key->period.days);
	values[Anum_cap_use_period_us - 1] = Int64GetDatum(key->period.us);
	values[Anum_cap_use_window_start - 1] = TimestampTzGetDatum(key->window_start);
	values[Anum_cap_use_opened_at - 1] = TimestampTzGetDatum(opened_at);
	values[Anum_cap_use_closes_at - 1] = TimestampTzGetDatum(closes_at);
	values[Anum_cap_use_used - 1] = Int64GetDatum(0);
	values[Anum_cap_use_cleared_id - 1] = Int64GetDatum(0);
	return quota_insert_if_absent(rel, values, nulls);
}

bool
quota_cap_use_lock(Relation rel, QuotaCapUse *use, Snapshot snapshot)
{
	if (!quota_lock_row(rel, &use->tuple, snapshot))
		return false;
	take_tuple(rel, use->tuple, use);
	return true;
}

void
quota_cap_use_update(Relation rel, QuotaCapUse *use)
{
	static const int columns[] = {Anum_cap_use_opened_at, Anum_cap_use_closes_at, Anum_cap_use_used,
	Anum_cap_use_cleared_id};
	Datum		values[lengthof(columns)];

	QuotaEnsure(use->used >= 0);
	values[0] = TimestampTzGetDatum(use->opened_at);
	values[1] = TimestampTzGetDatum(use->closes_at);
	values[2] = Int64GetDatum(use->used);
	values[3] = Int64GetDatum(use->cleared_id);
	quota_update_locked_row(rel, &use->tuple, lengthof(columns), columns, values);
}

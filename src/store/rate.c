/*-------------------------------------------------------------------------
 *
 * rate.c
 *		Rows of quota_internal.rate_use: how far an account's rate has been used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "store/rate.h"
#include "store/heap.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/tuple.h"

Relation
quota_rate_use_open(LOCKMODE lockmode)
{
	return table_open(quota_relid(QUOTA_RATE_USE), lockmode);
}

static void
take_tuple(Relation rel, HeapTuple tuple, QuotaRateUse *use)
{
	TupleDesc	desc = RelationGetDescr(rel);

	use->tuple = tuple;
	use->state.tat = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_rate_use_tat));
	use->state.fraction = DatumGetInt64(quota_attribute(tuple, desc, Anum_rate_use_fraction));
	use->state.divisor = DatumGetInt64(quota_attribute(tuple, desc, Anum_rate_use_divisor));
	use->state.per_us = DatumGetInt64(quota_attribute(tuple, desc, Anum_rate_use_per_us));
}

void
quota_rate_use_find(Relation rel, const QuotaAccountKey *account, Snapshot snapshot, QuotaRateUse *use)
{
	QuotaScan	scan;
	HeapTuple	tuple;

	memset(use, 0, sizeof(*use));
	use->state = QUOTA_GCRA_UNUSED;
	quota_scan_init(&scan, rel);
	quota_scan_account(&scan, Anum_rate_use_subject, Anum_rate_use_feature_id, account);
	tuple = quota_scan_one(&scan, quota_relid(QUOTA_RATE_USE_PKEY), snapshot);
	if (tuple)
		take_tuple(rel, tuple, use);
}

static void
form(const QuotaGcra *state, Datum *values)
{
	values[0] = TimestampTzGetDatum(state->tat);
	values[1] = Int64GetDatum(state->fraction);
	values[2] = Int64GetDatum(state->divisor);
	values[3] = Int64GetDatum(state->per_us);
}

bool
quota_rate_use_create(Relation rel, const QuotaAccountKey *account)
{
	Datum		values[Natts_rate_use];
	bool		nulls[Natts_rate_use] = {false};

	values[Anum_rate_use_subject - 1] = quota_prefix_text(account);
	values[Anum_rate_use_feature_id - 1] = Int32GetDatum(account->feature_id);
	form(&QUOTA_GCRA_UNUSED, &values[Anum_rate_use_tat - 1]);
	return quota_insert_if_absent(rel, values, nulls);
}

bool
quota_rate_use_lock(Relation rel, QuotaRateUse *use, Snapshot snapshot)
{
	if (!quota_lock_row(rel, &use->tuple, snapshot))
		return false;
	take_tuple(rel, use->tuple, use);
	return true;
}

void
quota_rate_use_update(Relation rel, QuotaRateUse *use, const QuotaGcra *state)
{
	static const int columns[] = {
		Anum_rate_use_tat, Anum_rate_use_fraction, Anum_rate_use_divisor, Anum_rate_use_per_us
	};
	Datum		values[lengthof(columns)];

	form(state, values);
	quota_update_locked_row(rel, &use->tuple, lengthof(columns), columns, values);
	use->state = *state;
}

/*-------------------------------------------------------------------------
 *
 * rate.c
 *		Rows of quota.rate_use: how far an account's rate has been used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "store/rate.h"
#include "store/row.h"
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
	ItemPointerCopy(&tuple->t_self, &use->tid);
	use->state.tat = DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_rate_use_tat));
	use->state.fraction = DatumGetInt64(quota_attribute(tuple, desc, Anum_rate_use_fraction));
	use->state.divisor = DatumGetInt64(quota_attribute(tuple, desc, Anum_rate_use_divisor));
	use->state.per_us = DatumGetInt64(quota_attribute(tuple, desc, Anum_rate_use_per_us));
}

void
quota_rate_use_find(Relation rel, const QuotaBucketKey *key, Snapshot snapshot, QuotaRateUse *use)
{
	ScanKeyData keys[2];
	HeapTuple	tuple;

	memset(use, 0, sizeof(*use));
	use->state = QUOTA_GCRA_UNUSED;
	ScanKeyInit(&keys[0], Anum_rate_use_subject, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(cstring_to_text_with_len(key->prefix, key->prefix_len)));
	ScanKeyInit(&keys[1], Anum_rate_use_feature_id, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(key->feature_id));
	tuple = quota_find_row(rel, quota_relid(QUOTA_RATE_USE_PKEY), 2, keys, snapshot);
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
quota_rate_use_create(Relation rel, const QuotaBucketKey *key)
{
	Datum		values[Natts_rate_use];
	bool		nulls[Natts_rate_use] = {false};

	values[Anum_rate_use_subject - 1] =
		PointerGetDatum(cstring_to_text_with_len(key->prefix, key->prefix_len));
	values[Anum_rate_use_feature_id - 1] = Int32GetDatum(key->feature_id);
	form(&QUOTA_GCRA_UNUSED, &values[Anum_rate_use_tat - 1]);
	return quota_insert_if_absent(rel, values, nulls);
}

bool
quota_rate_use_lock(Relation rel, QuotaRateUse *use, Snapshot snapshot)
{
	HeapTuple	tuple = quota_lock_row(rel, &use->tid, snapshot);

	if (tuple == NULL)
		return false;
	take_tuple(rel, tuple, use);
	return true;
}

void
quota_rate_use_update(Relation rel, QuotaRateUse *use, const QuotaGcra *state)
{
	int			columns[4] = {Anum_rate_use_tat, Anum_rate_use_fraction, Anum_rate_use_divisor, Anum_rate_use_per_us};
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};
	HeapTuple	tuple;

	form(state, values);
	tuple = heap_modify_tuple_by_cols(use->tuple, RelationGetDescr(rel), 4, columns, values, nulls);
	if (quota_update_row(rel, &use->tid, tuple, InvalidSnapshot) != TM_Ok)
		elog(ERROR, "quota: a locked row of quota.rate_use has changed");
	take_tuple(rel, tuple, use);
}

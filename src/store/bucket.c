/*-------------------------------------------------------------------------
 *
 * bucket.c
 *		Rows of quota_internal.bucket: find, create, lock, update.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/errors.h"
#include "store/bucket.h"
#include "store/heap.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/tuple.h"

/* the columns of a QuotaBucketState, in the order of the table: those of the lease last */
static const int state_columns[] = {
	Anum_bucket_plan_version_id, Anum_bucket_used, Anum_bucket_overdrawn, Anum_bucket_allowance,
	Anum_bucket_granted, Anum_bucket_overage, Anum_bucket_reserved, Anum_bucket_rolled_in,
	Anum_bucket_rolled_out, Anum_bucket_prorated,
	Anum_bucket_leased, Anum_bucket_lease_id, Anum_bucket_lease_since, Anum_bucket_leases_overage
};

#define NLEASE_COLUMNS		4

/* how many windows that began before one that fits are looked at */
#define MAX_OLDER_WINDOWS	64

Relation
quota_bucket_open(void)
{
	return table_open(quota_relid(QUOTA_BUCKET), RowExclusiveLock);
}

static int64
zero_if_null(const Datum *values, const bool *nulls, int attnum)
{
	return nulls[attnum - 1] ? 0 : DatumGetInt64(values[attnum - 1]);
}

static void
deform(Relation rel, QuotaBucketRow *row)
{
	QuotaBucketState *state = &row->state;
	Datum		values[Natts_bucket];
	bool		nulls[Natts_bucket];

	heap_deform_tuple(row->tuple, RelationGetDescr(rel), values, nulls);
	state->counts.used = DatumGetInt64(values[Anum_bucket_used - 1]);
	state->counts.overdrawn = DatumGetInt64(values[Anum_bucket_overdrawn - 1]);
	state->counts.granted = zero_if_null(values, nulls, Anum_bucket_granted);
	state->counts.overage = zero_if_null(values, nulls, Anum_bucket_overage);
	state->reserved = zero_if_null(values, nulls, Anum_bucket_reserved);
	state->rollover_fixed = !nulls[Anum_bucket_rolled_in - 1];
	state->rolled_in = zero_if_null(values, nulls, Anum_bucket_rolled_in);
	state->rolled_out = zero_if_null(values, nulls, Anum_bucket_rolled_out);
	state->is_prorated = !nulls[Anum_bucket_prorated - 1];
	state->prorated = zero_if_null(values, nulls, Anum_bucket_prorated);
	state->unlimited = nulls[Anum_bucket_allowance - 1];
	state->allowance = zero_if_null(values, nulls, Anum_bucket_allowance);
	state->plan_version_id = nulls[Anum_bucket_plan_version_id - 1] ? 0 :
		DatumGetInt32(values[Anum_bucket_plan_version_id - 1]);
	state->lease_id = zero_if_null(values, nulls, Anum_bucket_lease_id);
	state->lease_since = zero_if_null(values, nulls, Anum_bucket_lease_since);
	state->leased = zero_if_null(values, nulls, Anum_bucket_leased);
	state->leases_overage = !nulls[Anum_bucket_leases_overage - 1];
	row->key.source_id = DatumGetInt64(values[Anum_bucket_source_id - 1]);
	row->key.start = DatumGetTimestampTz(values[Anum_bucket_period_start - 1]);
	row->key.end = DatumGetTimestampTz(values[Anum_bucket_period_end - 1]);
	row->generation = DatumGetInt32(values[Anum_bucket_generation - 1]);
	row->moved = !nulls[Anum_bucket_moved_start - 1];
	if (row->moved)
	{
		row->moved_start = DatumGetTimestampTz(values[Anum_bucket_moved_start - 1]);
		row->moved_end = DatumGetTimestampTz(values[Anum_bucket_moved_end - 1]);
		row->moved_id = DatumGetInt64(values[Anum_bucket_moved_id - 1]);
	}
}

static void
set(Datum *values, bool *nulls, int attnum, int64 value, bool notnull)
{
	values[attnum - 1] = Int64GetDatum(value);
	nulls[attnum - 1] = !notnull;
}

/* the columns of the state, at the places that they have in the table */
static void
form(const QuotaBucketState *state, Datum *values, bool *nulls)
{
	const QuotaCounts *counts = &state->counts;

	/* The table's CHECK constraints are not looked at on an update. */
	QuotaEnsure(counts->used >= 0 && counts->granted >= 0 && counts->overage >= 0 &&
				counts->overdrawn >= 0 && (state->reserved >= 0 || state->lease_id != 0) && state->rolled_in >= 0 &&
				state->rolled_out >= 0 && state->prorated >= 0 && state->leased >= 0);
	set(values, nulls, Anum_bucket_used, counts->used, true);
	set(values, nulls, Anum_bucket_overdrawn, counts->overdrawn, true);
	set(values, nulls, Anum_bucket_granted, counts->granted, counts->granted > 0);
	set(values, nulls, Anum_bucket_overage, counts->overage, counts->overage > 0);
	set(values, nulls, Anum_bucket_reserved, state->reserved, state->reserved != 0);
	set(values, nulls, Anum_bucket_rolled_in, state->rolled_in, state->rollover_fixed);
	set(values, nulls, Anum_bucket_rolled_out, state->rolled_out, state->rolled_out > 0);
	set(values, nulls, Anum_bucket_prorated, state->prorated, state->is_prorated);
	set(values, nulls, Anum_bucket_allowance, state->allowance, !state->unlimited);
	values[Anum_bucket_plan_version_id - 1] = Int32GetDatum(state->plan_version_id);
	nulls[Anum_bucket_plan_version_id - 1] = state->plan_version_id == 0;
	set(values, nulls, Anum_bucket_leased, state->leased, state->lease_id != 0);
	set(values, nulls, Anum_bucket_lease_id, state->lease_id, state->lease_id != 0);
	set(values, nulls, Anum_bucket_lease_since, state->lease_since, state->lease_id != 0);
	values[Anum_bucket_leases_overage - 1] = BoolGetDatum(true);
	nulls[Anum_bucket_leases_overage - 1] = state->lease_id == 0 || !state->leases_overage;
}

static void
init_account_scan(QuotaScan *scan, Relation rel, const QuotaWindowKey *key)
{
	quota_scan_init(scan, rel);
	quota_scan_account(scan, Anum_bucket_subject, Anum_bucket_feature_id, &key->account);
	quota_scan_int8(scan, Anum_bucket_source_id, key->source_id);
}

static void
take_tuple(Relation rel, HeapTuple tuple, QuotaBucketRow *row)
{
	row->tuple = tuple;
	deform(rel, row);
}

/* of the rows of one window, in the order of generations */
static void
begin_window_scan(QuotaScan *scan, Relation rel, const QuotaWindowKey *key, Snapshot snapshot)
{
	init_account_scan(scan, rel, key);
	quota_scan_time(scan, Anum_bucket_period_start, BTEqualStrategyNumber, key->start);
	quota_scan_time(scan, Anum_bucket_period_end, BTEqualStrategyNumber, key->end);
	quota_scan_begin_ordered(scan, quota_relid(QUOTA_BUCKET_PKEY), snapshot);
}

/* Use that was moved away is no use: the account counts in the next generation, if it comes back. */
static void
leave_moved(QuotaBucketRow *row)
{
	if (!row->moved)
		return;
	row->tuple = NULL;
	row->moved = false;
	row->generation++;
}

void
quota_bucket_find(Relation rel, const QuotaWindowKey *key, Snapshot snapshot,
				  QuotaBucketRow *row)
{
	QuotaScan	scan;
	HeapTuple	tuple;

	memset(row, 0, sizeof(*row));
	row->key = *key;
	row->state.unlimited = true;
	begin_window_scan(&scan, rel, key, snapshot);
	/* older generations bear marks */
	tuple = quota_scan_next_ordered(&scan, BackwardScanDirection);
	if (tuple)
		take_tuple(rel, heap_copytuple(tuple), row);
	quota_scan_end(&scan);
	leave_moved(row);
}

/* The generation of the window that an entry charged: the first with no mark, or a younger one. */
static void
find_charged(Relation rel, int64 id, Snapshot snapshot, QuotaBucketRow *row)
{
	QuotaWindowKey key = row->key;
	QuotaScan	scan;
	HeapTuple	tuple;
	bool		found = false;

	memset(row, 0, sizeof(*row));
	row->key = key;
	begin_window_scan(&scan, rel, &key, snapshot);
	while (!found && (tuple = quota_scan_next_ordered(&scan, ForwardScanDirection)) != NULL)
	{
		take_tuple(rel, heap_copytuple(tuple), row);
		found = !row->moved || row->moved_id > id;
	}
	quota_scan_end(&scan);
	if (!found)
		leave_moved(row);
}

/* Each mark is younger than the last, so there is an end. */
void
quota_bucket_follow(Relation rel, const QuotaWindowKey *key, int64 id, Snapshot snapshot,
					QuotaBucketRow *row)
{
	row->key = *key;
	find_charged(rel, id, snapshot, row);
	while (row->moved)
	{
		row->key.start = row->moved_start;
		row->key.end = row->moved_end;
		find_charged(rel, row->moved_id, snapshot, row);
	}
}

bool
quota_bucket_is_charged(const QuotaBucketState *state)
{
	const QuotaCounts *counts = &state->counts;

	return state->rollover_fixed || counts->used > 0 || counts->granted > 0 ||
		counts->overage > 0 || counts->overdrawn > 0 || state->lease_id != 0;
}

/*
 * Rows come from the newest start backwards.  Mostly the first that fits is the
 * one; after a change to longer periods a longer window that began earlier can end
 * later, so some more are looked at.
 */
void
quota_bucket_before(Relation rel, const QuotaWindowKey *key, Snapshot snapshot,
					QuotaBucketRow *row)
{
	QuotaScan	scan;
	HeapTuple	tuple;
	int			more = MAX_OLDER_WINDOWS;

	memset(row, 0, sizeof(*row));
	init_account_scan(&scan, rel, key);
	quota_scan_time(&scan, Anum_bucket_period_start, BTLessStrategyNumber, key->start);
	quota_scan_begin_ordered(&scan, quota_relid(QUOTA_BUCKET_PKEY), snapshot);
	while (more > 0 && (tuple = quota_scan_next_ordered(&scan, BackwardScanDirection)) != NULL)
	{
		QuotaBucketRow here = {.key = *key};

		take_tuple(rel, tuple, &here);
		if (row->tuple != NULL)
			more--;
		if (here.moved || !quota_bucket_is_charged(&here.state) || here.key.end > key->start ||
			(row->tuple != NULL && here.key.end <= row->key.end))
			continue;
		*row = here;
		row->tuple = heap_copytuple(tuple);
		if (here.key.end == key->start)
			break;
	}
	quota_scan_end(&scan);
}

void
quota_bucket_of_lease(Relation rel, int64 lease_id, Snapshot snapshot, QuotaBucketRow *row)
{
	QuotaScan	scan;
	HeapTuple	tuple;

	memset(row, 0, sizeof(*row));
	quota_scan_init(&scan, rel);
	quota_scan_int8(&scan, Anum_bucket_lease_id, lease_id);
	tuple = quota_scan_one(&scan, quota_relid(QUOTA_BUCKET_LEASE), snapshot);
	if (tuple == NULL)
		return;
	take_tuple(rel, tuple, row);
	row->key.account.prefix = TextDatumGetCString(quota_attribute(tuple, RelationGetDescr(rel), Anum_bucket_subject));
	row->key.account.prefix_len = (int) strlen(row->key.account.prefix);
	row->key.account.feature_id = DatumGetInt32(quota_attribute(tuple, RelationGetDescr(rel), Anum_bucket_feature_id));
}

void
quota_bucket_closing(Relation rel, const QuotaWindowKey *key, Snapshot snapshot,
					 QuotaBucketRow *row)
{
	QuotaScan	scan;
	HeapTuple	tuple;

	memset(row, 0, sizeof(*row));
	init_account_scan(&scan, rel, key);
	quota_scan_time(&scan, Anum_bucket_period_start, BTGreaterEqualStrategyNumber, key->end);
	quota_scan_begin_ordered(&scan, quota_relid(QUOTA_BUCKET_PKEY), snapshot);
	while (row->tuple == NULL &&
		   (tuple = quota_scan_next_ordered(&scan, BackwardScanDirection)) != NULL)
	{
		QuotaBucketRow here = {.key = *key};

		take_tuple(rel, tuple, &here);
		if (here.moved || !here.state.rollover_fixed)
			continue;
		*row = here;
		row->tuple = heap_copytuple(tuple);
	}
	quota_scan_end(&scan);
}

/* the transaction that has locked any row, by its own lock or by writing it */
static LocalTransactionId locked_by = InvalidLocalTransactionId;

bool
quota_bucket_locked_any(void)
{
	return locked_by == quota_local_transaction();
}

bool
quota_bucket_create(Relation rel, const QuotaWindowKey *key, int32 generation,
					const QuotaBucketState *state)
{
	Datum		values[Natts_bucket] = {0};
	bool		nulls[Natts_bucket] = {false};

	values[Anum_bucket_subject - 1] = quota_prefix_text(&key->account);
	values[Anum_bucket_feature_id - 1] = Int32GetDatum(key->account.feature_id);
	values[Anum_bucket_source_id - 1] = Int64GetDatum(key->source_id);
	values[Anum_bucket_period_start - 1] = TimestampTzGetDatum(key->start);
	values[Anum_bucket_period_end - 1] = TimestampTzGetDatum(key->end);
	values[Anum_bucket_generation - 1] = Int32GetDatum(generation);
	form(state, values, nulls);
	nulls[Anum_bucket_moved_start - 1] = true;
	nulls[Anum_bucket_moved_end - 1] = true;
	nulls[Anum_bucket_moved_id - 1] = true;
	locked_by = quota_local_transaction();
	return quota_insert_if_absent(rel, values, nulls);
}

bool
quota_bucket_lock(Relation rel, QuotaBucketRow *row, Snapshot snapshot)
{
	locked_by = quota_local_transaction();
	if (!quota_lock_row(rel, &row->tuple, snapshot))
		return false;
	deform(rel, row);
	return true;
}

bool
quota_bucket_update(Relation rel, QuotaBucketRow *row, const QuotaBucketState *state,
					Snapshot snapshot)
{
	Datum		table_values[Natts_bucket];
	bool		table_nulls[Natts_bucket];
	int			columns[lengthof(state_columns)];
	Datum		values[lengthof(state_columns)];
	bool		nulls[lengthof(state_columns)];
	int			n = lengthof(state_columns);

	if (row->state.lease_id == 0 && state->lease_id == 0)
		n -= NLEASE_COLUMNS;	/* as they are */
	locked_by = quota_local_transaction();
	/* what was moved away is final */
	QuotaEnsure(!row->moved);
	form(state, table_values, table_nulls);
	for (int i = 0; i < n; i++)
	{
		columns[i] = state_columns[i];
		values[i] = table_values[columns[i] - 1];
		nulls[i] = table_nulls[columns[i] - 1];
	}
	if (!quota_update_row(rel, &row->tuple, n, columns, values, nulls, snapshot))
		return false;
	row->state = *state;
	return true;
}

/*-------------------------------------------------------------------------
 *
 * ledger.c
 *		The append-only ledger.
 *
 * Rows go straight into the month's leaf, so that the partitioned parent is not
 * even locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "base/errors.h"
#include "base/subject.h"
#include "store/leaf.h"
#include "store/ledger.h"
#include "store/heap.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/sql.h"
#include "store/tuple.h"

int64
quota_ledger_next_id(void)
{
	return nextval_internal(quota_relid(QUOTA_LEDGER_ID_SEQ), false);
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = (text == NULL);
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

/*
 * In which epoch a transaction number is one of this cluster: that of the last
 * posting, or the next one if that was done in another cluster.  Posting writes
 * what we would say, so it does not matter which of us is first.
 */
static int16
current_epoch(void)
{
	static uint64 generation;
	static bool known = false;
	static int16 epoch;

	if (!known || generation != quota_relation_generation(QUOTA_POSTING))
	{
		Relation	rel = table_open(quota_relid(QUOTA_POSTING), AccessShareLock);
		Snapshot	snapshot;
		QuotaScan	scan;
		HeapTuple	tuple;

		generation = quota_relation_generation(QUOTA_POSTING);
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		quota_scan_init(&scan, rel);
		tuple = quota_scan_one(&scan, InvalidOid, snapshot);
		UnregisterSnapshot(snapshot);
		epoch = 0;
		if (HeapTupleIsValid(tuple))
		{
			TupleDesc	desc = RelationGetDescr(rel);

			epoch = DatumGetInt16(quota_attribute(tuple, desc, Anum_posting_epoch));
			if (DatumGetInt64(quota_attribute(tuple, desc, Anum_posting_system_identifier)) !=
				(int64) GetSystemIdentifier())
				epoch++;
		}
		table_close(rel, AccessShareLock);
		known = true;
	}
	return epoch;
}

/*
 * The levels that an operation charges with its first entries.  A capacity is
 * counted at every prefix, also where a level had nothing to give back.
 */
static int16
levels_of(const QuotaEntry *entries, int nentries)
{
	int16		levels = 0;

	for (int i = 0; i < nentries; i++)
	{
		const QuotaEntry *e = &entries[i];

		if (e->source == QUOTA_SOURCE_CAPACITY)
			levels |= (2 << quota_level_of(e->subject, (int) strlen(e->subject))) - 1;
		else
			levels |= 1 << quota_level_of(e->bucket.account.prefix, e->bucket.account.prefix_len);
	}
	return levels;
}

static void
insert_entry(QuotaInserter *inserter, const QuotaEntry *e, int16 epoch, int16 levels)
{
	Datum		values[Natts_ledger];
	bool		nulls[Natts_ledger] = {false};

	values[Anum_ledger_id - 1] = Int64GetDatum(e->id);
	values[Anum_ledger_at - 1] = TimestampTzGetDatum(e->at);
	values[Anum_ledger_xid - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[Anum_ledger_subject - 1] = CStringGetTextDatum(e->subject);
	values[Anum_ledger_account - 1] =
		quota_prefix_text(&e->bucket.account);
	values[Anum_ledger_feature_id - 1] = Int32GetDatum(e->bucket.account.feature_id);
	values[Anum_ledger_kind - 1] = CharGetDatum(e->kind);
	values[Anum_ledger_source - 1] = CharGetDatum(e->source);
	values[Anum_ledger_epoch - 1] = Int16GetDatum(epoch);
	values[Anum_ledger_levels - 1] = Int16GetDatum(levels);
	values[Anum_ledger_source_id - 1] = Int64GetDatum(e->bucket.source_id);
	values[Anum_ledger_period_start - 1] = TimestampTzGetDatum(e->bucket.start);
	values[Anum_ledger_period_end - 1] = TimestampTzGetDatum(e->bucket.end);
	values[Anum_ledger_amount - 1] = Int64GetDatum(e->amount);
	values[Anum_ledger_debit_id - 1] = Int64GetDatum(e->debit_id);
	values[Anum_ledger_grant_id - 1] = Int64GetDatum(e->grant_id);
	nulls[Anum_ledger_grant_id - 1] = e->grant_id == 0;
	values[Anum_ledger_key - 1] = text_or_null(e->key, &nulls[Anum_ledger_key - 1]);
	values[Anum_ledger_metadata - 1] = PointerGetDatum(e->metadata);
	nulls[Anum_ledger_metadata - 1] = (e->metadata == NULL);
	values[Anum_ledger_occurred_at - 1] = TimestampTzGetDatum(e->occurred_at);
	nulls[Anum_ledger_occurred_at - 1] = !e->backdated;
	values[Anum_ledger_lease_id - 1] = Int64GetDatum(e->lease_id);
	nulls[Anum_ledger_lease_id - 1] = e->lease_id == 0;
	quota_insert_row(inserter, values, nulls);
}

void
quota_ledger_append(const QuotaEntry *entries, int nentries)
{
	int16		epoch = current_epoch();
	int16		levels = nentries > 0 && entries[0].levels == 0 ? levels_of(entries, nentries) : 0;

	for (int i = 0; i < nentries;)
	{
		TimestampTz at = entries[i].at;
		Relation	rel = quota_leaf_open(at, RowExclusiveLock);
		QuotaInserter *inserter = quota_insert_begin(rel);

		/* one operation has one time, so this is one leaf as a rule */
		for (; i < nentries && entries[i].at == at; i++)
			insert_entry(inserter, &entries[i], epoch, levels ? levels : entries[i].levels);
		quota_insert_end(inserter);
		table_close(rel, NoLock);
	}
}

static void
from_tuple(HeapTuple tuple, TupleDesc desc, QuotaEntry *e)
{
	Datum		values[Natts_ledger];
	bool		nulls[Natts_ledger];

	heap_deform_tuple(tuple, desc, values, nulls);
	memset(e, 0, sizeof(*e));
	e->id = DatumGetInt64(values[Anum_ledger_id - 1]);
	e->at = DatumGetTimestampTz(values[Anum_ledger_at - 1]);
	e->backdated = !nulls[Anum_ledger_occurred_at - 1];
	e->occurred_at = e->backdated ? DatumGetTimestampTz(values[Anum_ledger_occurred_at - 1]) : e->at;
	e->subject = TextDatumGetCString(values[Anum_ledger_subject - 1]);
	e->bucket.account.prefix = TextDatumGetCString(values[Anum_ledger_account - 1]);
	e->bucket.account.prefix_len = (int) strlen(e->bucket.account.prefix);
	e->bucket.account.feature_id = DatumGetInt32(values[Anum_ledger_feature_id - 1]);
	e->kind = DatumGetChar(values[Anum_ledger_kind - 1]);
	e->source = DatumGetChar(values[Anum_ledger_source - 1]);
	e->bucket.source_id = DatumGetInt64(values[Anum_ledger_source_id - 1]);
	e->bucket.start = DatumGetTimestampTz(values[Anum_ledger_period_start - 1]);
	e->bucket.end = DatumGetTimestampTz(values[Anum_ledger_period_end - 1]);
	e->amount = DatumGetInt64(values[Anum_ledger_amount - 1]);
	e->debit_id = DatumGetInt64(values[Anum_ledger_debit_id - 1]);
	e->levels = DatumGetInt16(values[Anum_ledger_levels - 1]);
	e->grant_id = nulls[Anum_ledger_grant_id - 1] ? 0 :
		DatumGetInt64(values[Anum_ledger_grant_id - 1]);
	e->lease_id = nulls[Anum_ledger_lease_id - 1] ? 0 :
		DatumGetInt64(values[Anum_ledger_lease_id - 1]);
}

static int
compare_ids(const void *a, const void *b)
{
	int64		left = ((const QuotaEntry *) a)->id;
	int64		right = ((const QuotaEntry *) b)->id;

	return (left > right) - (left < right);
}

static void
begin_debit(QuotaScan *scan, Relation rel, Oid debit_index, int64 debit_id, Snapshot snapshot)
{
	quota_scan_init(scan, rel);
	quota_scan_int8(scan, Anum_ledger_debit_id, debit_id);
	quota_scan_begin(scan, debit_index, snapshot);
}

int
quota_ledger_of_debit(int64 debit_id, Snapshot snapshot, QuotaEntry **entries)
{
	int			n = 0;
	int			position = 0;
	Oid			debit_index;
	Relation	rel;

	*entries = NULL;
	while ((rel = quota_leaf_next(&position, AccessShareLock, &debit_index)) != NULL)
	{
		QuotaScan	scan;
		HeapTuple	tuple;

		begin_debit(&scan, rel, debit_index, debit_id, snapshot);
		while ((tuple = quota_scan_next(&scan)) != NULL)
		{
			*entries = (QuotaEntry *) quota_array_grow(*entries, n, sizeof(QuotaEntry));
			from_tuple(tuple, RelationGetDescr(rel), &(*entries)[n++]);
		}
		quota_scan_end(&scan);
		table_close(rel, AccessShareLock);
	}
	if (n > 1)
		qsort(*entries, n, sizeof(QuotaEntry), compare_ids);
	return n;
}

bool
quota_ledger_has_entry(int64 id)
{
	static QuotaStatement select = {
		.text = "SELECT FROM quota_internal.ledger_entry WHERE id OPERATOR(pg_catalog.=) $1 LIMIT 1",
		.nparams = 1,
		.types = {INT8OID}
	};
	Datum		values[1] = {Int64GetDatum(id)};
	bool		found;
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	found = quota_sql_execute(&select, values, NULL) > 0;
	quota_sql_end(&caller);
	return found;
}

static int64
id_of(Relation rel, HeapTuple tuple)
{
	return DatumGetInt64(quota_attribute(tuple, RelationGetDescr(rel), Anum_ledger_id));
}

/* a copy, or NULL */
static HeapTuple
first_entry(Relation rel, Oid debit_index, int64 debit_id, Snapshot snapshot)
{
	QuotaScan	scan;
	HeapTuple	tuple;

	begin_debit(&scan, rel, debit_index, debit_id, snapshot);
	while ((tuple = quota_scan_next(&scan)) != NULL && id_of(rel, tuple) != debit_id)
		;
	if (tuple != NULL)
		tuple = heap_copytuple(tuple);
	quota_scan_end(&scan);
	return tuple;
}

/*
 * A row lock on the debit's first entry: heavyweight locks would fill the lock
 * table when many refunds are made in one transaction.
 */
void
quota_ledger_lock_debit(int64 debit_id, Snapshot snapshot)
{
	bool		locked = false;
	int			position = 0;
	Oid			debit_index;
	Relation	rel;

	while (!locked && (rel = quota_leaf_next(&position, RowShareLock, &debit_index)) != NULL)
	{
		HeapTuple	tuple = first_entry(rel, debit_index, debit_id, snapshot);

		locked = tuple != NULL;
		/* one that has been erased meanwhile has nothing left to work on */
		if (locked && quota_lock_row(rel, &tuple, snapshot))
			QuotaEnsure(id_of(rel, tuple) == debit_id);
		table_close(rel, locked ? NoLock : RowShareLock);
	}
}

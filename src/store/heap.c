/*-------------------------------------------------------------------------
 *
 * heap.c
 *		Single rows of our tables: insert, lock, update, delete, without SQL.
 *
 * Nothing here looks at privileges: a caller who may execute quota.debit()
 * may charge, without any right on the tables.
 *
 * Rows are locked and updated in their newest version whatever the isolation
 * level.  Our tables are counters, not the caller's data: at REPEATABLE READ a
 * debit that had to wait goes on with what it finds instead of failing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/heap.h"
#include "store/tuple.h"

struct QuotaInserter
{
	EState	   *estate;
	ResultRelInfo *rri;
	TupleTableSlot *slot;
};

static ResultRelInfo *
result_rel_info(Relation rel, bool speculative)
{
	ResultRelInfo *rri = makeNode(ResultRelInfo);

	/* no range table index: there is no range table in which to look it up */
	InitResultRelInfo(rri, rel, 0, NULL, 0);
	ExecOpenIndices(rri, speculative);
	return rri;
}

QuotaInserter *
quota_insert_begin(Relation rel)
{
	QuotaInserter *inserter = (QuotaInserter *) palloc(sizeof(QuotaInserter));

	inserter->estate = CreateExecutorState();
	inserter->rri = result_rel_info(rel, false);
	inserter->slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	return inserter;
}

static void
fill_slot(TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	int			natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
}

/*
 * Not ExecSimpleRelationInsert(), which compiles the table's constraints again for
 * every row: a third of what a hold's row cost.
 */
void
quota_insert_row(QuotaInserter *inserter, const Datum *values, const bool *nulls)
{
	ResultRelInfo *rri = inserter->rri;

	fill_slot(inserter->slot, values, nulls);
	simple_table_tuple_insert(rri->ri_RelationDesc, inserter->slot);
	if (rri->ri_NumIndices > 0)
		quota_insert_index_tuples_of_new(rri, inserter->slot, inserter->estate);
}

void
quota_insert_end(QuotaInserter *inserter)
{
	ExecCloseIndices(inserter->rri);
	ExecDropSingleTupleTableSlot(inserter->slot);
	FreeExecutorState(inserter->estate);
	pfree(inserter);
}

/*
 * One speculative insertion, as ExecInsert() does it for ON CONFLICT.  False if
 * another session's row with the same key has come in between.
 */
static bool
insert_speculatively(Relation rel, ResultRelInfo *rri, EState *estate, TupleTableSlot *slot)
{
	uint32		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
	bool		conflict = false;

	table_tuple_insert_speculative(rel, slot, GetCurrentCommandId(true), 0, NULL, token);
	quota_insert_speculative_index_tuples(rri, slot, estate, &conflict);
	table_tuple_complete_speculative(rel, slot, token, !conflict);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	return !conflict;
}

bool
quota_insert_if_absent(Relation rel, const Datum *values, const bool *nulls)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *rri = result_rel_info(rel, true);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		absent;
	bool		inserted = false;

	do
	{
		CHECK_FOR_INTERRUPTS();
		fill_slot(slot, values, nulls);
		slot->tts_tableOid = RelationGetRelid(rel);
		/* waits for a session that is inserting it */
		absent = quota_check_unique(rri, slot, estate);
		if (absent)
			inserted = insert_speculatively(rel, rri, estate, slot);
	} while (absent && !inserted);
	ExecCloseIndices(rri);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	return inserted;
}

/* The index entries of an update that was not HOT. */
static void
insert_index_entries(Relation rel, TupleTableSlot *slot, QuotaUpdateIndexes which)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *rri = result_rel_info(rel, false);

	quota_insert_index_tuples(rri, slot, estate, which);
	ExecCloseIndices(rri);
	FreeExecutorState(estate);
}

/*
 * What there is to say about a row that another transaction has changed; any other
 * result is none that a lock on the table lets through.
 */
static bool
is_done(TM_Result result, Relation rel)
{
	if (result == TM_Ok)
		return true;
	if (result != TM_Updated && result != TM_Deleted)
		elog(ERROR, "quota: unexpected result %d of changing a row of %s", (int) result,
			 RelationGetRelationName(rel));
	return false;
}

bool
quota_update_row(Relation rel, HeapTuple *tuple, int ncolumns, const int *columns,
				 const Datum *values, const bool *nulls, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	HeapTuple	newer = heap_modify_tuple_by_cols(*tuple, RelationGetDescr(rel), ncolumns,
												  unconstify(int *, columns),
												  unconstify(Datum *, values),
												  unconstify(bool *, nulls));
	TM_FailureData failure;
	LockTupleMode lockmode;
	QuotaUpdateIndexes which;
	TM_Result	result;

	ExecForceStoreHeapTuple(newer, slot, false);
	result = table_tuple_update(rel, &(*tuple)->t_self, slot, GetCurrentCommandId(true),
								snapshot, InvalidSnapshot, true,
								&failure, &lockmode, &which);
	if (result == TM_Ok)
	{
		if (quota_update_needs_indexes(which))
			insert_index_entries(rel, slot, which);
		ItemPointerCopy(&slot->tts_tid, &newer->t_self);
		*tuple = newer;
	}
	ExecDropSingleTupleTableSlot(slot);
	return is_done(result, rel);
}

void
quota_update_locked_row(Relation rel, HeapTuple *tuple, int ncolumns, const int *columns,
						const Datum *values)
{
	bool	   *nulls = (bool *) palloc0(sizeof(bool) * ncolumns);

	if (!quota_update_row(rel, tuple, ncolumns, columns, values, nulls, InvalidSnapshot))
		elog(ERROR, "quota: a locked row of %s has changed", RelationGetRelationName(rel));
	pfree(nulls);
}

bool
quota_delete_row(Relation rel, HeapTuple tuple)
{
	TM_FailureData failure;

	return is_done(table_tuple_delete(rel, &tuple->t_self, GetCurrentCommandId(true),
									  InvalidSnapshot, InvalidSnapshot, true, &failure, false),
				   rel);
}

/* The ledger's months have no primary key, and no row that changes. */
static bool
same_primary_key(Relation rel, HeapTuple a, HeapTuple b)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	int			member = -1;
	bool		same = true;

	while (same && (member = bms_next_member(key, member)) >= 0)
	{
		int			attnum = member + FirstLowInvalidHeapAttributeNumber;
		Form_pg_attribute attribute = TupleDescAttr(desc, attnum - 1);

		same = datum_image_eq(quota_attribute(a, desc, attnum), quota_attribute(b, desc, attnum),
							  attribute->attbyval, attribute->attlen);
	}
	bms_free(key);
	return same;
}

bool
quota_lock_row(Relation rel, HeapTuple *tuple, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ItemPointerData tid = (*tuple)->t_self;
	TM_FailureData failure;
	HeapTuple	newest = NULL;

	if (is_done(table_tuple_lock(rel, &tid, snapshot, slot, GetCurrentCommandId(false),
								 LockTupleNoKeyExclusive, LockWaitBlock,
								 TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure), rel))
		newest = ExecCopySlotHeapTuple(slot);
	ExecDropSingleTupleTableSlot(slot);
	if (newest == NULL || !same_primary_key(rel, *tuple, newest))
		return false;
	*tuple = newest;
	return true;
}

bool
quota_lock_row_if_free(Relation rel, HeapTuple tuple, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TM_FailureData failure;
	TM_Result	result = table_tuple_lock(rel, &tuple->t_self, snapshot, slot, GetCurrentCommandId(true),
										  LockTupleNoKeyExclusive, LockWaitSkip, 0, &failure);

	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

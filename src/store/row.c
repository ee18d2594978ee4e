/*-------------------------------------------------------------------------
 *
 * row.c
 *		Single rows of our tables: find, insert, update, without SQL.
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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/row.h"

struct QuotaInserter
{
	EState	   *estate;
	ResultRelInfo *rri;
	TupleTableSlot *slot;
};

HeapTuple
quota_find_row(Relation rel, Oid index, int nkeys, ScanKeyData *keys, Snapshot snapshot)
{
	SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, nkeys, keys);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

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
 * Not ExecSimpleRelationInsert(), which compiles the table's constraints anew for
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
		/* waits for whoever is inserting it */
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

TM_Result
quota_update_row(Relation rel, ItemPointer tid, HeapTuple tuple, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TM_FailureData failure;
	LockTupleMode lockmode;
	QuotaUpdateIndexes which;
	TM_Result	result;

	ExecForceStoreHeapTuple(tuple, slot, false);
	result = table_tuple_update(rel, tid, slot, GetCurrentCommandId(true),
								snapshot, InvalidSnapshot, true,
								&failure, &lockmode, &which);
	if (result == TM_Ok && quota_update_needs_indexes(which))
		insert_index_entries(rel, slot, which);
	ItemPointerCopy(&slot->tts_tid, &tuple->t_self);
	ExecDropSingleTupleTableSlot(slot);
	return result;
}

bool
quota_delete_row(Relation rel, ItemPointer tid)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_delete(rel, tid, GetCurrentCommandId(true), InvalidSnapshot,
								InvalidSnapshot, true, &failure, false);
	if (result == TM_Updated || result == TM_Deleted)
		return false;
	if (result != TM_Ok)
		elog(ERROR, "quota: unexpected result %d of deleting a row", (int) result);
	return true;
}

HeapTuple
quota_lock_row(Relation rel, ItemPointer tid, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TM_FailureData failure;
	TM_Result	result;
	HeapTuple	copy = NULL;

	result = table_tuple_lock(rel, tid, snapshot, slot, GetCurrentCommandId(false),
							  LockTupleNoKeyExclusive, LockWaitBlock,
							  TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	if (result == TM_Ok)
	{
		copy = ExecCopySlotHeapTuple(slot);
		ItemPointerCopy(&slot->tts_tid, tid);
	}
	else if (result != TM_Deleted)
		elog(ERROR, "quota: unexpected result %d of locking a row", (int) result);
	ExecDropSingleTupleTableSlot(slot);
	return copy;
}

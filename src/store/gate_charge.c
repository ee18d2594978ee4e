/*-------------------------------------------------------------------------
 *
 * gate_charge.c
 *		Rows of quota_internal.gate_charge: what rows of gates that remember were charged.
 *
 * A statement may have a million of them, so what is needed for one is kept open for
 * all: the index, the scan, a slot.  One descent of the index costs less than a
 * join that a plan made for ten rows would choose.
 *
 * Two sessions meet here only if they have met at the application's row before: its
 * lock, or its primary key, decides which of them goes on.  Whoever writes without
 * such a row (recount, protect, forget) has a lock on the application's table, or
 * on quota_internal.bucket, that keeps gates out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/gate_charge.h"
#include "store/schema.h"
#include "store/tuple.h"

#define KEY_COLUMNS	3

struct QuotaGateCharges
{
	Oid			target;
	int32		feature_id;
	MemoryContext context;		/* what lasts until they are closed */
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *found;
	TupleTableSlot *written;
	EState	   *estate;
	ResultRelInfo *rri;
};

QuotaGateCharges *
quota_gate_charges_open(Oid target, int32 feature_id)
{
	QuotaGateCharges *charges = (QuotaGateCharges *) palloc0(sizeof(QuotaGateCharges));

	LockRelationOid(quota_relid(QUOTA_BUCKET), RowExclusiveLock);
	charges->context = CurrentMemoryContext;
	charges->target = target;
	charges->feature_id = feature_id;
	charges->rel = table_open(quota_relid(QUOTA_GATE_CHARGE), RowExclusiveLock);
	charges->index = index_open(quota_relid(QUOTA_GATE_CHARGE_PKEY), AccessShareLock);
	charges->scan = quota_index_beginscan(charges->rel, charges->index, SnapshotSelf, KEY_COLUMNS);
	charges->found = table_slot_create(charges->rel, NULL);
	charges->written = table_slot_create(charges->rel, NULL);
	charges->estate = CreateExecutorState();
	charges->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(charges->rri, charges->rel, 0, NULL, 0);
	ExecOpenIndices(charges->rri, false);
	return charges;
}

void
quota_gate_charges_close(QuotaGateCharges *charges)
{
	ExecCloseIndices(charges->rri);
	FreeExecutorState(charges->estate);
	ExecDropSingleTupleTableSlot(charges->written);
	ExecDropSingleTupleTableSlot(charges->found);
	index_endscan(charges->scan);
	index_close(charges->index, NoLock);
	table_close(charges->rel, NoLock);
	pfree(charges);
	CommandCounterIncrement();
}

bool
quota_gate_charge_find(QuotaGateCharges *charges, const char *key, QuotaGateCharge *charge)
{
	ScanKeyData keys[KEY_COLUMNS];
	Datum		text = CStringGetTextDatum(key);
	TupleDesc	desc = RelationGetDescr(charges->rel);
	MemoryContext caller;
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(charges->target));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(charges->feature_id));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_TEXTEQ, text);
	/* the scan keeps lists of its own from one row to the next */
	caller = MemoryContextSwitchTo(charges->context);
	index_rescan(charges->scan, keys, KEY_COLUMNS, NULL, 0);
	found = index_getnext_slot(charges->scan, ForwardScanDirection, charges->found);
	MemoryContextSwitchTo(caller);
	if (found)
	{
		charge->tuple = ExecCopySlotHeapTuple(charges->found);
		charge->tuple->t_self = charges->found->tts_tid;
		charge->amount = DatumGetInt64(quota_attribute(charge->tuple, desc, Anum_gate_charge_amount));
		charge->subject = quota_text_attribute(charge->tuple, desc, Anum_gate_charge_subject);
		ExecClearTuple(charges->found);
	}
	pfree(DatumGetPointer(text));
	return found;
}

void
quota_gate_charge_insert(QuotaGateCharges *charges, const char *key, const char *subject, int64 amount)
{
	TupleTableSlot *slot = charges->written;
	MemoryContext old;

	ExecClearTuple(slot);
	/* for what the insertion computes, and for ours */
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(charges->estate));
	memset(slot->tts_isnull, false, Natts_gate_charge * sizeof(bool));
	slot->tts_values[Anum_gate_charge_target - 1] = ObjectIdGetDatum(charges->target);
	slot->tts_values[Anum_gate_charge_feature_id - 1] = Int32GetDatum(charges->feature_id);
	slot->tts_values[Anum_gate_charge_amount - 1] = Int64GetDatum(amount);
	slot->tts_values[Anum_gate_charge_key - 1] = CStringGetTextDatum(key);
	slot->tts_values[Anum_gate_charge_subject - 1] = CStringGetTextDatum(subject);
	ExecStoreVirtualTuple(slot);
	simple_table_tuple_insert(charges->rel, slot);
	quota_insert_index_tuples_of_new(charges->rri, slot, charges->estate);
	ExecClearTuple(slot);
	MemoryContextSwitchTo(old);
	ResetPerTupleExprContext(charges->estate);
}

static void
require_ok(TM_Result result)
{
	if (result != TM_Ok)
		elog(ERROR, "quota: unexpected result %d of writing a row of quota_internal.gate_charge", (int) result);
}

void
quota_gate_charge_update(QuotaGateCharges *charges, const QuotaGateCharge *charge,
						 const char *subject, int64 amount)
{
	int			columns[2] = {Anum_gate_charge_amount, Anum_gate_charge_subject};
	Datum		values[2] = {Int64GetDatum(amount), CStringGetTextDatum(subject)};
	bool		nulls[2] = {false, false};
	TupleTableSlot *slot = charges->written;
	TM_FailureData failure;
	LockTupleMode lockmode;
	QuotaUpdateIndexes which;
	HeapTuple	tuple;

	tuple = heap_modify_tuple_by_cols(charge->tuple, RelationGetDescr(charges->rel), 2, columns, values, nulls);
	ExecForceStoreHeapTuple(tuple, slot, false);
	require_ok(table_tuple_update(charges->rel, &charge->tuple->t_self, slot, GetCurrentCommandId(true),
								  InvalidSnapshot, InvalidSnapshot, true, &failure, &lockmode, &which));
	if (quota_update_needs_indexes(which))
		quota_insert_index_tuples(charges->rri, slot, charges->estate, which);
	ExecClearTuple(slot);
	ResetPerTupleExprContext(charges->estate);
}

void
quota_gate_charge_delete(QuotaGateCharges *charges, const QuotaGateCharge *charge)
{
	TM_FailureData failure;

	require_ok(table_tuple_delete(charges->rel, &charge->tuple->t_self, GetCurrentCommandId(true),
								  InvalidSnapshot, InvalidSnapshot, true, &failure, false));
}

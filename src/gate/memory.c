/*-------------------------------------------------------------------------
 *
 * memory.c
 *		What rows of a gate that remembers add to a tally.
 *
 * An old row is nothing but its key here.  What it gives back is what
 * quota_internal.gate_charge says that it was charged, to the subject that was; its
 * expressions are not computed, so it does not matter what they would say now.
 *
 * A row that comes with a key that is remembered takes the place of one that
 * went without an event: with the partition it was in, or while the trigger was
 * disabled.  It gives back what that one had.
 *
 * With refund never only growth over the most that a row was ever worth is charged,
 * and to the new owner, as without memory.  That most is what is remembered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "gate/memory.h"
#include "store/gate_charge.h"

struct QuotaMemory
{
	QuotaVisit *visit;
	QuotaGate  *gate;
	QuotaKey   *key;
	QuotaGateCharges *charges;
	int32		feature_id;
	bool		gives_back;
	bool		nets;			/* what goes gives back to what comes, whatever the gate says */
	int64		nunknown;		/* rows that went of which nothing was remembered */
	Tuplestorestate *old_keys;	/* (key) of the old rows of an UPDATE */
	Tuplestorestate *moved;		/* (key, subject, amount) of rows whose key has changed */
	Tuplestorestate *written;	/* (key, subject) of what may have to be corrected; or NULL */
	TupleTableSlot *key_slot;
	TupleTableSlot *moved_slot;
	TupleTableSlot *written_slot;
};

/* ---- rows between two passes ---- */

static TupleTableSlot *
make_slot(int ntexts, bool amount)
{
	TupleDesc	desc = CreateTemplateTupleDesc(ntexts + (amount ? 1 : 0));

	for (int i = 1; i <= ntexts; i++)
		TupleDescInitEntry(desc, (AttrNumber) i, "text", TEXTOID, -1, 0);
	if (amount)
		TupleDescInitEntry(desc, (AttrNumber) (ntexts + 1), "amount", INT8OID, -1, 0);
	return MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

static void
put(Tuplestorestate *store, TupleTableSlot *slot, const char *key, const char *subject, int64 amount)
{
	Datum		values[3] = {
		CStringGetTextDatum(key), subject ? CStringGetTextDatum(subject) : (Datum) 0, Int64GetDatum(amount)
	};
	bool		nulls[3] = {false, false, false};

	tuplestore_putvalues(store, slot->tts_tupleDescriptor, values, nulls);
}

static char *
text_of(TupleTableSlot *slot, int attnum)
{
	bool		isnull;

	return TextDatumGetCString(slot_getattr(slot, attnum, &isnull));
}

/* ---- one row ---- */

static void
give(QuotaMemory *memory, const QuotaGateCharge *charge)
{
	QuotaPayer *payer;

	if (!memory->gives_back && !memory->nets)
		return;
	payer = quota_tally_old_payer(memory->visit->tally, CStringGetTextDatum(charge->subject), false);
	QuotaEnsure(payer != NULL && charge->amount >= 0);
	quota_payer_give(payer, charge->amount);
}

/* In a tree in which a key need not be one row's, one row can be met twice. */
static void
see_own(const QuotaMemory *memory)
{
	if (memory->key->by_chance)
		CommandCounterIncrement();
}

/* Remembers a row that nothing was remembered of under its key. */
static void
remember(QuotaMemory *memory, const char *key, const char *subject, int64 amount)
{
	QuotaGateCharge gone;

	if (!quota_gate_charge_find(memory->charges, key, &gone))
		quota_gate_charge_insert(memory->charges, key, subject, amount);
	else
	{
		if (memory->key->by_chance)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("a row with primary key %s is remembered already for feature \"%s\"",
							key, memory->gate->feature),
					 errdetail("Tables that inherit from one another are remembered by one key."),
					 errhint("If that row is gone, quota.recount() forgets it.")));
		give(memory, &gone);
		quota_gate_charge_update(memory->charges, &gone, subject, amount);
	}
	see_own(memory);
	if (memory->written)
		put(memory->written, memory->written_slot, key, subject, 0);
}

static void
come(const QuotaRowValue *row, void *state)
{
	QuotaMemory *memory = (QuotaMemory *) state;
	int64		amount = quota_new_amount(memory->visit, row);
	QuotaPayer *payer = quota_new_payer(memory->visit, row);

	quota_payer_take(payer, amount);
	remember(memory, row->key, payer->subject, amount);
}

static void
go(const QuotaRowValue *row, void *state)
{
	QuotaMemory *memory = (QuotaMemory *) state;
	QuotaGateCharge charge;

	if (!quota_gate_charge_find(memory->charges, row->key, &charge))
	{
		memory->nunknown++;
		return;
	}
	give(memory, &charge);
	quota_gate_charge_delete(memory->charges, &charge);
	see_own(memory);
}

/*
 * What a row is charged that was charged "old" (NULL: nothing) and is worth the
 * amount now; returns what is to be remembered of it.
 */
static int64
take_difference(QuotaMemory *memory, const QuotaGateCharge *old, QuotaPayer *payer, int64 amount)
{
	if (memory->gives_back)
	{
		if (old)
			give(memory, old);
		quota_payer_take(payer, amount);
		return amount;
	}
	if (old && amount <= old->amount)
		return old->amount;
	quota_payer_take(payer, amount - (old ? old->amount : 0));
	return amount;
}

static void
change(const QuotaRowValue *row, void *state)
{
	QuotaMemory *memory = (QuotaMemory *) state;
	QuotaVisit *visit = memory->visit;
	QuotaGateCharge old;
	QuotaPayer *payer;
	const char *old_key;
	const char *subject;
	int64		amount;
	bool		known;

	if (!tuplestore_gettupleslot(memory->old_keys, true, false, memory->key_slot))
		elog(ERROR, "quota: an updated row has no old version");
	old_key = text_of(memory->key_slot, 1);
	ExecClearTuple(memory->key_slot);
	known = quota_gate_charge_find(memory->charges, old_key, &old);
	/* a row that counted for nothing may go on so: it can be from before the gate */
	if (!known && (!quota_has_amount(row) ||
				   quota_tally_old_payer(visit->tally, row->subject, row->no_subject) == NULL))
		return;
	amount = quota_new_amount(visit, row);
	/* its parent may have gone first: who was charged goes on */
	payer = known && row->no_subject ?
		quota_tally_payer(visit->tally, CStringGetTextDatum(old.subject)) : quota_new_payer(visit, row);
	amount = take_difference(memory, known ? &old : NULL, payer, amount);
	/* a move alone charges nobody, where nothing is given back */
	subject = known && !memory->gives_back && amount == old.amount ? old.subject : payer->subject;

	if (strcmp(old_key, row->key) != 0)
	{
		/* another row of the statement may have had the new key until now */
		if (known)
			quota_gate_charge_delete(memory->charges, &old);
		put(memory->moved, memory->moved_slot, row->key, subject, amount);
	}
	else if (!known)
		remember(memory, row->key, subject, amount);
	else if (amount != old.amount || strcmp(subject, old.subject) != 0)
	{
		quota_gate_charge_update(memory->charges, &old, subject, amount);
		if (memory->written)
			put(memory->written, memory->written_slot, row->key, subject, 0);
	}
	see_own(memory);
}

/* ---- events ---- */

QuotaMemory *
quota_memory_begin(QuotaVisit *visit, QuotaGate *gate, const QuotaFeature *feature)
{
	QuotaMemory *memory = (QuotaMemory *) palloc0(sizeof(QuotaMemory));

	memory->visit = visit;
	memory->gate = gate;
	memory->feature_id = feature->id;
	memory->gives_back = quota_gate_gives_back(gate, feature);
	memory->key = quota_key_of(visit->rel, gate->feature);
	memory->charges = quota_gate_charges_open(memory->key->table, memory->feature_id);
	/* a capacity is counted for everybody, and what is never given back need not be exact */
	if (memory->gives_back && feature->kind != QUOTA_CAPACITY)
	{
		memory->written = tuplestore_begin_heap(false, false, work_mem);
		memory->written_slot = make_slot(2, false);
	}
	return memory;
}

void
quota_memory_come(QuotaMemory *memory, Tuplestorestate *rows)
{
	quota_gate_visit(memory->gate, memory->visit->rel, rows, false, memory->key, come, memory);
}

void
quota_memory_go(QuotaMemory *memory, Tuplestorestate *rows)
{
	quota_gate_visit_keys(memory->gate, memory->visit->rel, rows, memory->key, go, memory);
}

static void
keep_key(const QuotaRowValue *row, void *state)
{
	QuotaMemory *memory = (QuotaMemory *) state;

	put(memory->old_keys, memory->key_slot, row->key, NULL, 0);
}

/* Rows whose key has changed, when all old keys are gone. */
static void
remember_moved(QuotaMemory *memory)
{
	while (tuplestore_gettupleslot(memory->moved, true, false, memory->moved_slot))
	{
		bool		isnull;
		char	   *key = text_of(memory->moved_slot, 1);
		char	   *subject = text_of(memory->moved_slot, 2);

		CHECK_FOR_INTERRUPTS();
		remember(memory, key, subject, DatumGetInt64(slot_getattr(memory->moved_slot, 3, &isnull)));
		pfree(key);
		pfree(subject);
	}
}

void
quota_memory_change(QuotaMemory *memory, Tuplestorestate *old_rows, Tuplestorestate *new_rows)
{
	/* what moves gives back and takes like one that goes and one that comes */
	if (tuplestore_tuple_count(old_rows) != tuplestore_tuple_count(new_rows))
	{
		memory->nets = true;
		quota_memory_go(memory, old_rows);
		quota_memory_come(memory, new_rows);
		return;
	}
	memory->old_keys = tuplestore_begin_heap(false, false, work_mem);
	memory->key_slot = make_slot(1, false);
	memory->moved = tuplestore_begin_heap(false, false, work_mem);
	memory->moved_slot = make_slot(2, true);
	quota_gate_visit_keys(memory->gate, memory->visit->rel, old_rows, memory->key, keep_key, memory);
	quota_gate_visit(memory->gate, memory->visit->rel, new_rows, false, memory->key, change, memory);
	remember_moved(memory);
	ExecDropSingleTupleTableSlot(memory->moved_slot);
	tuplestore_end(memory->moved);
	ExecDropSingleTupleTableSlot(memory->key_slot);
	tuplestore_end(memory->old_keys);
}

void
quota_memory_truncate(QuotaMemory *memory)
{
	QuotaGate	keys_alone = *memory->gate;

	keys_alone.subject = "NULL";
	keys_alone.amount = "0";
	/* its lock came after the statement's snapshot */
	quota_gate_visit_table(&keys_alone, memory->visit->rel, memory->visit->rel, GetLatestSnapshot(),
						   memory->key, go, memory);
}

void
quota_memory_end(QuotaMemory *memory)
{
	quota_gate_charges_close(memory->charges);
	if (memory->nunknown > 0 && memory->gives_back)
		ereport(WARNING,
				(errmsg("nothing is remembered of rows of table \"%s\": nothing of feature \"%s\" is given back for them",
						RelationGetRelationName(memory->visit->rel), memory->gate->feature),
				 errdetail("Rows: " INT64_FORMAT ".", memory->nunknown),
				 errhint("They came while the gate's triggers did not fire. quota.recount() compares the counts with the rows.")));
}

void
quota_memory_correct(QuotaMemory *memory)
{
	QuotaGateCharges *charges;

	if (memory->written == NULL)
		return;
	charges = quota_gate_charges_open(memory->key->table, memory->feature_id);
	while (tuplestore_gettupleslot(memory->written, true, false, memory->written_slot))
	{
		char	   *key = text_of(memory->written_slot, 1);
		char	   *subject = text_of(memory->written_slot, 2);
		QuotaPayer *payer = quota_tally_old_payer(memory->visit->tally, CStringGetTextDatum(subject), false);
		QuotaGateCharge charge;

		if (payer != NULL && payer->unbooked && quota_gate_charge_find(charges, key, &charge))
			quota_gate_charge_update(charges, &charge, subject, 0);
		pfree(key);
		pfree(subject);
	}
	quota_gate_charges_close(charges);
	ExecDropSingleTupleTableSlot(memory->written_slot);
	tuplestore_end(memory->written);
}

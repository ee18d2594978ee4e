/*-------------------------------------------------------------------------
 *
 * trigger.c
 *		quota.gate(): a table's rows are charged by what is finally stored.
 *
 * At statement level it reads the transition tables and charges every subject
 * once; at row level it does the same for one row.  BEFORE triggers see rows that
 * are never stored, so only TRUNCATE, whose rows nobody sees afterwards, has one.
 *
 * With refund on_decrease the use is the sum over the rows: old rows give back, new
 * ones take.  With never only growth is charged, row by row, to the new owner.
 *
 * Queries in the expressions see, for old rows, what the statement sees: a
 * cascade's parent is still there.  For new rows they also see what the statement
 * has done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "api/call.h"
#include "gate/apply.h"
#include "gate/memory.h"
#include "gate/visit.h"

PG_FUNCTION_INFO_V1(quota_sql_gate);

/* One event's rows. */
typedef struct Rows
{
	Tuplestorestate *old;		/* or NULL */
	Tuplestorestate *new;		/* or NULL */
} Rows;

/* ---- what fired, and may it? ---- */

static void
wrong_trigger(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("quota.gate() %s", what),
			 errhint("Let quota.protect() create the triggers, or declare one for each event: AFTER INSERT ... REFERENCING NEW TABLE AS n FOR EACH STATEMENT, AFTER UPDATE with OLD TABLE and NEW TABLE, AFTER DELETE with OLD TABLE, BEFORE TRUNCATE; or AFTER INSERT OR UPDATE OR DELETE ... FOR EACH ROW.")));
}

static void
require_timing(const TriggerData *data)
{
	TriggerEvent event = data->tg_event;

	if (TRIGGER_FIRED_BY_TRUNCATE(event))
	{
		if (!TRIGGER_FIRED_BEFORE(event))
			wrong_trigger("must be fired BEFORE TRUNCATE, to see the rows that go");
		return;
	}
	if (!TRIGGER_FIRED_AFTER(event))
		wrong_trigger("must be fired AFTER the event, for only what is finally stored is charged");
	if (TRIGGER_FIRED_FOR_STATEMENT(event) &&
		((!TRIGGER_FIRED_BY_DELETE(event) && data->tg_newtable == NULL) ||
		 (!TRIGGER_FIRED_BY_INSERT(event) && data->tg_oldtable == NULL)))
		wrong_trigger("needs the transition tables of the event when it is fired FOR EACH STATEMENT");
}

static Tuplestorestate *
store_row(TupleTableSlot *slot)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);

	tuplestore_puttupleslot(store, slot);
	return store;
}

static Rows
rows_of(const TriggerData *data)
{
	Rows		rows = {data->tg_oldtable, data->tg_newtable};

	if (TRIGGER_FIRED_FOR_STATEMENT(data->tg_event))
		return rows;
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		rows.new = store_row(data->tg_trigslot);
	else
		rows.old = store_row(data->tg_trigslot);
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		rows.new = store_row(data->tg_newslot);
	return rows;
}

/* ---- old rows and new ones that belong together ---- */

/* Old rows are remembered in a tuplestore, which new ones are read along with. */
typedef struct Pairing
{
	QuotaVisit	visit;
	bool		gives_back;
	Tuplestorestate *old_rows;	/* (payer, amount); NULL: none that counts */
	TupleTableSlot *slot;
} Pairing;

static void
remember_old(const QuotaRowValue *row, void *state)
{
	Pairing    *pairing = (Pairing *) state;
	QuotaPayer *payer = quota_tally_old_payer(pairing->visit.tally, row->subject, row->no_subject);
	Datum		values[2];
	bool		nulls[2] = {false, false};

	values[0] = Int64GetDatum((int64) (uintptr_t) payer);
	values[1] = Int64GetDatum(row->amount);
	nulls[1] = !quota_has_amount(row);
	tuplestore_putvalues(pairing->old_rows, pairing->slot->tts_tupleDescriptor, values, nulls);
}

static void
compare_with_old(const QuotaRowValue *row, void *state)
{
	Pairing    *pairing = (Pairing *) state;
	QuotaVisit *visit = &pairing->visit;
	QuotaPayer *old_payer = NULL;
	int64		old_amount = 0;
	bool		had_amount = true;
	int64		amount;

	if (tuplestore_gettupleslot(pairing->old_rows, true, false, pairing->slot))
	{
		bool		isnull;

		old_payer = (QuotaPayer *) (uintptr_t) DatumGetInt64(slot_getattr(pairing->slot, 1, &isnull));
		old_amount = DatumGetInt64(slot_getattr(pairing->slot, 2, &isnull));
		had_amount = !isnull;
		/* what was read from disk is in a context that may not last as long */
		ExecClearTuple(pairing->slot);
	}
	/* a row that counted for nothing may go on so: it can be from before the gate */
	amount = had_amount || quota_has_amount(row) ? quota_new_amount(visit, row) : 0;
	if (!pairing->gives_back)
	{
		/* a move alone charges nobody */
		if (amount > old_amount)
			quota_payer_take(quota_new_payer(visit, row), amount - old_amount);
		return;
	}
	/* and nobody's row stays nobody's, as long as it does not grow */
	if (old_payer == NULL && amount <= old_amount &&
		quota_tally_old_payer(visit->tally, row->subject, row->no_subject) == NULL)
		return;
	quota_payer_take(quota_new_payer(visit, row), amount);
	if (old_payer != NULL)
		quota_payer_give(old_payer, old_amount);
	else
		quota_visit_lost(visit, old_amount);
}

static void
tally_pairs(Pairing *pairing, QuotaGate *gate, Relation rel, const Rows *rows)
{
	TupleDesc	desc = CreateTemplateTupleDesc(2);

	TupleDescInitEntry(desc, 1, "payer", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 2, "amount", INT8OID, -1, 0);
	pairing->old_rows = tuplestore_begin_heap(false, false, work_mem);
	pairing->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	quota_gate_visit(gate, rel, rows->old, true, NULL, remember_old, pairing);
	quota_gate_visit(gate, rel, rows->new, false, NULL, compare_with_old, pairing);
	ExecDropSingleTupleTableSlot(pairing->slot);
	tuplestore_end(pairing->old_rows);
}

/* ---- the trigger ---- */

static void
tally_event(const TriggerData *data, QuotaGate *gate, Pairing *pairing)
{
	QuotaVisit *visit = &pairing->visit;
	Relation	rel = data->tg_relation;
	Rows		rows;

	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
	{
		/* its lock came after the statement's snapshot */
		quota_gate_visit_table(gate, rel, rel, GetLatestSnapshot(), NULL, quota_visit_old, visit);
		return;
	}
	rows = rows_of(data);
	/*
	 * A move to another partition whose BEFORE INSERT trigger drops the row leaves
	 * an old row without a new one.  Then rows are not compared one by one, but
	 * their sums.
	 */
	if (rows.old && rows.new && tuplestore_tuple_count(rows.old) == tuplestore_tuple_count(rows.new))
	{
		tally_pairs(pairing, gate, rel, &rows);
		return;
	}
	if (rows.old)
		quota_gate_visit(gate, rel, rows.old, true, NULL, quota_visit_old, visit);
	if (rows.new)
		quota_gate_visit(gate, rel, rows.new, false, NULL, quota_visit_new, visit);
}

/* The same of a gate that remembers. */
static void
tally_by_memory(const TriggerData *data, QuotaMemory *memory)
{
	Rows		rows;

	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
	{
		quota_memory_truncate(memory);
		return;
	}
	rows = rows_of(data);
	if (rows.old && rows.new)
		quota_memory_change(memory, rows.old, rows.new);
	else if (rows.old)
		quota_memory_go(memory, rows.old);
	else
		quota_memory_come(memory, rows.new);
}

static void
charge_by_memory(const TriggerData *data, QuotaGate *gate, const QuotaFeature *feature)
{
	QuotaVisit	visit;
	QuotaMemory *memory;

	quota_prevent_if_not_writable("quota.gate()");
	quota_visit_begin(&visit, gate, data->tg_relation);
	memory = quota_memory_begin(&visit, gate, feature);
	tally_by_memory(data, memory);
	quota_memory_end(memory);
	quota_gate_apply(gate, feature, data->tg_relation, visit.tally);
	quota_memory_correct(memory);
}

static void
charge_by_rows(const TriggerData *data, QuotaGate *gate, const QuotaFeature *feature)
{
	Pairing		pairing = {0};

	pairing.gives_back = quota_gate_gives_back(gate, feature);
	if (!pairing.gives_back &&
		(TRIGGER_FIRED_BY_DELETE(data->tg_event) || TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)))
		return;
	quota_visit_begin(&pairing.visit, gate, data->tg_relation);
	tally_event(data, gate, &pairing);
	quota_visit_end(&pairing.visit, "given back",
					"quota.recount() compares the counts with the rows.");
	quota_gate_apply(gate, feature, data->tg_relation, pairing.visit.tally);
}

Datum
quota_sql_gate(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (const TriggerData *) fcinfo->context;
	const QuotaFeature *feature;
	MemoryContext context;
	MemoryContext caller;
	QuotaGate  *gate;

	if (!CALLED_AS_TRIGGER(fcinfo))
		wrong_trigger("can only be called as a trigger");
	require_timing(data);
	gate = quota_gate_of(data->tg_trigger);
	feature = quota_gate_feature(gate);

	context = AllocSetContextCreate(CurrentMemoryContext, "quota gate", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	if (gate->remember)
		charge_by_memory(data, gate, feature);
	else
		charge_by_rows(data, gate, feature);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return PointerGetDatum(NULL);
}

/*-------------------------------------------------------------------------
 *
 * protect.c
 *		quota.protect(): makes a gate of a table.
 *
 * Statement triggers fire on the table that the statement names, so every table
 * of an inheritance tree gets its own: whichever is named, its triggers see all the
 * rows, and no others fire.
 *
 * The triggers are created as the extension's owner, because nobody else may use
 * gate() in one: its expressions run as the table's owner, and a role that may only
 * create triggers would become that owner.  The caller is checked to be the owner
 * first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/args.h"
#include "base/compat.h"
#include "gate/protect.h"
#include "gate/visit.h"
#include "store/schema.h"
#include "store/sql.h"

PG_FUNCTION_INFO_V1(quota_sql_protect);
PG_FUNCTION_INFO_V1(quota_sql_unprotect);

#define LONGEST_SUFFIX	"_truncate"

bool
quota_has_gate(Relation rel, const char *feature, bool clones)
{
	Oid			function = quota_gate_function();

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgfoid == function && trigger->tgnargs > 0 && (clones || !trigger->tgisclone) &&
			strcmp(trigger->tgargs[0], feature) == 0)
			return true;
	}
	return false;
}

void
quota_require_protectable(Relation rel)
{
	const char *why = NULL;

	if (rel->rd_rel->relkind == RELKIND_VIEW || rel->rd_rel->relkind == RELKIND_MATVIEW)
		why = "It is a view: protect the tables in which its rows are stored.";
	else if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		why = "It is a foreign table, of which there are no transition tables: protect the table where its rows are stored.";
	else if (rel->rd_rel->relkind != RELKIND_RELATION &&
			 rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		why = "It is not a table.";
	else if (IsSystemRelation(rel) || RelationGetRelid(rel) < FirstNormalObjectId)
		why = "It belongs to the system catalog.";
	else if (RelationGetNamespace(rel) == get_namespace_oid("quota_internal", false))
		why = "It belongs to quota itself.";
	if (why)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot be protected", RelationGetRelationName(rel)),
				 errdetail("%s", why)));
}

/* ---- triggers ---- */

/* What the names of a gate's triggers begin with; long features are cut. */
static const char *
gate_name(const char *feature)
{
	int			room = NAMEDATALEN - 1 - (int) strlen("quota_" LONGEST_SUFFIX);
	int			len = (int) strlen(feature);

	if (len <= room)
		return psprintf("quota_%s", feature);
	return psprintf("quota_%.*s_%08x", room - 9, feature,
					hash_bytes((const unsigned char *) feature, len));
}

/* The triggers of a gate: when they fire, and which rows they see. */
typedef struct Event
{
	int16		type;
	const char *suffix;
	const char *when;
	const char *rows;
} Event;

static const Event events[] = {
	{TRIGGER_TYPE_INSERT, "_insert", "AFTER INSERT", "REFERENCING NEW TABLE AS new_rows"},
	{TRIGGER_TYPE_UPDATE, "_update", "AFTER UPDATE",
	"REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"},
	{TRIGGER_TYPE_DELETE, "_delete", "AFTER DELETE", "REFERENCING OLD TABLE AS old_rows"},
	{TRIGGER_TYPE_TRUNCATE, LONGEST_SUFFIX, "BEFORE TRUNCATE", ""},
};

static void
create_trigger(Relation rel, const char *name, const Event *event, int nargs, char *const *args)
{
	const char *table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												   RelationGetRelationName(rel));
	StringInfoData command;
	QuotaIdentity caller;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE TRIGGER %s %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION quota.gate(",
					 quote_identifier(name), event->when, table, event->rows);
	for (int i = 0; i < nargs; i++)
		appendStringInfo(&command, "%s%s", i > 0 ? ", " : "", quote_literal_cstr(args[i]));
	appendStringInfoChar(&command, ')');
	quota_sql_begin(&caller);
	quota_sql_command(command.data);
	quota_sql_end(&caller);
	CommandCounterIncrement();
}

void
quota_copy_gate_trigger(Relation rel, const Trigger *trigger)
{
	for (int i = 0; i < (int) lengthof(events); i++)
	{
		if (events[i].type == (trigger->tgtype & TRIGGER_TYPE_EVENT_MASK))
			create_trigger(rel, trigger->tgname, &events[i], trigger->tgnargs, trigger->tgargs);
	}
}

/*
 * All triggers of a gate; returns what their names begin with.  Rows that go matter to
 * one that gives back, and to one that remembers them.
 */
static const char *
create_gate(Relation rel, const QuotaGate *gate, int nargs, char *const *args)
{
	const char *name = gate_name(args[0]);

	for (int i = 0; i < (int) lengthof(events); i++)
	{
		if (strcmp(gate->refund, "on_decrease") == 0 || gate->remember || events[i].type == TRIGGER_TYPE_INSERT || events[i].type == TRIGGER_TYPE_UPDATE)
			create_trigger(rel, psprintf("%s%s", name, events[i].suffix), &events[i], nargs, args);
	}
	return name;
}

Datum
quota_oid_array(const List *oids)
{
	Datum	   *values = (Datum *) palloc(sizeof(Datum) * Max(list_length(oids), 1));
	const ListCell *cell;

	foreach(cell, oids)
		values[foreach_current_index(cell)] = ObjectIdGetDatum(lfirst_oid(cell));
	return PointerGetDatum(construct_array(values, list_length(oids), OIDOID, sizeof(Oid), true,
										   TYPALIGN_INT));
}

void
quota_count_present(List *tables, const char *feature)
{
	static QuotaStatement count = {
		.text = "SELECT quota_internal._gate_count_present($1, $2)",
		.nparams = 2,
		.types = {OIDARRAYOID, TEXTOID}
	};
	Datum		values[2] = {quota_oid_array(tables), CStringGetTextDatum(feature)};
	QuotaIdentity caller;

	quota_sql_begin(&caller);
	(void) quota_sql_execute(&count, values, NULL);
	quota_sql_end(&caller);
}

/* ---- protect() ---- */

static void
require_owner(Relation rel)
{
	if (!quota_owns_relation(RelationGetRelid(rel), GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
}

/* May this table get the gate? 42501, 42809, 42710. */
static void
require_free(Relation rel, const char *feature)
{
	require_owner(rel);
	quota_require_protectable(rel);
	if (quota_has_gate(rel, feature, true))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table \"%s\" has a gate of feature \"%s\" already",
						RelationGetRelationName(rel), feature),
				 errhint("Take it off with quota.unprotect() first.")));
}

/*
 * Without being remembered, a row gives back what the expressions say when it goes.
 * 22023 where that cannot be what it was charged; a NOTICE where it need not be.
 */
static void
require_steady(const QuotaGate *gate, Relation rel)
{
	QuotaDrift	drift = quota_gate_drift(gate, rel);

	if (drift.by_itself)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rows of table \"%s\" would not give back what they were charged: %s",
						RelationGetRelationName(rel), drift.by_itself),
				 errhint("With remember => true they do. A function that says the same every time can be declared IMMUTABLE or STABLE.")));
	if (drift.by_others)
		ereport(NOTICE,
				(errmsg("rows of table \"%s\" may not give back what they were charged: %s",
						RelationGetRelationName(rel), drift.by_others),
				 errhint("Whoever changes what is read there updates the rows in the same transaction, or the table is protected with remember => true.")));
}

Datum
quota_sql_protect(PG_FUNCTION_ARGS)
{
	char	   *args[QUOTA_GATE_ARGUMENTS];
	int			nargs;
	const QuotaFeature *feature;
	const char *name = NULL;
	QuotaGate	gate;
	Relation	rel;
	List	   *members;
	ListCell   *cell;

	args[0] = quota_arg_feature(fcinfo, 1);
	args[1] = quota_arg_text(fcinfo, 2, "subject", QUOTA_MAX_EXPRESSION_BYTES);
	args[2] = quota_arg_text(fcinfo, 3, "amount", QUOTA_MAX_EXPRESSION_BYTES);
	args[4] = quota_arg_text(fcinfo, 5, "exceed", NAMEDATALEN);
	args[3] = PG_ARGISNULL(4) ? pstrdup("never") :
		quota_arg_text(fcinfo, 4, "refund", NAMEDATALEN);
	args[5] = pstrdup(QUOTA_GATE_REMEMBER);
	nargs = quota_arg_bool(fcinfo, 6, "remember") ? 6 : 5;
	PreventCommandIfReadOnly("quota.protect()");

	rel = quota_arg_relation(fcinfo, 0, "target", ShareRowExclusiveLock);
	quota_gate_declare(nargs, args, &gate);
	require_free(rel, args[0]);
	feature = quota_gate_feature(&gate);
	if (PG_ARGISNULL(4) && feature->kind == QUOTA_CAPACITY)
		args[3] = pstrdup("on_decrease");
	quota_gate_declare(nargs, args, &gate);
	/* errors of the expressions come now, not at the first row */
	quota_gate_try(&gate, rel);
	if (!gate.remember)
		require_steady(&gate, rel);

	members = find_all_inheritors(RelationGetRelid(rel), ShareRowExclusiveLock, NULL);
	foreach(cell, members)
	{
		Relation	member = relation_open(lfirst_oid(cell), NoLock);

		require_free(member, args[0]);
		name = create_gate(member, &gate, nargs, args);
		relation_close(member, NoLock);
	}
	quota_count_present(members, args[0]);
	relation_close(rel, NoLock);
	return DirectFunctionCall1(namein, CStringGetDatum(name));
}

/* ---- unprotect() ---- */

/* Drops a table's triggers of the gate, and what they remembered; the clones of row triggers go with the original. */
static int
drop_gate(Relation rel, const char *feature)
{
	static QuotaStatement forget = {
		.text = "DELETE FROM quota_internal.gate_charge c USING quota_internal.feature f "
		"WHERE c.target OPERATOR(pg_catalog.=) $1 AND f.name OPERATOR(pg_catalog.=) $2 "
		"AND c.feature_id OPERATOR(pg_catalog.=) f.id",
		.nparams = 2,
		.types = {OIDOID, TEXTOID}
	};
	Datum		values[2] = {ObjectIdGetDatum(RelationGetRelid(rel)), CStringGetTextDatum(feature)};
	Oid			function = quota_gate_function();
	List	   *names = NIL;
	ListCell   *cell;
	QuotaIdentity caller;

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (trigger->tgfoid == function && trigger->tgnargs > 0 && !trigger->tgisclone &&
			strcmp(trigger->tgargs[0], feature) == 0)
			names = lappend(names, pstrdup(trigger->tgname));
	}
	if (names == NIL)
		return 0;
	require_owner(rel);
	quota_sql_begin(&caller);
	foreach(cell, names)
	{
		char	   *command = psprintf("DROP TRIGGER %s ON %s", quote_identifier((char *) lfirst(cell)),
									   quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
																  RelationGetRelationName(rel)));

		quota_sql_command(command);
	}
	(void) quota_sql_execute(&forget, values, NULL);
	quota_sql_end(&caller);
	return list_length(names);
}

Datum
quota_sql_unprotect(PG_FUNCTION_ARGS)
{
	const char *feature = quota_arg_feature(fcinfo, 1);
	Relation	rel;
	ListCell   *cell;
	int			ndropped = 0;

	PreventCommandIfReadOnly("quota.unprotect()");
	rel = quota_arg_relation(fcinfo, 0, "target", AccessExclusiveLock);
	require_owner(rel);
	LockRelationOid(quota_relid(QUOTA_BUCKET), RowExclusiveLock);
	foreach(cell, find_all_inheritors(RelationGetRelid(rel), AccessExclusiveLock, NULL))
	{
		Relation	member = relation_open(lfirst_oid(cell), NoLock);

		ndropped += drop_gate(member, feature);
		relation_close(member, NoLock);
	}
	if (ndropped == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no gate of feature \"%s\"",
						RelationGetRelationName(rel), feature)));
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}

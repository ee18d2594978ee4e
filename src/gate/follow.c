/*-------------------------------------------------------------------------
 *
 * follow.c
 *		The event trigger that gives a new partition the gates of its parent.
 *
 * It also keeps what is remembered of a table's rows theirs, when the table comes
 * into a tree or leaves it.
 *
 * PostgreSQL clones row triggers to partitions, but not statement triggers.  It
 * looks only at commands that put a table into an inheritance tree; a dump that is
 * being restored does that before it creates triggers, and creates those of every
 * table by itself.
 *
 * Only a parent of the same owner hands its gates down, for their expressions run
 * as the owner of the table that they are on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "gate/key.h"
#include "gate/protect.h"
#include "store/sql.h"

PG_FUNCTION_INFO_V1(quota_sql_gates_follow);

/*
 * The table that a command has put into an inheritance tree, or NULL.  Analysis
 * has put into CREATE TABLE the schema that the table came into.
 */
static const RangeVar *
new_member(const Node *command)
{
	ListCell   *cell;

	/* CREATE FOREIGN TABLE begins with a CREATE TABLE */
	if (IsA(command, CreateStmt) || IsA(command, CreateForeignTableStmt))
	{
		const CreateStmt *create = (const CreateStmt *) command;

		return create->inhRelations != NIL ? create->relation : NULL;
	}
	if (!IsA(command, AlterTableStmt))
		return NULL;
	foreach(cell, ((const AlterTableStmt *) command)->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

		if (cmd->subtype == AT_AttachPartition)
			return ((const PartitionCmd *) cmd->def)->name;
		if (cmd->subtype == AT_AddInherit)
			return ((const AlterTableStmt *) command)->relation;
	}
	return NULL;
}

static List *
parents_of(Oid relid)
{
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	List	   *parents = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

/* Is it part of a gate, and for statements?  Those for rows PostgreSQL hands down. */
static bool
is_handed_down(const Trigger *trigger, Oid function)
{
	return trigger->tgfoid == function && trigger->tgnargs > 0 && !TRIGGER_FOR_ROW(trigger->tgtype);
}

/* Gives one table what its parent has of a gate; false if it has one, or may not have it. */
static bool
hand_down_to(Oid relid, Relation parent, const TriggerDesc *triggers, const char *feature, Oid function)
{
	Relation	member = relation_open(relid, ShareRowExclusiveLock);
	bool		created = false;

	if (!quota_has_gate(member, feature, false))
	{
		created = member->rd_rel->relowner == parent->rd_rel->relowner;
		if (!created)
			ereport(WARNING,
					(errmsg("table \"%s\" does not get the gate of feature \"%s\" that \"%s\" has",
							RelationGetRelationName(member), feature,
							RelationGetRelationName(parent)),
					 errdetail("It belongs to another role."),
					 errhint("Its owner can protect it with quota.protect().")));
	}
	if (created)
	{
		quota_require_protectable(member);
		for (int i = 0; i < triggers->numtriggers; i++)
		{
			const Trigger *trigger = &triggers->triggers[i];

			if (is_handed_down(trigger, function) && strcmp(trigger->tgargs[0], feature) == 0)
				quota_copy_gate_trigger(member, trigger);
		}
	}
	relation_close(member, NoLock);
	return created;
}

/* Is it the first trigger of a gate that is handed down? */
static bool
begins_gate(const TriggerDesc *triggers, int at, Oid function)
{
	const Trigger *trigger = &triggers->triggers[at];

	if (!is_handed_down(trigger, function))
		return false;
	for (int i = 0; i < at; i++)
	{
		const Trigger *earlier = &triggers->triggers[i];

		if (is_handed_down(earlier, function) && strcmp(earlier->tgargs[0], trigger->tgargs[0]) == 0)
			return false;
	}
	return true;
}

/* What was remembered of these tables' rows by the key of one table is known by another's. */
static void
know_by(List *members, const char *feature, Oid was, Oid becomes)
{
	static QuotaStatement rename = {
		.text = "SELECT quota_internal._gate_known_by($1, $2, $3, $4)",
		.nparams = 4,
		.types = {OIDARRAYOID, TEXTOID, OIDOID, OIDOID}
	};
	Datum		values[4] = {
		quota_oid_array(members), CStringGetTextDatum(feature),
		ObjectIdGetDatum(was), ObjectIdGetDatum(becomes)
	};
	QuotaIdentity caller;

	if (was == becomes)
		return;
	quota_sql_begin(&caller);
	(void) quota_sql_execute(&rename, values, NULL);
	quota_sql_end(&caller);
}

static void
hand_down(Relation parent, Oid child)
{
	Oid			function = quota_gate_function();
	List	   *members = find_all_inheritors(child, ShareRowExclusiveLock, NULL);
	/* a copy, for the parent's own goes when it is invalidated meanwhile */
	TriggerDesc *triggers = CopyTriggerDesc(parent->trigdesc);

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const char *feature;
		List	   *created = NIL;
		ListCell   *cell;

		if (!begins_gate(triggers, i, function))
			continue;
		feature = triggers->triggers[i].tgargs[0];
		foreach(cell, members)
		{
			if (hand_down_to(lfirst_oid(cell), parent, triggers, feature, function))
				created = lappend_oid(created, lfirst_oid(cell));
		}
		/* by what it had of its own before it came */
		if (quota_key_table(child, feature) != child)
			know_by(list_difference_oid(members, created), feature, child, quota_key_table(child, feature));
		if (created != NIL)
			quota_count_present(created, feature);
	}
}

/*
 * A command has taken this table out of its parent's tree.  The parent is still in
 * its own, if it is in one.
 */
static void
leave(const RangeVar *name, const RangeVar *parent)
{
	Oid			child = RangeVarGetRelid(name, NoLock, true);
	Oid			left = RangeVarGetRelid(parent, NoLock, true);
	Oid			function = quota_gate_function();
	TriggerDesc *triggers;
	Relation	rel;

	if (!OidIsValid(child) || !OidIsValid(left) || !quota_owns_relation(child, GetUserId()))
		return;
	rel = relation_open(child, AccessShareLock);
	triggers = CopyTriggerDesc(rel->trigdesc);
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!begins_gate(triggers, i, function) || trigger->tgnargs != QUOTA_GATE_ARGUMENTS)
			continue;
		/* without a key of its own it would not take another row */
		(void) quota_key_of(rel, trigger->tgargs[0]);
		know_by(find_all_inheritors(child, ShareRowExclusiveLock, NULL), trigger->tgargs[0],
				quota_key_table(left, trigger->tgargs[0]), quota_key_table(child, trigger->tgargs[0]));
	}
	relation_close(rel, NoLock);
}

/* The tables that a command has taken apart: the child, and in *parent the other; or NULL. */
static const RangeVar *
former_member(const Node *command, const RangeVar **parent)
{
	ListCell   *cell;

	if (!IsA(command, AlterTableStmt))
		return NULL;
	foreach(cell, ((const AlterTableStmt *) command)->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

		if (cmd->subtype == AT_DetachPartition || cmd->subtype == AT_DetachPartitionFinalize)
		{
			*parent = ((const AlterTableStmt *) command)->relation;
			return ((const PartitionCmd *) cmd->def)->name;
		}
		if (cmd->subtype == AT_DropInherit)
		{
			*parent = (const RangeVar *) cmd->def;
			return ((const AlterTableStmt *) command)->relation;
		}
	}
	return NULL;
}

/* A command has made this table a member of its tree. */
static void
follow(const RangeVar *name)
{
	Oid			child = RangeVarGetRelid(name, NoLock, true);
	ListCell   *cell;

	/* IF NOT EXISTS may have found somebody else's table */
	if (!OidIsValid(child) || !quota_owns_relation(child, GetUserId()))
		return;
	foreach(cell, parents_of(child))
	{
		Relation	parent = relation_open(lfirst_oid(cell), AccessShareLock);

		if (parent->trigdesc)
			hand_down(parent, child);
		relation_close(parent, NoLock);
	}
}

/* quota_internal._gates_follow(): event_trigger, at ddl_command_end */
Datum
quota_sql_gates_follow(PG_FUNCTION_ARGS)
{
	const Node *command;
	const RangeVar *name;
	const RangeVar *parent;
	ListCell   *cell;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota_internal._gates_follow() can only be called as an event trigger")));
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	/* the commands within one fire no event triggers of their own */
	if (IsA(command, CreateSchemaStmt))
	{
		foreach(cell, ((const CreateSchemaStmt *) command)->schemaElts)
		{
			if ((name = new_member((const Node *) lfirst(cell))) != NULL)
				follow(name);
		}
	}
	else if ((name = new_member(command)) != NULL)
		follow(name);
	else if ((name = former_member(command, &parent)) != NULL)
		leave(name, parent);
	PG_RETURN_NULL();
}

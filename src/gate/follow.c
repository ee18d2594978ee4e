/*-------------------------------------------------------------------------
 *
 * follow.c
 *		The event trigger that gives a new partition the gates of its parent.
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
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "gate/protect.h"

PG_FUNCTION_INFO_V1(quota_sql_gates_follow);

/* The table that a command has put into an inheritance tree, or NULL. */
static const RangeVar *
new_member(const Node *command)
{
	ListCell   *cell;

	if (IsA(command, CreateStmt))
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

/* Gives one table a gate; false if it has it, or may not have it. */
static bool
hand_down_to(Oid relid, Relation parent, const Trigger *gate)
{
	Relation	member = relation_open(relid, ShareRowExclusiveLock);
	const char *feature = gate->tgargs[0];
	bool		created = false;
	QuotaGate	declared;

	if (quota_find_gate(member, feature) == NULL)
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
		quota_gate_declare(gate->tgnargs, gate->tgargs, &declared);
		(void) quota_create_gate(member, gate->tgnargs, gate->tgargs,
								 quota_gate_gives_back(&declared, quota_gate_feature(&declared)));
	}
	relation_close(member, NoLock);
	return created;
}

static void
hand_down(Relation parent, Oid child)
{
	Oid			function = quota_gate_function();
	List	   *members = find_all_inheritors(child, ShareRowExclusiveLock, NULL);

	for (int i = 0; parent->trigdesc && i < parent->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &parent->trigdesc->triggers[i];
		List	   *created = NIL;
		ListCell   *cell;

		if (trigger->tgfoid != function || trigger->tgnargs == 0 ||
			TRIGGER_FOR_ROW(trigger->tgtype))
			continue;
		foreach(cell, members)
		{
			if (hand_down_to(lfirst_oid(cell), parent, trigger))
				created = lappend_oid(created, lfirst_oid(cell));
		}
		if (created != NIL)
			quota_count_present(created, trigger->tgargs[0]);
	}
}

/* quota._gates_follow(): event_trigger, at ddl_command_end */
Datum
quota_sql_gates_follow(PG_FUNCTION_ARGS)
{
	const RangeVar *name;
	ListCell   *cell;
	Oid			child;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("quota._gates_follow() can only be called as an event trigger")));
	name = new_member(((EventTriggerData *) fcinfo->context)->parsetree);
	if (name == NULL)
		PG_RETURN_NULL();
	child = RangeVarGetRelid(name, NoLock, true);
	foreach(cell, OidIsValid(child) ? parents_of(child) : NIL)
	{
		Relation	parent = relation_open(lfirst_oid(cell), AccessShareLock);

		hand_down(parent, child);
		relation_close(parent, NoLock);
	}
	PG_RETURN_NULL();
}

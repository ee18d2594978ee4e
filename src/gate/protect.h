/*-------------------------------------------------------------------------
 *
 * protect.h
 *		Which tables have which gates, and making them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_PROTECT_H
#define QUOTA_PROTECT_H

#include "gate/gate.h"

/*
 * Has the table a gate of the feature?  Without "clones" the row triggers that
 * PostgreSQL has given a partition make none.
 */
extern bool quota_has_gate(Relation rel, const char *feature, bool clones);

/* 42809 unless rows of this table can be counted */
extern void quota_require_protectable(Relation rel);

/*
 * Gives a table a statement trigger of another table's gate, under the same name.
 * The caller holds a SHARE ROW EXCLUSIVE lock on the table and has looked whether
 * the user may.
 */
extern void quota_copy_gate_trigger(Relation rel, const Trigger *trigger);

/* an oid[] */
extern Datum quota_oid_array(const List *oids);

/* counts the rows that are in these tables (OIDs), never refusing */
extern void quota_count_present(List *tables, const char *feature);

#endif							/* QUOTA_PROTECT_H */

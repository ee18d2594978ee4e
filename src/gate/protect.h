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

/* a trigger of the table's that is a gate of the feature, or NULL */
extern const Trigger *quota_find_gate(Relation rel, const char *feature);

/* the OID of quota.gate() */
extern Oid	quota_gate_function(void);

/* 42809 unless rows of this table can be counted */
extern void quota_require_protectable(Relation rel);

/*
 * Creates the triggers of a gate, one for each event, named after the feature;
 * returns what their names begin with.  The caller holds a SHARE ROW EXCLUSIVE
 * lock on the table and has looked whether the user may.
 */
extern const char *quota_create_gate(Relation rel, int nargs, char *const *args,
									 bool gives_back);

/* counts the rows that are in these tables (OIDs), never refusing */
extern void quota_count_present(List *tables, const char *feature);

#endif							/* QUOTA_PROTECT_H */

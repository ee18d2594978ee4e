/*-------------------------------------------------------------------------
 *
 * expression.h
 *		A gate's expressions, computed over rows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_EXPRESSION_H
#define QUOTA_EXPRESSION_H

#include "utils/snapshot.h"
#include "utils/tuplestore.h"

#include "gate/drift.h"
#include "gate/gate.h"
#include "gate/key.h"

/* One row: who pays (a text) and how much, and its key where that is asked for. */
typedef struct QuotaRowValue
{
	Datum		subject;
	bool		no_subject;
	int64		amount;
	bool		no_amount;
	const char *key;
} QuotaRowValue;

typedef void (*QuotaRowVisitor) (const QuotaRowValue *row, void *state);

/*
 * Visits rows of table "rel", in their order, with expressions computed as its
 * owner would under a search_path of pg_catalog and the table's schema, and with
 * settings that make text of values alike in every session.  With
 * "as_of_statement" queries in an expression see what the statement sees; else
 * also what it has done.  Errors of the expressions, with the gate in CONTEXT;
 * 22023 when they are not expressions over one row, or the amount no integer.  Where
 * a key is given, rows have theirs.
 */
extern void quota_gate_visit(QuotaGate *gate, Relation rel, Tuplestorestate *rows,
							 bool as_of_statement, QuotaKey *key, QuotaRowVisitor visitor,
							 void *state);

/* the keys of rows alone, without a look at the expressions */
extern void quota_gate_visit_keys(const QuotaGate *gate, Relation rel, Tuplestorestate *rows,
								  QuotaKey *key, QuotaRowVisitor visitor, void *state);

/* plans the expressions of a gate that is not kept: their errors, the key's, but no rows */
extern void quota_gate_try(QuotaGate *gate, Relation rel);

/* can they say something else of a row that has not changed?  Their errors. */
extern QuotaDrift quota_gate_drift(const QuotaGate *gate, Relation rel);

/*
 * The same for all rows of "member", which is rel or inherits from it, that the
 * snapshot sees (NULL: the statement's), without those of tables that inherit from
 * member.
 */
extern void quota_gate_visit_table(const QuotaGate *gate, Relation rel, Relation member,
								   Snapshot snapshot, QuotaKey *key, QuotaRowVisitor visitor,
								   void *state);

#endif							/* QUOTA_EXPRESSION_H */

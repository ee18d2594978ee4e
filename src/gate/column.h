/*-------------------------------------------------------------------------
 *
 * column.h
 *		Expressions that are a column of the row, or a constant.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_COLUMN_H
#define QUOTA_COLUMN_H

#include "gate/expression.h"

/* Which columns a gate's expressions are, by its text alone. */
typedef struct QuotaGateColumns
{
	bool		simple;			/* both are columns or constants */
	const char *subject;		/* column */
	const char *amount;			/* column, or NULL: the constant */
	int64		constant;
} QuotaGateColumns;

/* in the current memory context */
extern QuotaGateColumns *quota_gate_columns(const char *subject, const char *amount);

/*
 * Visits rows as quota_gate_visit() would, without a query; false, with nothing
 * visited, where it takes one.
 */
extern bool quota_columns_visit(const QuotaGateColumns *columns, Relation rel,
								Tuplestorestate *rows, QuotaKey *key, QuotaRowVisitor visitor,
								void *state);

/* visits rows for their keys alone; runs as a role that may turn them into text */
extern void quota_keys_visit(QuotaKey *key, Relation rel, Tuplestorestate *rows,
							 QuotaRowVisitor visitor, void *state);

#endif							/* QUOTA_COLUMN_H */

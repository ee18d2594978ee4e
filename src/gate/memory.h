/*-------------------------------------------------------------------------
 *
 * memory.h
 *		What rows of a gate that remembers add to a tally.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_MEMORY_H
#define QUOTA_MEMORY_H

#include "gate/visit.h"

typedef struct QuotaMemory QuotaMemory;

/* in the current memory context, with quota_internal.gate_charge open and locked */
extern QuotaMemory *quota_memory_begin(QuotaVisit *visit, QuotaGate *gate,
									   const QuotaFeature *feature);

/* Rows that come, that go, and of which each old one became the new one at its place. */
extern void quota_memory_come(QuotaMemory *memory, Tuplestorestate *rows);
extern void quota_memory_go(QuotaMemory *memory, Tuplestorestate *rows);
extern void quota_memory_change(QuotaMemory *memory, Tuplestorestate *old_rows, Tuplestorestate *new_rows);

/* all rows of the table, which TRUNCATE is about to take away */
extern void quota_memory_truncate(QuotaMemory *memory);

/* all is written; WARNING when rows went of which nothing was remembered */
extern void quota_memory_end(QuotaMemory *memory);

/*
 * After the tally was applied: what was charged to nobody, since the subject has
 * nothing of the feature and the gate refuses nothing, is remembered as 0.
 */
extern void quota_memory_correct(QuotaMemory *memory);

#endif							/* QUOTA_MEMORY_H */

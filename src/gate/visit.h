/*-------------------------------------------------------------------------
 *
 * visit.h
 *		What old and new rows add to a tally.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_VISIT_H
#define QUOTA_VISIT_H

#include "gate/expression.h"
#include "gate/tally.h"

typedef struct QuotaVisit
{
	const QuotaGate *gate;
	Relation	rel;
	QuotaTally *tally;
	int64		nlost;			/* old rows of which nobody knows whose they were */
} QuotaVisit;

extern void quota_visit_begin(QuotaVisit *visit, const QuotaGate *gate, Relation rel);

/* WARNING when rows were lost: that nothing "is done" for them, with a hint */
extern void quota_visit_end(const QuotaVisit *visit, const char *done, const char *hint);

/* does it say an amount that counts: neither NULL nor below 0? */
extern bool quota_has_amount(const QuotaRowValue *row);

/* 22004, 22023 when a new row says NULL, an amount below 0, or no valid subject */
extern int64 quota_new_amount(const QuotaVisit *visit, const QuotaRowValue *row);
extern QuotaPayer *quota_new_payer(const QuotaVisit *visit, const QuotaRowValue *row);

/* a row that had "amount" has no subject to give it back to */
extern void quota_visit_lost(QuotaVisit *visit, int64 amount);

/*
 * Visitors, whose state is a QuotaVisit: rows that come, that go, and that have
 * been there before the gate: those take like new ones, but are never refused.
 */
extern void quota_visit_new(const QuotaRowValue *row, void *state);
extern void quota_visit_old(const QuotaRowValue *row, void *state);
extern void quota_visit_present(const QuotaRowValue *row, void *state);

#endif							/* QUOTA_VISIT_H */

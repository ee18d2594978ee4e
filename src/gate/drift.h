/*-------------------------------------------------------------------------
 *
 * drift.h
 *		Why a gate's expressions can say something else of the same row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_DRIFT_H
#define QUOTA_DRIFT_H

#include "nodes/parsenodes.h"

typedef struct QuotaDrift
{
	/* they do without anybody's doing: the clock, or a volatile function */
	const char *by_itself;
	/* they do when something else changes: a table, a function that may read one, the session */
	const char *by_others;
} QuotaDrift;

/*
 * Looks through the subject and the amount, the first two targets of an analysed
 * and rewritten query, of which "text" is the source.  Either answer is NULL, or
 * one clause for each reason, in the current memory context.
 */
extern QuotaDrift quota_drift_of(const Query *query, const char *text);

#endif							/* QUOTA_DRIFT_H */

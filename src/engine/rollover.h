/*-------------------------------------------------------------------------
 *
 * rollover.h
 *		What rolls over into a window.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ROLLOVER_H
#define QUOTA_ROLLOVER_H

#include "engine/engine.h"

/* What is about to roll over into the window of an account. */
typedef struct QuotaRollover
{
	int64		into;			/* units */
	int64		out_of_before;	/* out of the last window that has a row */
} QuotaRollover;

/*
 * "before": the account's last window that was charged, NULL if there is none.  The
 * account's terms must roll over.
 */
extern void quota_rollover(const QuotaMeter *meter, const QuotaBucketRow *before,
						   QuotaRollover *rollover);

#endif							/* QUOTA_ROLLOVER_H */

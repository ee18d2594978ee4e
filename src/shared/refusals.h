/*-------------------------------------------------------------------------
 *
 * refusals.h
 *		What was refused by raising, counted in shared memory.
 *
 * The error takes along whatever its transaction would write about it, so that
 * without memory such a refusal leaves no trace.  maintain() writes what has been
 * counted into quota_internal.denial.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_REFUSALS_H
#define QUOTA_REFUSALS_H

#include "base/verdict.h"

/* What was refused to whom on one UTC day. */
typedef struct QuotaRefused
{
	const char *subject;
	int32		feature_id;
	QuotaReason reason;
	TimestampTz last_at;
	int64		times;
} QuotaRefused;

/* how much shared memory it takes, and its start; while the server starts */
extern Size quota_refusals_size(void);
extern void quota_refusals_start(void);

/* Counts one; nothing is done where there is no memory, or no room in it. */
extern void quota_refusals_count(const char *subject, int32 feature_id, QuotaReason reason,
								 TimestampTz at);

/* Has memory counted such a one not long before "at"? */
extern bool quota_refusals_has(const char *subject, int32 feature_id, QuotaReason reason,
							   TimestampTz at);

/*
 * Takes out what the database's extension has been counted, for the transaction to
 * write: an abort puts it back.  With "remember", quota_refusals_has() still knows of it
 * for a minute.  Forgets what databases that are gone had.  Returns how
 * many there are; palloc'd.
 */
extern int	quota_refusals_take(bool remember, QuotaRefused **refused);

/* how many times memory had no room for one */
extern int64 quota_refusals_missed(void);

#endif							/* QUOTA_REFUSALS_H */

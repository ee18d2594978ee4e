/*-------------------------------------------------------------------------
 *
 * verdict.h
 *		The answer to "may it take this amount?", and the error of a refusal.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_VERDICT_H
#define QUOTA_VERDICT_H

#include "datatype/timestamp.h"

#include "base/compat.h"

/* Why a request was refused, or QUOTA_OK. */
typedef enum QuotaReason
{
	QUOTA_OK,
	QUOTA_NOT_ENTITLED,
	QUOTA_SUBSCRIPTION_INACTIVE,
	QUOTA_EXCEEDED,
	QUOTA_RATE_LIMITED
} QuotaReason;

/*
 * With the numbers of the level that binds: the one with the least remaining, of
 * equals the deepest.
 */
typedef struct QuotaVerdict
{
	QuotaReason reason;
	bool		limited;		/* false: nothing binds, remaining is NULL */
	int64		remaining;
	bool		allowance_unlimited;
	int64		allowance;
	int64		used;
	int64		reserved;		/* how much of it open holds have */
	int64		overage;		/* how much of it is overage */
	const char *plan;			/* or NULL */
	char	   *blocked_by;		/* the level that refuses, or NULL */
	TimestampTz period_start;	/* DT_NOBEGIN: none */
	TimestampTz resets_at;		/* DT_NOEND: never */
	int64		retry_after_us; /* -1: waiting does not help */
} QuotaVerdict;

extern const char *quota_reason_name(QuotaReason reason);

/* whole seconds, rounded up; -1 stays */
extern int64 quota_retry_after_s(const QuotaVerdict *verdict);

/* QT402, QT403 or QT429, with the verdict as a JSON object in DETAIL */
pg_noreturn extern void quota_raise_refusal(const char *subject, const char *feature,
											int64 requested, const QuotaVerdict *verdict);

#endif							/* QUOTA_VERDICT_H */

/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		One attempt at charging the accounts of a path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ATTEMPT_H
#define QUOTA_ATTEMPT_H

#include "decide/account.h"

/* What is attempted; false when it has to be repeated with another look-up. */
typedef bool QuotaAttempt(const QuotaPath *path, void *arg);

/*
 * Looks the path up behind the lock of the engine and attempts; the
 * caller repeats while this returns false.  "with_engine": an attempt that counts
 * nothing can do without, so that it does not wait for who locks the buckets.
 */
extern bool quota_attempt(const QuotaSubject *subject, bool with_engine, QuotaAttempt *attempt,
						  void *arg);

#endif							/* QUOTA_ATTEMPT_H */

/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		Charging the accounts of a path, attempt by attempt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_ATTEMPT_H
#define QUOTA_ATTEMPT_H

#include "decide/account.h"

/* What is attempted; false: again, with another look-up. */
typedef bool QuotaAttempt(const QuotaPath *path, void *arg);

/*
 * Looks the path up behind the engine's lock and attempts, until that succeeds.
 * Pass counts = false if nothing will be counted: the first attempt then does not
 * wait for a session that has locked the buckets.
 */
extern void quota_attempt(const QuotaSubject *subject, bool counts, QuotaAttempt *attempt,
						  void *arg);

#endif							/* QUOTA_ATTEMPT_H */

/*-------------------------------------------------------------------------
 *
 * judge.h
 *		What the accounts of a path allow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_JUDGE_H
#define QUOTA_JUDGE_H

#include "base/verdict.h"
#include "decide/account.h"
#include "engine/room.h"

/* the engine must have read the meters */
extern void quota_judge(const QuotaPath *path, const QuotaAccounts *accounts,
						int64 amount, QuotaVerdict *verdict);

/* A feature's accounts with their numbers of now, and what they allow. */
typedef struct QuotaView
{
	QuotaAccounts accounts;
	QuotaMeter	meters[QUOTA_MAX_LEVELS];	/* the accounts' */
	QuotaVerdict verdict;
} QuotaView;

/* for callers that only look: under the path's snapshot, and nothing is locked */
extern void quota_view(const QuotaPath *path, const QuotaFeature *feature, int64 amount,
					   QuotaView *view);

/* is there an account, and of a boolean feature one that says true, active or not? */
extern bool quota_is_entitled(const QuotaAccounts *accounts);

/* quota_own_account(); QT403 where there is none, for which the accounts are given up */
extern QuotaAccount *quota_require_own_account(const QuotaPath *path, QuotaAccounts *accounts,
											   int64 amount);

/* the account whose boolean or static value counts: the deepest; NULL if none */
extern const QuotaAccount *quota_value_account(const QuotaAccounts *accounts);

/* the value of a boolean or static feature; NULL on other kinds, if not given or inactive */
extern Jsonb *quota_value_of(const QuotaAccounts *accounts);

/* entitled and active; for a boolean feature also on */
extern bool quota_is_given(const QuotaAccounts *accounts);

/* raises what a verdict says; "amount" is what was asked for */
pg_noreturn extern void quota_raise_verdict(const QuotaPath *path, const QuotaAccounts *accounts,
								int64 amount, const QuotaVerdict *verdict);

/* raises that; in observe it records a denial at the present time instead */
extern void quota_refuse(const QuotaPath *path, const QuotaAccounts *accounts, int64 amount,
						 const QuotaVerdict *verdict);

#endif							/* QUOTA_JUDGE_H */

/*-------------------------------------------------------------------------
 *
 * what_if.h
 *		What another plan would do to an account, for reads that pretend it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_WHAT_IF_H
#define QUOTA_WHAT_IF_H

#include "decide/account.h"

/* the account at a level, or NULL */
extern QuotaAccount *quota_account_at(QuotaAccounts *accounts, int level);

/* an account as a new subscription finds it: only grants go on */
extern void quota_begin_at_zero(QuotaMeter *meter);

/* is its window a later one, for the one of its time is closed? */
extern bool quota_is_ahead(const QuotaAccount *account);

/* what a change of plan, now and with usage keep, lets an account begin with */
extern void quota_go_on(QuotaAccount *after, const QuotaAccount *before);

#endif							/* QUOTA_WHAT_IF_H */

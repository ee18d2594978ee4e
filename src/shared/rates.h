/*-------------------------------------------------------------------------
 *
 * rates.h
 *		Rates of accounts in shared memory, when the library is preloaded.
 *
 * What memory has of a rate is the truth; the account's row of
 * quota_internal.rate_use, if it has one, is from before.  Nobody waits for another's
 * commit: a rate is taken at once, and given back if the transaction aborts.  What a
 * settled hold gives back is there for others when it has committed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUOTA_RATES_H
#define QUOTA_RATES_H

#include "base/gcra.h"
#include "store/window_key.h"

/* how much shared memory it takes, and its start; while the server starts */
extern Size quota_rates_size(void);
extern void quota_rates_start(void);

/* false: memory does not have the account */
extern bool quota_rates_read(const QuotaAccountKey *account, const QuotaRate *rate,
							 TimestampTz clock, QuotaGcra *state);

/*
 * Lets memory have the account from now on, beginning with *state; sets *state to
 * what it has if somebody was quicker.  False: there is no memory, or no room in it.
 */
extern bool quota_rates_admit(const QuotaAccountKey *account, TimestampTz clock, QuotaGcra *state);

/*
 * Takes n units, or with "beyond" as many of them as are available; sets *taken to how
 * many, and *state to what that leads to.  False: not so many are available, and nothing
 * is taken.  *state is what was read before: memory begins with it if it has dropped the
 * account since.
 */
extern bool quota_rates_take(const QuotaAccountKey *account, const QuotaRate *rate,
							 TimestampTz clock, int64 n, bool beyond, QuotaGcra *state,
							 int64 *taken);

/* undoes a take of the same call */
extern void quota_rates_untake(const QuotaAccountKey *account, const QuotaRate *rate,
							   TimestampTz clock, int64 n);

/*
 * So many units more than were taken turned out to be used, into debt if need be; or
 * less (negative), which come back with the commit.  False: memory does not have the
 * account.
 */
extern bool quota_rates_correct(const QuotaAccountKey *account, const QuotaRate *rate,
								TimestampTz clock, int64 difference);

/* how many accounts memory has, and how often it had no room for one */
extern int64 quota_rates_accounts(void);
extern int64 quota_rates_turned_away(void);

#endif							/* QUOTA_RATES_H */

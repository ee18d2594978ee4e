/*-------------------------------------------------------------------------
 *
 * clear.c
 *		Caps that count from 0 again.
 *
 * A cap's row remembers a ledger id of the moment: what was charged before and comes
 * back later restores it no more.  A window that opens with the first use is closed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "decide/attempt.h"
#include "decide/clear.h"
#include "decide/judge.h"
#include "store/ledger.h"

/* What is asked for, and what came of it. */
typedef struct Clearing
{
	const char *feature;
	int			ncleared;
} Clearing;

/* The account of exactly the path's subject; QT403. */
static QuotaAccount *
require_own_account(const QuotaPath *path, QuotaAccounts *accounts)
{
	QuotaAccount *deepest = &accounts->accounts[Max(accounts->naccounts - 1, 0)];
	QuotaVerdict verdict;

	if (accounts->naccounts > 0 && deepest->level == path->subject->nlevels - 1)
		return deepest;
	accounts->naccounts = 0;
	quota_judge(path, accounts, 0, &verdict);
	quota_raise_verdict(path, accounts, 0, &verdict);
	return NULL;				/* keep compiler quiet */
}

/* One attempt; false if it has to be repeated. */
static bool
clear_once(const QuotaPath *path, void *arg)
{
	Clearing   *clearing = (Clearing *) arg;
	const QuotaFeature *feature = quota_catalog_require_feature(path->catalog, clearing->feature);
	QuotaBucketRef refs[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts;
	const QuotaBucketRef *ref;
	bool		done = true;
	Relation	rel;

	if (feature->kind != QUOTA_METERED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is of kind %s: it has no caps",
						feature->name, quota_kind_name(feature->kind))));
	quota_accounts_of(path, feature, refs, &accounts);
	ref = require_own_account(path, &accounts)->ref;
	clearing->ncleared = 0;
	rel = quota_cap_use_open(RowExclusiveLock);
	for (int i = 0; i < ref->ncaps && done; i++)
	{
		const QuotaCapRef *cap = &ref->caps[i];
		QuotaCapUse use;

		quota_cap_use_find(rel, &ref->key, &cap->key, path->snapshot, &use);
		if (use.tuple == NULL)
			continue;
		done = quota_cap_use_lock(rel, &use, path->snapshot);
		if (!done || path->at >= use.closes_at)
			continue;
		clearing->ncleared += use.used > 0 ? 1 : 0;
		use.used = 0;
		/* locked: whoever has counted in it has drawn a smaller one */
		use.cleared_id = quota_ledger_next_id();
		if (TIMESTAMP_IS_NOBEGIN(cap->key.window_start))
			use.closes_at = path->at;
		quota_cap_use_update(rel, &use);
	}
	table_close(rel, NoLock);
	return done;
}

int
quota_clear_caps(const QuotaSubject *subject, const char *feature)
{
	Clearing	clearing = {.feature = feature};

	quota_attempt(subject, true, clear_once, &clearing);
	return clearing.ncleared;
}

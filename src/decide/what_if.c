/*-------------------------------------------------------------------------
 *
 * what_if.c
 *		What another plan would do to an account, for reads that pretend it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/errors.h"
#include "decide/what_if.h"

QuotaAccount *
quota_account_at(QuotaAccounts *accounts, int level)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		if (accounts->accounts[i].level == level)
			return &accounts->accounts[i];
	}
	return NULL;
}

void
quota_begin_at_zero(QuotaMeter *meter)
{
	memset(&meter->balance.bucket, 0, sizeof(meter->balance.bucket));
	for (int i = 0; i < meter->balance.ncaps; i++)
	{
		meter->balance.caps[i].opened = false;
		meter->balance.caps[i].used = 0;
	}
}

bool
quota_is_ahead(const QuotaAccount *account)
{
	return account->meter->key.start > account->meter->at;
}

/* As quota_internal._add_use(): the window may have been charged before, under an earlier plan. */
static void
add_use(QuotaBucketState *state, const QuotaBucketState *moved)
{
	QuotaCounts *counts = &state->counts;

	counts->used = quota_add(counts->used, moved->counts.used, "use");
	counts->granted = quota_add(counts->granted, moved->counts.granted, "use");
	counts->overage = quota_add(counts->overage, moved->counts.overage, "use");
	counts->overdrawn = quota_add(counts->overdrawn, moved->counts.overdrawn, "use");
	state->reserved = quota_add(state->reserved, moved->reserved, "use");
	state->rolled_out = quota_add(state->rolled_out, moved->rolled_out, "use");
	if (!moved->rollover_fixed)
		return;
	state->rolled_in = quota_add(state->rollover_fixed ? state->rolled_in : 0, moved->rolled_in, "rollover");
	state->rollover_fixed = true;
}

/*
 * The window takes over what was charged in the present one, but a period nothing
 * from a window without end, and what a team gives its members nothing where period
 * or anchor differ; to and from an account of grants alone nothing moves.  Nor does
 * what an older transaction finds in a later period, because its own is closed.  What
 * will roll over is not fixed before that, and depends on the plan.
 */
void
quota_go_on(QuotaAccount *after, const QuotaAccount *before)
{
	QuotaMeter *meter = after->meter;
	const QuotaBucketState *state = before && before->terms && after->terms ? &before->meter->balance.bucket : NULL;
	bool		begins = before &&
		((TIMESTAMP_IS_NOEND(before->meter->key.end) && !TIMESTAMP_IS_NOEND(meter->key.end)) ||
		 quota_is_ahead(before));

	if (state && (before->of_members || after->of_members))
		begins |= !quota_same_series(before->terms, after->terms);

	if (state && !begins && quota_bucket_is_charged(state))
	{
		if (quota_bucket_is_charged(&meter->balance.bucket) &&
			!quota_same_window(&before->meter->key, &meter->key))
			add_use(&meter->balance.bucket, state);
		else
			meter->balance.bucket = *state;
	}
	meter->balance.bucket.is_prorated = false;
}

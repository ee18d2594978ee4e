/*-------------------------------------------------------------------------
 *
 * judge.c
 *		What the accounts of a path allow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/settings.h"
#include "decide/judge.h"
#include "shared/refusals.h"
#include "store/denial.h"

static const QuotaAccount *
first_inactive(const QuotaAccounts *accounts)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		if (!accounts->accounts[i].active)
			return &accounts->accounts[i];
	}
	return NULL;
}

const QuotaAccount *
quota_value_account(const QuotaAccounts *accounts)
{
	return accounts->naccounts > 0 ? &accounts->accounts[accounts->naccounts - 1] : NULL;
}

/* Is there an account, and for a boolean feature one that says true? */
bool
quota_is_entitled(const QuotaAccounts *accounts)
{
	const QuotaAccount *deepest = quota_value_account(accounts);

	return deepest != NULL &&
		(accounts->feature->kind != QUOTA_BOOLEAN || deepest->terms->on);
}

bool
quota_is_given(const QuotaAccounts *accounts)
{
	return quota_is_entitled(accounts) && first_inactive(accounts) == NULL;
}

Jsonb *
quota_value_of(const QuotaAccounts *accounts)
{
	const QuotaAccount *deepest = quota_value_account(accounts);

	if (deepest == NULL || deepest->terms == NULL || first_inactive(accounts) != NULL)
		return NULL;
	return deepest->terms->value;
}

static bool
is_limited(const QuotaAccount *account)
{
	return account->meter != NULL && !account->meter->limits.rate_only && quota_is_limited(account->meter);
}

/*
 * The account with the least room, of equals the deepest; without limit ranks as
 * infinite.
 */
static const QuotaAccount *
binding_account(const QuotaAccounts *accounts)
{
	const QuotaAccount *binding = NULL;

	for (int i = 0; i < accounts->naccounts; i++)
	{
		const QuotaAccount *account = &accounts->accounts[i];

		if (binding == NULL || !is_limited(binding) ||
			(is_limited(account) && quota_room(account->meter) <= quota_room(binding->meter)))
			binding = account;
	}
	return binding;
}

/* The most that a window has when it is new: the cap's, or the bucket's. */
static int128
fresh_room(const QuotaAccount *account, const QuotaAccountCap *cap)
{
	const QuotaTerms *terms = account->terms;

	if (cap != NULL)
		return cap->ceiling;
	if (terms == NULL)
		return 0;
	return (int128) terms->allowance + (terms->overage ? terms->overage_limit : 0);
}

/*
 * The cap that leaves less than the bucket, of equals the one that ends later, of
 * those the one that has less when it is new; NULL if the bucket binds.
 */
static const QuotaAccountCap *
binding_cap(const QuotaAccount *account)
{
	const QuotaMeter *meter = account->meter;
	const QuotaAccountCap *binding = NULL;
	int64		room;
	TimestampTz end;

	if (meter == NULL || meter->balance.ncaps == 0)
		return NULL;
	room = quota_room_before_caps(meter);
	end = meter->key.end;
	for (int i = 0; i < meter->balance.ncaps; i++)
	{
		const QuotaAccountCap *cap = &meter->balance.caps[i];
		int64		here = quota_cap_room(cap);
		TimestampTz here_end = cap->opened || !TIMESTAMP_IS_NOBEGIN(cap->key.window_start) ?
			cap->window.end : DT_NOBEGIN;

		if (here < room ||
			(here == room &&
			 (here_end > end ||
			  (here_end == end && fresh_room(account, cap) < fresh_room(account, binding)))))
		{
			binding = cap;
			room = here;
			end = here_end;
		}
	}
	return binding;
}

/* Until the window that binds ends, if the amount fits into a fresh one. */
static int64
retry_after_us(const QuotaAccount *account, const QuotaAccountCap *cap, TimestampTz resets_at,
			   int64 amount, TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(resets_at) || amount > fresh_room(account, cap))
		return -1;
	return Max(resets_at - at, 0);
}

/* When the window that binds ends; a first use that has not come opens none. */
static TimestampTz
resets_at(const QuotaAccount *account, const QuotaAccountCap *cap)
{
	if (cap == NULL)
		return account->meter ? account->meter->key.end : DT_NOEND;
	if (TIMESTAMP_IS_NOBEGIN(cap->key.window_start) && !cap->opened)
		return DT_NOEND;
	return cap->window.end;
}

/*
 * The account whose rate makes the amount wait longest (never ranks as longest),
 * of equals the deepest; NULL if all let it through.
 */
static const QuotaAccount *
waiting_account(const QuotaAccounts *accounts, int64 amount, TimestampTz clock, int64 *wait_us)
{
	const QuotaAccount *longest = NULL;

	for (int i = 0; i < accounts->naccounts; i++)
	{
		const QuotaAccount *account = &accounts->accounts[i];
		const QuotaMeter *meter = account->meter;
		int64		here;

		if (meter == NULL || meter->limits.rate == NULL || amount == 0 ||
			quota_rate_room(meter) >= amount)
			continue;
		here = quota_gcra_wait_us(meter->limits.rate, &meter->balance.rate, clock, amount);
		if (longest == NULL || here < 0 || (*wait_us >= 0 && here >= *wait_us))
		{
			longest = account;
			*wait_us = here;
		}
	}
	return longest;
}

/* For a rate alone: the account that lets the least through now, of equals the deepest. */
static const QuotaAccount *
slowest_account(const QuotaAccounts *accounts, TimestampTz clock)
{
	const QuotaAccount *slowest = NULL;
	int64		least = 0;

	for (int i = 0; i < accounts->naccounts; i++)
	{
		const QuotaMeter *meter = accounts->accounts[i].meter;
		int64		here;

		if (meter == NULL || meter->limits.rate == NULL)
			continue;
		here = quota_rate_room(meter);
		if (slowest == NULL || here <= least)
		{
			slowest = &accounts->accounts[i];
			least = here;
		}
	}
	return slowest;
}

static void
show_rate(const QuotaAccount *account, TimestampTz clock, QuotaVerdict *verdict)
{
	const QuotaMeter *meter = account->meter;
	int64		wait_us;

	verdict->limited = true;
	verdict->remaining = quota_rate_room(meter);
	verdict->allowance = meter->limits.rate->burst;
	verdict->used = verdict->allowance - verdict->remaining;
	wait_us = quota_gcra_wait_us(meter->limits.rate, &meter->balance.rate, clock, meter->limits.rate->burst);
	verdict->resets_at = clock + wait_us;
}

static void
show_bucket(const QuotaAccount *account, const QuotaAccountCap *cap, QuotaVerdict *verdict)
{
	const QuotaMeter *meter = account->meter;

	verdict->resets_at = resets_at(account, cap);
	verdict->limited = is_limited(account);
	verdict->allowance_unlimited = meter == NULL || meter->limits.unlimited;
	if (meter == NULL)
		return;
	verdict->period_start = meter->key.start;
	verdict->allowance = meter->limits.unlimited ? 0 : quota_shown_allowance(meter);
	verdict->used = quota_shown_use(meter);
	verdict->reserved = meter->balance.bucket.reserved;
	verdict->overage = meter->balance.bucket.counts.overage;
	verdict->remaining = verdict->limited ? quota_room(meter) : 0;
}

/* Why the amount is refused, if it is, in the order that counts. */
static void
find_reason(const QuotaPath *path, const QuotaAccounts *accounts, const QuotaAccount *binding,
			const QuotaAccountCap *cap, int64 amount, TimestampTz clock, QuotaVerdict *verdict)
{
	const QuotaAccount *inactive = first_inactive(accounts);
	const QuotaAccount *waiting;
	int64		wait_us = 0;

	if (inactive)
	{
		verdict->reason = QUOTA_SUBSCRIPTION_INACTIVE;
		verdict->limited = true;
		verdict->remaining = 0;
		verdict->blocked_by = quota_subject_prefix(path->subject, inactive->level);
		if (!TIMESTAMP_IS_NOEND(inactive->active_from))
			verdict->retry_after_us = inactive->active_from - path->at;
	}
	else if (is_limited(binding) && quota_room(binding->meter) < amount)
	{
		verdict->reason = QUOTA_EXCEEDED;
		verdict->blocked_by = quota_subject_prefix(path->subject, binding->level);
		verdict->retry_after_us = retry_after_us(binding, cap, verdict->resets_at, amount, path->at);
	}
	else if ((waiting = waiting_account(accounts, amount, clock, &wait_us)) != NULL)
	{
		verdict->reason = QUOTA_RATE_LIMITED;
		verdict->blocked_by = quota_subject_prefix(path->subject, waiting->level);
		verdict->retry_after_us = wait_us;
	}
}

void
quota_judge(const QuotaPath *path, const QuotaAccounts *accounts, int64 amount,
			QuotaVerdict *verdict)
{
	TimestampTz clock = path->clock;
	const QuotaAccount *binding;
	const QuotaAccountCap *cap = NULL;

	memset(verdict, 0, sizeof(*verdict));
	verdict->limited = true;
	verdict->period_start = DT_NOBEGIN;
	verdict->resets_at = DT_NOEND;
	verdict->retry_after_us = -1;
	if (!quota_is_entitled(accounts))
	{
		verdict->reason = QUOTA_NOT_ENTITLED;
		return;
	}
	if (accounts->feature->kind == QUOTA_RATE)
	{
		binding = slowest_account(accounts, clock);
		if (binding == NULL)
			elog(ERROR, "quota: an entitlement of feature \"%s\" without a rate",
				 accounts->feature->name);
		show_rate(binding, clock, verdict);
	}
	else
	{
		binding = binding_account(accounts);
		cap = binding_cap(binding);
		show_bucket(binding, cap, verdict);
	}
	verdict->plan = binding->plan ? binding->plan->plan : NULL;
	find_reason(path, accounts, binding, cap, amount, clock, verdict);
}

QuotaAccount *
quota_require_own_account(const QuotaPath *path, QuotaAccounts *accounts, int64 amount)
{
	QuotaAccount *own = quota_own_account(path, accounts);
	QuotaVerdict verdict;

	if (own == NULL)
	{
		accounts->naccounts = 0;
		quota_judge(path, accounts, 0, &verdict);
		quota_raise_verdict(path, accounts, amount, &verdict);
	}
	return own;
}

void
quota_view(const QuotaPath *path, const QuotaFeature *feature, int64 amount, QuotaView *view)
{
	quota_accounts_of(path, feature, view->meters, &view->accounts);
	quota_engine_peek(view->accounts.meters, view->accounts.nmeters, path->snapshot);
	quota_judge(path, &view->accounts, amount, &view->verdict);
}

void
quota_raise_verdict(const QuotaPath *path, const QuotaAccounts *accounts, int64 amount,
					const QuotaVerdict *verdict)
{
	quota_refusals_count(path->subject->text, accounts->feature->id, verdict->reason, quota_now());
	quota_raise_refusal(path->subject->text, accounts->feature->name, amount, verdict);
}

void
quota_refuse(const QuotaPath *path, const QuotaAccounts *accounts, int64 amount,
			 const QuotaVerdict *verdict)
{
	if (!quota_observing())
		quota_raise_verdict(path, accounts, amount, verdict);
	quota_denial_record(path->subject->text, accounts->feature->id,
						quota_reason_name(verdict->reason), quota_now(), 1);
}

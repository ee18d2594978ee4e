/*-------------------------------------------------------------------------
 *
 * judge.c
 *		What the accounts of a path allow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "decide/judge.h"

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
static bool
entitled(const QuotaAccounts *accounts)
{
	const QuotaAccount *deepest = quota_value_account(accounts);

	return deepest != NULL &&
		(accounts->feature->kind != QUOTA_BOOLEAN || deepest->terms->on);
}

bool
quota_is_given(const QuotaAccounts *accounts)
{
	return entitled(accounts) && first_inactive(accounts) == NULL;
}

Jsonb *
quota_value_of(const QuotaAccounts *accounts)
{
	const QuotaAccount *deepest = quota_value_account(accounts);

	return deepest && first_inactive(accounts) == NULL ? deepest->terms->value : NULL;
}

static bool
is_limited(const QuotaAccount *account)
{
	return account->ref != NULL && !account->ref->unlimited;
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
			(is_limited(account) && quota_room(account->ref) <= quota_room(binding->ref)))
			binding = account;
	}
	return binding;
}

/* Whole seconds until the window ends, if the amount fits into a fresh one. */
static int64
retry_after_s(const QuotaAccount *account, int64 amount, TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(account->window.end) || amount > account->terms->allowance)
		return -1;
	return (account->window.end - at + USECS_PER_SEC - 1) / USECS_PER_SEC;
}

void
quota_judge(const QuotaPath *path, const QuotaAccounts *accounts, int64 amount,
			QuotaVerdict *verdict)
{
	const QuotaAccount *inactive = first_inactive(accounts);
	const QuotaAccount *binding;

	memset(verdict, 0, sizeof(*verdict));
	verdict->limited = true;
	verdict->period_start = DT_NOBEGIN;
	verdict->resets_at = DT_NOEND;
	verdict->retry_after_s = -1;
	if (!entitled(accounts))
	{
		verdict->reason = QUOTA_NOT_ENTITLED;
		return;
	}

	binding = binding_account(accounts);
	verdict->plan = binding->plan ? binding->plan->plan : NULL;
	verdict->allowance_unlimited = binding->terms->unlimited;
	verdict->allowance = binding->terms->unlimited ? 0 : binding->terms->allowance;
	if (binding->ref)
		verdict->used = quota_add(binding->ref->counts.used, binding->ref->counts.overdrawn, "use");
	verdict->period_start = binding->window.start;
	verdict->resets_at = binding->window.end;
	verdict->limited = is_limited(binding);
	verdict->remaining = verdict->limited ? quota_room(binding->ref) : 0;
	if (inactive)
	{
		verdict->reason = QUOTA_SUBSCRIPTION_INACTIVE;
		verdict->limited = true;
		verdict->remaining = 0;
		verdict->blocked_by = quota_subject_prefix(path->subject, inactive->level);
	}
	else if (verdict->limited && verdict->remaining < amount)
	{
		verdict->reason = QUOTA_EXCEEDED;
		verdict->blocked_by = quota_subject_prefix(path->subject, binding->level);
		verdict->retry_after_s = retry_after_s(binding, amount, path->at);
	}
}

void
quota_raise_verdict(const QuotaPath *path, const QuotaAccounts *accounts, int64 amount,
					const QuotaVerdict *verdict)
{
	QuotaRefusal refusal = {
		.reason = verdict->reason,
		.subject = path->subject->text,
		.feature = accounts->feature->name,
		.requested = amount,
		.remaining = verdict->remaining,
		.allowance = verdict->allowance,
		.allowance_unlimited = verdict->allowance_unlimited,
		.used = verdict->used,
		.plan = verdict->plan,
		.blocked_by = verdict->blocked_by,
		.resets_at = verdict->resets_at,
		.retry_after_s = verdict->retry_after_s,
	};

	quota_raise_refusal(&refusal);
}

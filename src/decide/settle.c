/*-------------------------------------------------------------------------
 *
 * settle.c
 *		Settling a hold: what the work really cost.
 *
 * What the hold had too much comes back.  What it had too little, or has given
 * back because it expired, is a charge of now that is never refused: it is taken
 * from the present room, and the rest is overdrawn.
 *
 * A closed hold answers the same again, by what the ledger says of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/attempt.h"
#include "decide/notify.h"
#include "decide/open_hold.h"
#include "engine/room.h"

/* What is to be taken beyond what the hold had, of each account that it counts in. */
typedef struct Excess
{
	const QuotaOpenHold *hold;
	Jsonb	   *metadata;
	int64		overdrawn;		/* out: the most that any level overdrew */
	int			naccounts;
	QuotaWindowKey keys[QUOTA_MAX_LEVELS];	/* the window that the hold was in */
	int64		entry_ids[QUOTA_MAX_LEVELS];	/* by these entries */
	int64		amounts[QUOTA_MAX_LEVELS];
} Excess;

static QuotaAccount *
account_of_prefix(QuotaAccounts *accounts, const QuotaSubject *subject, int prefix_len)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		if (subject->prefix_len[accounts->accounts[i].level] == prefix_len)
			return &accounts->accounts[i];
	}
	return NULL;
}

/* A capacity is counted at every level, whether or not that is an account. */
static const QuotaMeter *
capacity_meter(const QuotaAccounts *accounts, int prefix_len)
{
	for (int i = 0; i < accounts->nmeters; i++)
	{
		if (accounts->meters[i].key.account.prefix_len == prefix_len)
			return &accounts->meters[i];
	}
	elog(ERROR, "quota: a hold of a capacity at a level that is not counted");
	return NULL;				/* keep compiler quiet */
}

/* A window of the hold's own, wherever the use that an entry put there has gone. */
static void
own_window_meter(const QuotaWindowKey *key, int64 entry_id, const QuotaPath *path,
				 QuotaMeter *meter)
{
	memset(meter, 0, sizeof(*meter));
	meter->key = *key;
	(void) quota_engine_locate(&meter->key, entry_id, path->snapshot);
	meter->at = path->at;
	meter->clock = path->clock;
}

/*
 * Where the excess of each account goes now: into its present window; where the
 * level has no account any more, into the hold's, as overdrawn.
 */
static int
excess_meters(const Excess *excess, const QuotaPath *path, QuotaAccounts *accounts,
			  QuotaMeter *meters)
{
	const QuotaOpenHold *hold = excess->hold;
	int			n = 0;

	for (int i = 0; i < excess->naccounts; i++)
	{
		const QuotaWindowKey *key = &excess->keys[i];
		QuotaAccount *account;

		if (excess->amounts[i] == 0)
			continue;
		if (hold->debit.feature->kind == QUOTA_CAPACITY)
			meters[n] = *capacity_meter(accounts, key->account.prefix_len);
		else
		{
			account = account_of_prefix(accounts, path->subject, key->account.prefix_len);
			if (account != NULL && account->meter != NULL)
				meters[n] = *account->meter;
			else
			{
				own_window_meter(key, excess->entry_ids[i], path, &meters[n]);
				meters[n].limits.overdraw_only = true;
			}
		}
		meters[n].limits.rate = NULL;	/* see quota_hold_correct_rates() */
		meters[n].amount = excess->amounts[i];
		n++;
	}
	return n;
}

/* Takes what has room and overdraws the rest; false if it has to be looked up again. */
static bool
take_excess(const QuotaPath *path, void *arg)
{
	Excess	   *excess = (Excess *) arg;
	const QuotaOpenHold *hold = excess->hold;
	QuotaMeter	found[QUOTA_MAX_LEVELS];
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaEntry	like = quota_hold_entry(hold, QUOTA_ENTRY_SETTLE, excess->metadata);
	QuotaAccounts accounts;
	QuotaAccounts charged;
	int			n;

	quota_accounts_of(path, hold->debit.feature, found, &accounts);
	n = excess_meters(excess, path, &accounts, meters);
	if (n == 0)
		return true;
	if (quota_engine_take(meters, n, QUOTA_TAKE_OVERDRAW, path->snapshot) != QUOTA_TAKEN)
		return false;
	charged = accounts;
	charged.meters = meters;
	charged.nmeters = n;
	(void) quota_write_entries(&charged, &like);
	for (int i = 0; i < n; i++)
	{
		int64		here = quota_overdrawn(&meters[i]);

		excess->overdrawn = Max(excess->overdrawn, here);
	}
	return true;
}

/* What the hold has at a level. */
static int64
held_at(const QuotaOpenHold *hold, int prefix_len)
{
	int64		held = 0;

	for (int i = 0; i < hold->debit.nparts; i++)
	{
		if (hold->debit.parts[i].key.account.prefix_len == prefix_len)
			held = quota_add(held, hold->debit.parts[i].amount, "amount");
	}
	return held;
}

/*
 * What a closed hold was settled with, at every level; 0 if it was released.  Refunds
 * came later, and what was missing in a bucket came back.
 */
static int64
settled_amount(const QuotaDebit *debit)
{
	int64		settled = 0;

	for (int i = 0; i < debit->nentries; i++)
	{
		const QuotaEntry *e = &debit->entries[i];

		if (e->bucket.account.prefix_len == debit->entries[0].bucket.account.prefix_len &&
			e->kind != QUOTA_ENTRY_REFUND && e->kind != QUOTA_ENTRY_MISSING)
			settled += e->amount;
	}
	return settled;
}

/* The hold was closed before: the same answer again, or QT410. */
static void
settle_again(const QuotaOpenHold *hold, int64 amount, QuotaHoldOutcome *outcome)
{
	int64		settled = settled_amount(&hold->debit);

	if (settled == 0 && amount != 0)
		quota_raise_hold_closed(hold->row.id, "has been closed without a charge");
	if (settled != amount)
		quota_raise_hold_closed(hold->row.id, psprintf("has been settled with " INT64_FORMAT, settled));
	outcome->charged = amount;
	outcome->overdrawn = quota_debit_overdrew(&hold->debit, QUOTA_ENTRY_SETTLE);
	quota_charge_verdict(&hold->debit.subject, hold->debit.feature->name, &outcome->verdict);
}

/* Charges or gives back, at every level, what makes the hold what the work cost. */
static void
settle_now(QuotaOpenHold *hold, int64 amount, Jsonb *metadata, QuotaHoldOutcome *outcome)
{
	Excess		excess = {.hold = hold,.metadata = metadata};
	bool		all_exceed = true;
	bool		any_exceeds = false;

	excess.naccounts = quota_hold_accounts(hold, excess.keys, excess.entry_ids);
	for (int i = 0; i < excess.naccounts; i++)
	{
		int64		held = held_at(hold, excess.keys[i].account.prefix_len);

		excess.amounts[i] = Max(amount - held, 0);
		all_exceed = all_exceed && held < amount;
		any_exceeds = any_exceeds || held < amount;
	}
	quota_hold_give(hold, QUOTA_GIVE_BEYOND, amount, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_SETTLE,
					metadata, !all_exceed);
	if (any_exceeds)
		quota_attempt(&hold->debit.subject, true, take_excess, &excess);
	if (amount > 0)
		quota_notify_settled(&hold->debit);
	quota_hold_correct_rates(hold, QUOTA_GIVE_BEYOND, amount, &outcome->verdict);
	outcome->overdrawn = excess.overdrawn;
	outcome->charged = amount;
}

void
quota_hold_settle(int64 id, int64 amount, Jsonb *metadata, QuotaHoldOutcome *outcome)
{
	QuotaOpenHold hold;

	memset(outcome, 0, sizeof(*outcome));
	if (quota_close_hold(id, &hold))
		settle_now(&hold, amount, metadata, outcome);
	else
		settle_again(&hold, amount, outcome);
	outcome->id = id;
}

void
quota_hold_release(int64 id, QuotaHoldOutcome *outcome)
{
	QuotaOpenHold hold;

	memset(outcome, 0, sizeof(*outcome));
	if (quota_close_hold(id, &hold))
	{
		/* nothing is left of one that has expired, by our clock or another's */
		outcome->released = hold.debit.nparts > 0 ? hold.row.reserved : 0;
		quota_hold_give(&hold, QUOTA_GIVE_BEYOND, 0, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_RELEASE,
						NULL, true);
		quota_hold_correct_rates(&hold, QUOTA_GIVE_BEYOND, 0, &outcome->verdict);
	}
	else
		settle_again(&hold, 0, outcome);
}

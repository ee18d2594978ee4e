/*-------------------------------------------------------------------------
 *
 * record.c
 *		Use that has already happened.
 *
 * The path is looked up as of that time: the subscriptions of then, their present
 * terms, the grants that were valid.  What has room is taken, the rest is overdrawn.
 * A window that something has rolled out of is closed, so the present window takes it
 * instead; a subscription that has begun again since has no window from before, so its
 * first one takes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "decide/attempt.h"
#include "decide/give.h"
#include "decide/notify.h"
#include "decide/record.h"

static const QuotaFeature *
require_metered(const QuotaPath *path, const char *name)
{
	const QuotaFeature *feature = quota_catalog_require_feature(path->catalog, name);

	if (feature->kind != QUOTA_METERED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is of kind %s: only metered use is recorded",
						feature->name, quota_kind_name(feature->kind))));
	return feature;
}

/*
 * Lets the account be charged in the window that its level has at another time; the
 * grants stay those of the use.  A level that is no account then stays as it is.
 */
static void
book_at(QuotaAccount *account, const QuotaSubject *subject, const QuotaFeature *feature,
		TimestampTz at, Snapshot snapshot)
{
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts;
	QuotaPath	path;

	quota_path_look_up(&path, subject, at, snapshot);
	quota_accounts_of(&path, feature, meters, &accounts);
	for (int i = 0; i < accounts.naccounts; i++)
	{
		QuotaMeter	meter = *accounts.accounts[i].meter;

		if (accounts.accounts[i].level != account->level)
			continue;
		meter.at = account->meter->at;
		meter.has_grants = account->meter->has_grants;
		meter.balance.ngrants = account->meter->balance.ngrants;
		meter.balance.grants = account->meter->balance.grants;
		*account->meter = meter;
		account->terms = accounts.accounts[i].terms;
		account->plan = accounts.accounts[i].plan;
	}
}

/*
 * Does the present window of a cap contain the time of the use?  One that opens with
 * the first use is opened by one of now, and else counts what came since.
 */
static bool
cap_counts(const QuotaMeter *meter, const QuotaAccountCap *cap, TimestampTz now)
{
	if (!TIMESTAMP_IS_NOBEGIN(cap->key.window_start))
		return Min(meter->at, now) >= cap->window.start && Max(meter->at, now) < cap->window.end;
	return meter->at == now ||
		(cap->opened && now < cap->window.end && meter->at >= cap->opened_at);
}

static void
keep_caps_that_count(QuotaMeter *meter, TimestampTz now)
{
	int			kept = 0;

	for (int i = 0; i < meter->balance.ncaps; i++)
	{
		if (cap_counts(meter, &meter->balance.caps[i], now))
			meter->balance.caps[kept++] = meter->balance.caps[i];
	}
	meter->balance.ncaps = kept;
}

/* Which window of an account takes the use, and what counts it. */
static void
choose_window(QuotaAccount *account, const QuotaPath *path, const QuotaPath *then,
			  const QuotaFeature *feature, int64 amount)
{
	const QuotaSubscription *sub = quota_path_subscription(then, account->level);
	QuotaWindowKey key;

	/* use of now is a debit, also of a transaction that is older than the anchor */
	if (sub != NULL && account->terms != NULL && then->at < sub->anchor_at && then->at != path->at)
		book_at(account, path->subject, feature, sub->anchor_at, path->snapshot);
	key = account->meter->key;
	quota_engine_peek(account->meter, 1, path->snapshot);
	/* closed: the engine has found a later one */
	if (!quota_same_window(&key, &account->meter->key))
	{
		book_at(account, path->subject, feature, path->at, path->snapshot);
		quota_engine_peek(account->meter, 1, path->snapshot);
	}
	keep_caps_that_count(account->meter, path->at);
	account->meter->limits.rate = NULL;
	account->meter->amount = amount;
}

/* Nothing gave the feature then. */
static void
refuse(const QuotaRequest *request, const QuotaPath *path, const QuotaAccounts *accounts)
{
	QuotaItem  *item = &request->items[0];

	quota_judge(path, accounts, 0, &item->verdict);
	quota_refuse(path, accounts, item->amount, &item->verdict);
}

/* By the limits of now; of windows that are over no threshold is told. */
static void
notify_present(int64 id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaDebit	debit;

	if (quota_debit_read(id, snapshot, &debit))
		quota_notify_settled(&debit);
	UnregisterSnapshot(snapshot);
}

/* One attempt; false if it has to be repeated. */
static bool
record_once(const QuotaPath *path, void *arg)
{
	QuotaRequest *request = (QuotaRequest *) arg;
	const QuotaRecord *record = (const QuotaRecord *) request->extra;
	QuotaItem  *item = &request->items[0];
	QuotaEntry	template = quota_entry_template(request, item, path->at, QUOTA_ENTRY_DEBIT);
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	const QuotaFeature *feature;
	QuotaAccounts accounts;
	QuotaPath	then;

	quota_path_look_up(&then, path->subject, record->at, path->snapshot);
	feature = require_metered(&then, item->feature);
	quota_accounts_of(&then, feature, meters, &accounts);
	if (accounts.naccounts == 0)
	{
		refuse(request, &then, &accounts);
		return true;
	}
	for (int i = 0; i < accounts.naccounts; i++)
		choose_window(&accounts.accounts[i], path, &then, feature, item->amount);
	if (quota_engine_take(meters, accounts.nmeters, QUOTA_TAKE_OVERDRAW, path->snapshot) != QUOTA_TAKEN)
		return false;
	template.backdated = record->at != path->at;
	template.occurred_at = record->at;
	item->id = quota_write_entries(&accounts, &template);
	item->charged = item->amount;
	return true;
}

void
quota_record(QuotaRequest *request)
{
	QuotaItem  *item = &request->items[0];

	quota_attempt(&request->subject, true, record_once, request);
	if (item->id != 0)
		notify_present(item->id);
	quota_charge_verdict(&request->subject, item->feature, &item->verdict);
}

int64
quota_recorded_overdrawn(int64 id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int64		overdrawn = 0;
	QuotaDebit	debit;

	if (quota_debit_read(id, snapshot, &debit))
		overdrawn = quota_debit_overdrew(&debit, QUOTA_ENTRY_DEBIT);
	UnregisterSnapshot(snapshot);
	return overdrawn;
}

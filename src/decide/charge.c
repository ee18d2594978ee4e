/*-------------------------------------------------------------------------
 *
 * charge.c
 *		Charging a path, ledger included.
 *
 * Order of a charge: the engine locks first, then plans are looked up under
 * a fresh snapshot, then the engine takes from the buckets of all items at once,
 * then the ledger is written.  When the engine says that the look-up is stale (a
 * plan change moved a window's use meanwhile), all of it is done again.
 *
 * Every call orders buckets by feature, then by level, so no two calls wait for each
 * other.  (A call that looks up again keeps the row locks it has; a change of plan that
 * locks the same rows meanwhile can still lead to 40P01.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/attempt.h"
#include "decide/charge.h"
#include "decide/notify.h"
#include "engine/room.h"
#include "store/denial.h"
#include "store/hold.h"

/* A request, and the accounts that its items meet in one attempt. */
typedef struct Charge
{
	QuotaRequest *request;
	QuotaOnRefusal on_refusal;	/* the request's, or the setting's */
	bool		counts;			/* is the engine there to count? */
	QuotaAccounts *accounts;	/* of each item */
	QuotaMeter *meters;		/* of all items, one behind the other */
	int			nmeters;
} Charge;

/* Is what enforce would refuse taken nevertheless? */
static bool
overdraws(const Charge *charge)
{
	return charge->on_refusal == QUOTA_OVERDRAW || charge->on_refusal == QUOTA_OVERDRAW_SILENTLY;
}

QuotaEntry
quota_entry_template(const QuotaRequest *request, const QuotaItem *item, TimestampTz at, char kind)
{
	QuotaEntry	template = {0};

	template.id = item->reserved_id;
	template.at = at;
	template.subject = request->subject.text;
	template.kind = kind;
	template.key = request->key;
	template.metadata = request->metadata;
	return template;
}

int64
quota_overdrawn(const QuotaMeter *meter)
{
	if (!meter->limits.counts_only)
		return meter->outcome.change.overdrawn;
	return meter->limits.unlimited ? 0 :
		Min(meter->outcome.change.used, Max(meter->balance.bucket.counts.used - meter->limits.allowance, 0));
}

/* The entries of one account, in the order in which its amount was taken. */
static int
entries_of(const QuotaMeter *meter, const QuotaEntry *template, QuotaEntry *entries)
{
	/* a settle that is repeated asks the ledger what was overdrawn */
	int64		beyond = meter->limits.counts_only && template->kind == QUOTA_ENTRY_SETTLE ?
		quota_overdrawn(meter) : 0;
	int			n = 0;
	QuotaEntry	e = *template;

	e.bucket = meter->key;
	e.lease_id = meter->outcome.lease_id;
	if (meter->outcome.change.used > beyond)
	{
		e.source = meter->limits.counts_only ? QUOTA_SOURCE_CAPACITY : QUOTA_SOURCE_ALLOWANCE;
		e.amount = meter->outcome.change.used - beyond;
		entries[n++] = e;
	}
	if (beyond > 0)
	{
		e.source = QUOTA_SOURCE_CAPACITY_BEYOND;
		e.amount = beyond;
		entries[n++] = e;
	}
	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		if (meter->balance.grants[i].change == 0)
			continue;
		e.source = QUOTA_SOURCE_GRANT;
		e.grant_id = meter->balance.grants[i].grant.id;
		e.amount = meter->balance.grants[i].change;
		entries[n++] = e;
	}
	e.grant_id = 0;
	if (meter->outcome.change.overage > 0)
	{
		e.source = QUOTA_SOURCE_OVERAGE;
		e.amount = meter->outcome.change.overage;
		entries[n++] = e;
	}
	if (meter->outcome.change.overdrawn > 0)
	{
		e.source = QUOTA_SOURCE_OVERDRAWN;
		e.amount = meter->outcome.change.overdrawn;
		entries[n++] = e;
	}
	return n;
}

int64
quota_write_entries(const QuotaAccounts *accounts, const QuotaEntry *template)
{
	QuotaEntry	like = *template;
	QuotaEntry *entries;
	int			room = 0;
	int			n = 0;

	if (like.id == 0)
		like.id = quota_ledger_next_id();
	if (like.debit_id == 0)
		like.debit_id = like.id;
	for (int i = 0; i < accounts->nmeters; i++)
		room += 4 + accounts->meters[i].balance.ngrants;
	entries = (QuotaEntry *) palloc(sizeof(QuotaEntry) * Max(room, 1));
	for (int i = 0; i < accounts->nmeters; i++)
		n += entries_of(&accounts->meters[i], &like, &entries[n]);
	for (int i = 1; i < n; i++)
		entries[i].id = quota_ledger_next_id();
	QuotaEnsure(n > 0);
	quota_ledger_append(entries, n);
	return like.id;
}

/* QT404, or 22023 where the feature is of a kind that the request cannot be about. */
static const QuotaFeature *
require_feature(const QuotaRequest *request, const QuotaPath *path, const char *name)
{
	const QuotaFeature *feature = quota_catalog_require_feature(path->catalog, name);

	if (feature->kind == QUOTA_STATIC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is static: there is nothing to charge", feature->name),
				 errhint("Read it with quota.setting().")));
	if (request->reserve && feature->kind != QUOTA_METERED && feature->kind != QUOTA_CAPACITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is of kind %s: there is nothing to reserve",
						feature->name, quota_kind_name(feature->kind))));
	if (request->on_refusal == QUOTA_RAISE_BUT_RATE && feature->kind != QUOTA_RATE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("feature \"%s\" is not of kind rate", feature->name),
				 errhint("A rate beside an allowance is looked at by quota.debit().")));
	return feature;
}

/* The accounts of every item, with what is asked of them. */
static void
resolve(const QuotaPath *path, Charge *charge)
{
	const QuotaRequest *request = charge->request;

	charge->accounts = (QuotaAccounts *) palloc(sizeof(QuotaAccounts) * request->nitems);
	charge->meters = (QuotaMeter *)
		palloc(sizeof(QuotaMeter) * request->nitems * QUOTA_MAX_LEVELS);
	charge->nmeters = 0;
	for (int i = 0; i < request->nitems; i++)
	{
		QuotaItem  *item = &request->items[i];
		QuotaAccounts *accounts = &charge->accounts[i];

		item->id = 0;
		item->charged = 0;
		quota_accounts_of(path, require_feature(request, path, item->feature),
						  charge->meters + charge->nmeters, accounts);
		for (int j = 0; j < accounts->nmeters; j++)
		{
			accounts->meters[j].amount = item->amount;
			accounts->meters[j].reserve = request->reserve != NULL;
			accounts->meters[j].early_id = item->reserved_id;
			if (charge->on_refusal == QUOTA_OVERDRAW_SILENTLY)
				accounts->meters[j].limits.rate = NULL;
		}
		charge->nmeters += accounts->nmeters;
	}
}

/*
 * Judges the items' amounts; true if none is refused.  Without "counts_known"
 * only what refuses whatever the room: not entitled, not active.
 */
static bool
judge_items(const QuotaPath *path, const Charge *charge, bool counts_known)
{
	bool		all_ok = true;

	for (int i = 0; i < charge->request->nitems; i++)
	{
		QuotaItem  *item = &charge->request->items[i];

		quota_judge(path, &charge->accounts[i], counts_known ? item->amount : 0,
					&item->verdict);
		all_ok = all_ok && item->verdict.reason == QUOTA_OK;
	}
	return all_ok;
}

/*
 * What enforce would say of a request that finds no room, which the engine has
 * just looked for: with up_to it refuses nothing of which there is some.
 */
static void
judge_without_room(const QuotaPath *path, const Charge *charge)
{
	QuotaItem  *first = &charge->request->items[0];
	const QuotaAccounts *accounts = &charge->accounts[0];
	int64		there = first->amount;

	judge_items(path, charge, true);
	if (!charge->request->up_to)
		return;
	for (int i = 0; i < accounts->nmeters; i++)
	{
		const QuotaMeter *meter = &accounts->meters[i];

		if (!meter->limits.rate_only && quota_is_limited(meter))
			there = Min(there, quota_room(meter));
		there = Min(there, quota_rate_room(meter));
	}
	if (there > 0)
		quota_judge(path, accounts, there, &first->verdict);
}

/* Takes from the accounts of all items, or says in their verdicts why not. */
static QuotaTakeResult
take(const QuotaPath *path, Charge *charge)
{
	bool		up_to = charge->request->up_to && !overdraws(charge);
	QuotaTakeResult result;

	if (!judge_items(path, charge, false) && !overdraws(charge))
	{
		/* one of an earlier item's buckets may be what is reported */
		quota_engine_peek(charge->meters, charge->nmeters, path->snapshot);
		judge_items(path, charge, true);
		return QUOTA_NO_ROOM;
	}
	if (charge->nmeters == 0)
		return QUOTA_TAKEN;
	result = quota_engine_take(charge->meters, charge->nmeters,
							   up_to ? QUOTA_TAKE_UP_TO : QUOTA_TAKE_ALL, path->snapshot);
	if (result != QUOTA_NO_ROOM)
		return result;
	judge_without_room(path, charge);
	return overdraws(charge) ?
		quota_engine_take(charge->meters, charge->nmeters, QUOTA_TAKE_OVERDRAW, path->snapshot) : result;
}

/*
 * The hold that has just been reserved, and the accounts that it counts in.  One
 * that grows may count in accounts that it did not count in before.
 */
static void
keep_hold(const QuotaRequest *request, QuotaItem *item, const QuotaAccounts *accounts,
		  const QuotaPath *path)
{
	bool		is_new = request->reserve->hold_id == 0;
	QuotaHold	hold = {
		.id = is_new ? item->id : request->reserve->hold_id,
		.subject = request->subject.text,
		.feature_id = accounts->feature->id,
		.reserved = item->charged,
		.ttl_us = request->reserve->ttl_us,
		.created_at = path->at,
		.metadata = request->metadata
	};

	hold.expires_at = is_new ? quota_hold_expiry(path->clock, hold.ttl_us) :
		request->reserve->expires_at;
	item->expires_at = hold.expires_at;
	if (is_new)
		quota_hold_create(&hold);
	for (int i = 0; i < accounts->nmeters; i++)
		quota_hold_part_create(&accounts->meters[i].key.account, hold.id, is_new, hold.expires_at);
}

/* The ledger entries of what was taken for an item, and what hangs on them. */
static void
book(const QuotaRequest *request, const QuotaPath *path, QuotaItem *item,
	 const QuotaAccounts *accounts)
{
	QuotaEntry	template = quota_entry_template(request, item, path->at,
												request->reserve ? QUOTA_ENTRY_HOLD :
												QUOTA_ENTRY_DEBIT);

	if (request->reserve)
	{
		template.debit_id = request->reserve->hold_id;
		template.levels = request->reserve->levels;
	}
	item->id = quota_write_entries(accounts, &template);
	if (request->reserve)
		keep_hold(request, item, accounts, path);
	else
		quota_notify(path, accounts);
}

static bool
fitted(const QuotaAccounts *accounts)
{
	for (int i = 0; i < accounts->nmeters; i++)
	{
		if (!accounts->meters[i].outcome.had_room || !accounts->meters[i].outcome.had_rate)
			return false;
	}
	return true;
}

/* The numbers of now.  An item keeps why and by whom enforce would have refused it. */
static void
judge_taken(const QuotaPath *path, const QuotaAccounts *accounts, QuotaVerdict *verdict)
{
	QuotaVerdict refused = *verdict;

	quota_judge(path, accounts, 0, verdict);
	if (refused.reason == QUOTA_OK ||
		((refused.reason == QUOTA_EXCEEDED || refused.reason == QUOTA_RATE_LIMITED) &&
		 fitted(accounts)))
		return;
	verdict->reason = refused.reason;
	verdict->blocked_by = refused.blocked_by;
	verdict->retry_after_us = refused.retry_after_us;
}

static void
book_items(const QuotaPath *path, const Charge *charge)
{
	for (int i = 0; i < charge->request->nitems; i++)
	{
		QuotaItem  *item = &charge->request->items[i];
		const QuotaAccounts *accounts = &charge->accounts[i];

		if (accounts->nmeters > 0)
			item->charged = accounts->meters[0].amount;
		if (accounts->nmeters > 0 && accounts->feature->kind != QUOTA_RATE)
			book(charge->request, path, item, accounts);
		judge_taken(path, accounts, &item->verdict);
	}
}

/* The first item in order that is refused raises; or all that are refused are recorded. */
static void
answer_refusals(const QuotaPath *path, const Charge *charge)
{
	QuotaOnRefusal on_refusal = charge->on_refusal;

	if (on_refusal == QUOTA_OVERDRAW_SILENTLY)
		return;
	for (int i = 0; i < charge->request->nitems; i++)
	{
		QuotaItem  *item = &charge->request->items[i];
		const QuotaAccounts *accounts = &charge->accounts[i];

		if (item->verdict.reason == QUOTA_OK ||
			(item->verdict.reason == QUOTA_RATE_LIMITED && on_refusal == QUOTA_RAISE_BUT_RATE))
			continue;
		if (on_refusal == QUOTA_RAISE || on_refusal == QUOTA_RAISE_BUT_RATE)
			quota_raise_verdict(path, accounts, item->amount, &item->verdict);
		quota_denial_record(charge->request->subject.text, accounts->feature->id,
							quota_reason_name(item->verdict.reason), path->at, 1);
	}
}

/* One attempt; false if it has to be repeated. */
static bool
charge_once(const QuotaPath *path, void *arg)
{
	Charge	   *charge = (Charge *) arg;

	resolve(path, charge);
	if (charge->nmeters > 0 && !charge->counts)
	{
		/* a feature has just become another kind; every further attempt counts */
		charge->counts = true;
		return false;
	}
	switch (take(path, charge))
	{
		case QUOTA_STALE:
			return false;
		case QUOTA_TAKEN:
			book_items(path, charge);
			break;
		case QUOTA_NO_ROOM:
			QuotaEnsure(!overdraws(charge));
			break;
	}
	answer_refusals(path, charge);
	return true;
}

/*
 * Is there anything to count?  An assertion of boolean features shall not wait
 * behind a lock on quota_internal.bucket.
 */
static bool
needs_engine(const QuotaRequest *request)
{
	const QuotaCatalog *catalog = quota_catalog();

	for (int i = 0; i < request->nitems; i++)
	{
		const QuotaFeature *feature = quota_catalog_feature(catalog, request->items[i].feature);

		if (feature != NULL &&
			(feature->kind == QUOTA_METERED || feature->kind == QUOTA_CAPACITY ||
			 feature->kind == QUOTA_RATE))
			return true;
	}
	return false;
}

void
quota_charge(QuotaRequest *request)
{
	Charge		charge = {
		.request = request,
		.on_refusal = request->on_refusal,
		.counts = needs_engine(request)
	};

	if (quota_observing() && charge.on_refusal != QUOTA_OVERDRAW_SILENTLY)
		charge.on_refusal = QUOTA_OVERDRAW;
	quota_attempt(&request->subject, charge.counts, charge_once, &charge);
}

void
quota_charge_verdict(const QuotaSubject *subject, const char *feature, QuotaVerdict *verdict)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	const QuotaFeature *found;
	QuotaAccounts none = {0};
	QuotaView	view;
	QuotaPath	path;

	quota_path_look_up(&path, subject, quota_now(), snapshot);
	found = quota_catalog_feature(path.catalog, feature);
	if (found)
	{
		quota_view(&path, found, 0, &view);
		*verdict = view.verdict;
	}
	else
		/* nothing is left of a feature that has been removed */
		quota_judge(&path, &none, 0, verdict);
	UnregisterSnapshot(snapshot);
}

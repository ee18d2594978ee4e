/*-------------------------------------------------------------------------
 *
 * charge.c
 *		Charging a path, ledger included.
 *
 * Order of a charge: the engine is opened first, then plans are looked up under
 * a fresh snapshot, then the engine takes from the buckets of all items at once,
 * then the ledger is written.  When the engine says that the look-up is stale (a
 * plan change moved a window's use meanwhile), all of it is done again.
 *
 * Buckets are ordered by feature, then by level, in every call: so no two calls
 * wait for each other.  (A call that looks up anew keeps the row locks it has;
 * against a change of plan that locks the same rows meanwhile, 40P01 remains
 * possible.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "decide/charge.h"
#include "store/denial.h"
#include "store/ledger.h"

/* at most two entries (allowance, overdrawn) for each level */
#define MAX_ENTRIES		(2 * QUOTA_MAX_LEVELS)

/* The accounts that a request's items meet. */
typedef struct Charge
{
	QuotaAccounts *accounts;	/* of each item */
	QuotaBucketRef *refs;		/* of all items, one behind the other */
	int			nrefs;
} Charge;

void
quota_write_entries(const QuotaRequest *request, QuotaItem *item,
					const QuotaAccounts *accounts, TimestampTz at, char kind, int sign)
{
	QuotaEntry	entries[MAX_ENTRIES];
	int			n = 0;
	bool		capacity = accounts->feature->kind == QUOTA_CAPACITY;

	item->id = item->reserved_id ? item->reserved_id : quota_ledger_next_id();
	for (int i = 0; i < accounts->nrefs; i++)
	{
		const QuotaBucketRef *ref = &accounts->refs[i];
		int64		parts[2] = {ref->change.used, ref->change.overdrawn};

		for (int part = 0; part < 2; part++)
		{
			QuotaEntry *e;

			if (parts[part] == 0)
				continue;
			e = &entries[n];
			e->id = n == 0 ? item->id : quota_ledger_next_id();
			e->at = at;
			e->subject = request->subject.text;
			e->bucket = ref->key;
			e->kind = kind;
			e->source = part == 1 ? QUOTA_SOURCE_OVERDRAWN :
				capacity ? QUOTA_SOURCE_CAPACITY : QUOTA_SOURCE_ALLOWANCE;
			e->amount = sign * parts[part];
			e->debit_id = item->id;
			e->key = request->key;
			e->metadata = request->metadata;
			n++;
		}
	}
	QuotaEnsure(n > 0);
	quota_ledger_append(entries, n);
}

/* The accounts of every item; QT404, 22023. */
static void
resolve(const QuotaRequest *request, const QuotaPath *path, Charge *charge)
{
	charge->accounts = (QuotaAccounts *) palloc(sizeof(QuotaAccounts) * request->nitems);
	charge->refs = (QuotaBucketRef *)
		palloc(sizeof(QuotaBucketRef) * request->nitems * QUOTA_MAX_LEVELS);
	charge->nrefs = 0;
	for (int i = 0; i < request->nitems; i++)
	{
		QuotaAccounts *accounts = &charge->accounts[i];
		const QuotaFeature *feature;

		feature = quota_catalog_require_feature(path->catalog, request->items[i].feature);
		if (feature->kind == QUOTA_STATIC)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("feature \"%s\" is static: there is nothing to charge", feature->name),
					 errhint("Read it with quota.setting().")));
		quota_accounts_of(path, feature, charge->refs + charge->nrefs, accounts);
		for (int j = 0; j < accounts->nrefs; j++)
			accounts->refs[j].amount = request->items[i].amount;
		charge->nrefs += accounts->nrefs;
	}
}

/*
 * Judges the items' amounts; true if none is refused.  Without "counts_known"
 * only what refuses whatever the room: not entitled, not active.
 */
static bool
judge_items(const QuotaRequest *request, const QuotaPath *path, const Charge *charge,
			bool counts_known)
{
	bool		all_ok = true;

	for (int i = 0; i < request->nitems; i++)
	{
		QuotaItem  *item = &request->items[i];

		quota_judge(path, &charge->accounts[i], counts_known ? item->amount : 0,
					&item->verdict);
		all_ok = all_ok && item->verdict.reason == QUOTA_OK;
	}
	return all_ok;
}

/* Refused: the first item in order that is not OK raises; else all are recorded. */
static void
refuse(const QuotaRequest *request, const QuotaPath *path, const Charge *charge)
{
	for (int i = 0; i < request->nitems; i++)
	{
		QuotaItem  *item = &request->items[i];
		const QuotaAccounts *accounts = &charge->accounts[i];

		if (item->verdict.reason == QUOTA_OK)
			continue;
		if (request->raise && !quota_observing())
			quota_raise_verdict(path, accounts, item->amount, &item->verdict);
		quota_denial_record(request->subject.text, accounts->feature->id,
							quota_reason_name(item->verdict.reason), path->at);
	}
}

/*
 * What was taken: ledger entries, and verdicts with the numbers of now.  An item
 * keeps why and by whom enforce would have refused it.  "clipped": only
 * what there was room for has been taken.
 */
static void
book(const QuotaRequest *request, const QuotaPath *path, const Charge *charge, bool clipped)
{
	for (int i = 0; i < request->nitems; i++)
	{
		QuotaItem  *item = &request->items[i];
		const QuotaAccounts *accounts = &charge->accounts[i];
		QuotaVerdict refused = item->verdict;
		bool		had_room = true;

		for (int j = 0; j < accounts->nrefs; j++)
			had_room = had_room && (clipped || accounts->refs[j].had_room);
		if (accounts->nrefs > 0)
		{
			item->charged = accounts->refs[0].amount;
			quota_write_entries(request, item, accounts, path->at, QUOTA_ENTRY_DEBIT, 1);
		}
		quota_judge(path, accounts, had_room ? 0 : item->amount, &item->verdict);
		if (refused.reason == QUOTA_OK || (refused.reason == QUOTA_EXCEEDED && had_room))
			continue;
		item->verdict.reason = refused.reason;
		item->verdict.blocked_by = refused.blocked_by;
		item->verdict.retry_after_s = refused.retry_after_s;
	}
}

/* One attempt; false if it has to be repeated. */
static bool
charge_once(const QuotaRequest *request, const QuotaPath *path, bool opened)
{
	const QuotaEngine *engine = quota_engine();
	QuotaTakeResult result = QUOTA_TAKEN;
	bool		clipped = request->up_to;
	Charge		charge;

	resolve(request, path, &charge);
	if (charge.nrefs > 0 && !opened)
		return false;			/* a feature has just become another kind */
	if (!judge_items(request, path, &charge, false) && !quota_observing())
	{
		/* one of an earlier item's buckets may be what is reported */
		engine->peek(charge.refs, charge.nrefs, path->snapshot);
		judge_items(request, path, &charge, true);
		refuse(request, path, &charge);
		return true;
	}
	if (charge.nrefs > 0)
		result = engine->take(charge.refs, charge.nrefs,
							  request->up_to ? QUOTA_TAKE_UP_TO : QUOTA_TAKE_ALL,
							  path->snapshot);
	if (result == QUOTA_NO_ROOM && !quota_observing())
	{
		judge_items(request, path, &charge, true);
		refuse(request, path, &charge);
		return true;
	}
	if (result == QUOTA_NO_ROOM)
	{
		/* observed: what there is no room for is overdrawn */
		judge_items(request, path, &charge, true);
		clipped = false;
		for (int i = 0; i < request->nitems; i++)
			for (int j = 0; j < charge.accounts[i].nrefs; j++)
				charge.accounts[i].refs[j].amount = request->items[i].amount;
		result = engine->take(charge.refs, charge.nrefs, QUOTA_TAKE_OVERDRAW, path->snapshot);
		QuotaEnsure(result != QUOTA_NO_ROOM);
	}
	if (result == QUOTA_STALE)
		return false;
	book(request, path, &charge, clipped);
	refuse(request, path, &charge);
	return true;
}

/*
 * Is there anything to count?  An assertion of boolean features shall not wait
 * for who locks the buckets.
 */
static bool
needs_engine(const QuotaRequest *request)
{
	const QuotaCatalog *catalog = quota_catalog();

	for (int i = 0; i < request->nitems; i++)
	{
		const QuotaFeature *feature = quota_catalog_feature(catalog, request->items[i].feature);

		if (feature != NULL &&
			(feature->kind == QUOTA_METERED || feature->kind == QUOTA_CAPACITY))
			return true;
	}
	return false;
}

void
quota_charge(QuotaRequest *request)
{
	const QuotaEngine *engine = quota_engine();
	bool		done;

	do
	{
		bool		opened = needs_engine(request);
		Snapshot	snapshot;
		QuotaPath	path;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < request->nitems; i++)
		{
			request->items[i].id = 0;
			request->items[i].charged = 0;
		}
		if (opened)
			engine->open();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		quota_path_look_up(&path, &request->subject, quota_now(), snapshot);
		done = charge_once(request, &path, opened);
		UnregisterSnapshot(snapshot);
		if (opened)
			engine->close();
	} while (!done);
	CommandCounterIncrement();
}

void
quota_charge_verdict(const QuotaSubject *subject, const char *feature, QuotaVerdict *verdict)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaBucketRef refs[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts = {0};
	const QuotaFeature *found;
	QuotaPath	path;

	quota_path_look_up(&path, subject, quota_now(), snapshot);
	found = quota_catalog_feature(path.catalog, feature);
	/* of a feature that is no more, nothing is left */
	if (found)
	{
		quota_accounts_of(&path, found, refs, &accounts);
		quota_engine()->peek(accounts.refs, accounts.nrefs, snapshot);
	}
	quota_judge(&path, &accounts, 0, verdict);
	UnregisterSnapshot(snapshot);
}

/*-------------------------------------------------------------------------
 *
 * hold.c
 *		Holds: room reserved for work whose cost is not yet known.
 *
 * Everything that a hold has taken is in the ledger under its id.  What it still
 * has is counted as used, and as reserved, in its buckets until it is closed or
 * expires; what expired holds have is left out by readers and given back by the
 * next charge of the account (engine), which a late settle finds done or does
 * itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "decide/attempt.h"
#include "decide/give.h"
#include "decide/hold.h"
#include "decide/notify.h"
#include "engine/booking.h"
#include "engine/room.h"
#include "store/hold.h"

/* A hold that is locked, and what the ledger says of it. */
typedef struct OpenHold
{
	QuotaHold	row;
	QuotaDebit	debit;
	bool		expired;
	bool		given_back[QUOTA_MAX_LEVELS];	/* once closed, of each of its
												 * accounts */
} OpenHold;

static void
raise_closed(int64 id, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUOTA_HOLD_CLOSED),
			 errmsg("hold " INT64_FORMAT " %s", id, why)));
}

static void
read_debit(OpenHold *hold)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (!quota_debit_read(hold->row.id, snapshot, &hold->debit))
		elog(ERROR, "quota: a hold without ledger entries");
	UnregisterSnapshot(snapshot);
}

static void
lock_hold(int64 id, OpenHold *hold)
{
	memset(hold, 0, sizeof(*hold));
	/* the table's lock comes before the row's: src/README.md */
	quota_engine()->open();
	quota_engine()->close();
	if (!quota_hold_lock(id, &hold->row))
		quota_raise_not_found("hold", psprintf(INT64_FORMAT, id));
	if (hold->row.state == QUOTA_HOLD_SETTLED)
		raise_closed(id, "has been settled");
	if (hold->row.state == QUOTA_HOLD_RELEASED)
		raise_closed(id, "has been released");
	hold->expired = hold->row.expires_at <= quota_clock_now();
	read_debit(hold);
}

static QuotaEntry
entry_like(const OpenHold *hold, char kind, Jsonb *metadata)
{
	QuotaEntry	like = {0};

	like.at = quota_now();
	like.subject = hold->debit.subject.text;
	like.kind = kind;
	like.debit_id = hold->row.id;
	like.metadata = metadata;
	return like;
}

/* The accounts that the hold has ever counted in, in path order. */
static int
accounts_of_hold(const OpenHold *hold, QuotaBucketKey *keys)
{
	int			n = 0;

	for (int level = 0; level < hold->debit.subject.nlevels; level++)
	{
		const QuotaBucketKey *newest = NULL;

		/* a hold that grew can have more than one window */
		for (int i = 0; i < hold->debit.nentries; i++)
		{
			const QuotaEntry *e = &hold->debit.entries[i];

			if (e->bucket.prefix_len == hold->debit.subject.prefix_len[level] &&
				(newest == NULL || e->kind == QUOTA_ENTRY_HOLD))
				newest = &e->bucket;
		}
		if (newest != NULL)
			keys[n++] = *newest;
	}
	return n;
}

/*
 * Closes the hold.  Where its part is gone it has been given back: it had expired
 * by the clock of whoever did that, whatever ours says.
 */
static void
close_hold(OpenHold *hold, char state)
{
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];
	int			n = accounts_of_hold(hold, keys);

	for (int i = 0; i < n; i++)
		hold->given_back[i] = !quota_hold_part_remove(keys[i].prefix, keys[i].prefix_len,
													  keys[i].feature_id, hold->row.id, DT_NOEND);
	hold->row.state = state;
	quota_hold_update(&hold->row);
	CommandCounterIncrement();
	/* what has been given back while we waited for the parts is in the ledger now */
	read_debit(hold);
}

/* "book_nothing": an amount of 0 is noted in the ledger, too. */
static void
give(const OpenHold *hold, int64 amount, QuotaUnreserve unreserve, char kind, Jsonb *metadata,
	 bool book_nothing)
{
	const QuotaEngine *engine = quota_engine();
	QuotaEntry	like = entry_like(hold, kind, metadata);
	QuotaGiving *givings;
	int			n = quota_plan_giving(&hold->debit, amount, unreserve, &givings);

	if (n == 0)
		return;
	engine->open();
	if (amount > 0 || book_nothing)
		(void) quota_give_and_book(engine, givings, n, &like);
	else
		engine->give(givings, n, hold->row.id);
	engine->close();
	CommandCounterIncrement();
}

/* Gives back what an expired hold still has, account by account. */
static void
give_back_expired(OpenHold *hold)
{
	const QuotaEngine *engine = quota_engine();
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];
	int			n = accounts_of_hold(hold, keys);

	engine->open();
	for (int i = 0; i < n; i++)
		(void) engine->expire(&keys[i]);
	engine->close();
	CommandCounterIncrement();
	read_debit(hold);
}

static void
finish(const OpenHold *hold, QuotaHoldOutcome *outcome)
{
	CommandCounterIncrement();
	outcome->id = hold->row.id;
	outcome->expires_at = hold->row.expires_at;
	quota_charge_verdict(&hold->debit.subject, hold->debit.feature->name, &outcome->verdict);
}

/* ---- extend ---- */

/* More of the hold, as any charge; what it took from is noted under its id. */
static void
grow(OpenHold *hold, int64 amount)
{
	QuotaItem	item = {0};
	QuotaRequest request = {0};

	item.feature = hold->debit.feature->name;
	item.amount = amount;
	request.subject = hold->debit.subject;
	request.items = &item;
	request.nitems = 1;
	request.ttl_us = hold->row.ttl_us;
	request.hold_id = hold->row.id;
	request.raise = true;
	quota_charge(&request);
	/* observed where nothing is entitled any more: nothing was charged */
	hold->row.reserved = quota_add(hold->row.reserved, item.charged, "amount");
	read_debit(hold);
}

/*
 * All its parts expire when the hold does.  One that is gone has expired by
 * somebody's clock, and what it had may be anybody's by now.
 */
static void
extend_parts(const OpenHold *hold)
{
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];
	int			n = accounts_of_hold(hold, keys);

	for (int i = 0; i < n; i++)
	{
		if (!quota_hold_part_extend(keys[i].prefix, keys[i].prefix_len, keys[i].feature_id,
									hold->row.id, hold->row.expires_at))
			raise_closed(hold->row.id, "has expired");
	}
	CommandCounterIncrement();
}

void
quota_hold_extend(int64 id, int64 ttl_us, int64 amount, QuotaHoldOutcome *outcome)
{
	OpenHold	hold;

	memset(outcome, 0, sizeof(*outcome));
	lock_hold(id, &hold);
	if (hold.expired || hold.row.state == QUOTA_HOLD_EXPIRED)
		raise_closed(id, "has expired");
	if (ttl_us > 0)
		hold.row.ttl_us = ttl_us;
	hold.row.expires_at = quota_hold_expiry(quota_clock_now(), hold.row.ttl_us);
	/* first, so that it does not expire while it grows */
	extend_parts(&hold);
	if (amount > hold.row.reserved)
	{
		grow(&hold, amount - hold.row.reserved);
		/* those that are new, too */
		extend_parts(&hold);
	}
	else if (amount > 0 && amount < hold.row.reserved)
	{
		give(&hold, hold.row.reserved - amount, QUOTA_UNRESERVE_GIVEN, QUOTA_ENTRY_RELEASE, NULL,
			 false);
		hold.row.reserved = amount;
	}
	quota_hold_update(&hold.row);
	outcome->reserved = hold.row.reserved;
	finish(&hold, outcome);
}

/* ---- settle ---- */

/* What is to be taken beyond what the hold had, of each account that it counts in. */
typedef struct Excess
{
	const OpenHold *hold;
	Jsonb	   *metadata;
	int64		overdrawn;		/* out: the most that any level overdrew */
	int			naccounts;
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];	/* the window that the hold was in */
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
static const QuotaBucketRef *
capacity_ref(const QuotaAccounts *accounts, int prefix_len)
{
	for (int i = 0; i < accounts->nrefs; i++)
	{
		if (accounts->refs[i].key.prefix_len == prefix_len)
			return &accounts->refs[i];
	}
	elog(ERROR, "quota: a hold of a capacity at a level that is not counted");
	return NULL;				/* keep compiler quiet */
}

/* A window of the hold's own, wherever its use has gone. */
static void
own_window_ref(const OpenHold *hold, const QuotaBucketKey *key, const QuotaPath *path,
			   QuotaBucketRef *ref)
{
	memset(ref, 0, sizeof(*ref));
	ref->key = *key;
	quota_engine()->locate(&ref->key, hold->row.id, path->snapshot);
	ref->at = path->at;
	ref->clock = path->clock;
}

/*
 * Where the excess of each account goes now: into its present window; where the
 * level has no account any more, into the hold's, as overdrawn.
 */
static int
excess_refs(const Excess *excess, const QuotaPath *path, QuotaAccounts *accounts,
			QuotaBucketRef *refs)
{
	const OpenHold *hold = excess->hold;
	int			n = 0;

	for (int i = 0; i < excess->naccounts; i++)
	{
		const QuotaBucketKey *key = &excess->keys[i];
		QuotaAccount *account;

		if (excess->amounts[i] == 0)
			continue;
		if (hold->debit.feature->kind == QUOTA_CAPACITY)
			refs[n] = *capacity_ref(accounts, key->prefix_len);
		else
		{
			account = account_of_prefix(accounts, path->subject, key->prefix_len);
			if (account != NULL && account->ref != NULL)
				refs[n] = *account->ref;
			else
			{
				own_window_ref(hold, key, path, &refs[n]);
				refs[n].only_overdraws = true;
			}
		}
		for (int j = 0; j < refs[n].ncaps; j++)
			refs[n].caps[j].key.bucket = &refs[n].key;
		refs[n].rate = NULL;	/* was taken when it was reserved */
		refs[n].amount = excess->amounts[i];
		n++;
	}
	return n;
}

/* What there was no room for; of capacity, which counts all as one number, too. */
static int64
overdrawn_of(const QuotaBucketRef *ref)
{
	if (!ref->counts_only || ref->unlimited)
		return ref->change.overdrawn;
	return Min(ref->amount, Max(ref->state.counts.used - ref->allowance, 0));
}

/* The accounts whose window was charged, with what was taken, for their thresholds. */
static void
notify_charged(const QuotaPath *path, QuotaAccounts *accounts, QuotaBucketRef *refs, int nrefs)
{
	for (int i = 0; i < accounts->naccounts; i++)
	{
		QuotaAccount *account = &accounts->accounts[i];

		for (int j = 0; account->ref != NULL && j < nrefs; j++)
		{
			if (account->ref->key.prefix_len == refs[j].key.prefix_len)
				account->ref = &refs[j];
		}
	}
	quota_notify(path, accounts);
}

/* Takes what has room and overdraws the rest; false if it has to be looked up anew. */
static bool
take_excess(const QuotaPath *path, void *arg)
{
	Excess	   *excess = (Excess *) arg;
	const OpenHold *hold = excess->hold;
	QuotaBucketRef found[QUOTA_MAX_LEVELS];
	QuotaBucketRef refs[QUOTA_MAX_LEVELS];
	QuotaEntry	like = entry_like(hold, QUOTA_ENTRY_SETTLE, excess->metadata);
	QuotaAccounts accounts;
	QuotaAccounts charged;
	int			n;

	quota_accounts_of(path, hold->debit.feature, found, &accounts);
	n = excess_refs(excess, path, &accounts, refs);
	if (n == 0)
		return true;
	if (quota_engine()->take(refs, n, QUOTA_TAKE_OVERDRAW, path->snapshot) != QUOTA_TAKEN)
		return false;
	charged = accounts;
	charged.refs = refs;
	charged.nrefs = n;
	(void) quota_write_entries(&charged, &like);
	for (int i = 0; i < n; i++)
	{
		int64		here = overdrawn_of(&refs[i]);

		excess->overdrawn = Max(excess->overdrawn, here);
	}
	notify_charged(path, &accounts, refs, n);
	return true;
}

/*
 * Takes up to "most" of the excess from a window of the hold's that is over, as
 * far as its allowance has it; the account's present caps count it, since it is
 * charged now.  False if it has to be looked up anew.
 */
static bool
take_from_own_window(const OpenHold *hold, const QuotaBucketKey *key, int64 most, int64 *excess,
					 Jsonb *metadata, Snapshot snapshot)
{
	const QuotaEngine *engine = quota_engine();
	QuotaBucketRef found[QUOTA_MAX_LEVELS];
	QuotaEntry	like = entry_like(hold, QUOTA_ENTRY_SETTLE, metadata);
	QuotaAccounts charged = {.feature = hold->debit.feature,.nrefs = 1};
	QuotaAccounts accounts;
	QuotaAccount *account;
	QuotaBucketRef ref;
	QuotaPath	path;

	quota_path_look_up(&path, &hold->debit.subject, quota_now(), snapshot);
	own_window_ref(hold, key, &path, &ref);
	if (ref.key.end > quota_now())
		return true;			/* asked anyhow */
	engine->peek(&ref, 1, snapshot);
	ref.unlimited = ref.state.unlimited;
	ref.allowance = ref.state.allowance;
	ref.plan_version_id = ref.state.plan_version_id;
	if (quota_bucket_room(&ref) == 0)
		return true;
	quota_accounts_of(&path, hold->debit.feature, found, &accounts);
	account = account_of_prefix(&accounts, &hold->debit.subject, key->prefix_len);
	if (account != NULL && account->ref->key.source_id == key->source_id)
	{
		ref.ncaps = account->ref->ncaps;
		ref.caps = account->ref->caps;
		for (int i = 0; i < ref.ncaps; i++)
			ref.caps[i].key.bucket = &ref.key;
	}
	/* taking nothing locks it */
	if (engine->take(&ref, 1, QUOTA_TAKE_OVERDRAW, snapshot) != QUOTA_TAKEN)
		return false;
	ref.amount = Min(Min(*excess, most), quota_bucket_room(&ref));
	if (ref.amount == 0)
		return true;
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaEnsure(engine->take(&ref, 1, QUOTA_TAKE_OVERDRAW, snapshot) == QUOTA_TAKEN);
	UnregisterSnapshot(snapshot);
	charged.refs = &ref;
	(void) quota_write_entries(&charged, &like);
	*excess -= ref.amount;
	return true;
}

/* What the hold had in an account when it expired. */
static int
parts_at_expiry(const OpenHold *hold, int prefix_len, QuotaPart **parts)
{
	QuotaEntry *entries = (QuotaEntry *) palloc(sizeof(QuotaEntry) * hold->debit.nentries);
	int			n = 0;

	for (int i = 0; i < hold->debit.nentries; i++)
	{
		const QuotaEntry *e = &hold->debit.entries[i];

		if (e->kind == QUOTA_ENTRY_HOLD || e->kind == QUOTA_ENTRY_RELEASE)
			entries[n++] = *e;
	}
	return quota_parts_of(entries, n, hold->debit.subject.text, prefix_len, parts);
}

/*
 * After the expiry the hold's own buckets come first, as far as they still have
 * what the hold had: only a window that is over has to be asked for it, the
 * present one is asked anyhow.  Amounts are reduced by what was taken.
 */
static void
take_from_own_windows(const OpenHold *hold, Excess *excess, Jsonb *metadata)
{
	const QuotaEngine *engine = quota_engine();

	for (int i = 0; i < excess->naccounts; i++)
	{
		QuotaPart  *parts;
		int			nparts = 0;

		if (hold->given_back[i])
			nparts = parts_at_expiry(hold, excess->keys[i].prefix_len, &parts);
		for (int j = 0; j < nparts && excess->amounts[i] > 0; j++)
		{
			bool		done = false;

			while (!done)
			{
				Snapshot	snapshot;

				CHECK_FOR_INTERRUPTS();
				engine->open();
				snapshot = RegisterSnapshot(GetLatestSnapshot());
				done = take_from_own_window(hold, &parts[j].key, parts[j].amount,
											&excess->amounts[i], metadata, snapshot);
				UnregisterSnapshot(snapshot);
				engine->close();
				CommandCounterIncrement();
			}
		}
	}
}

/* What a level has overdrawn of it in the end, the one with the most. */
static int64
most_overdrawn(const OpenHold *hold)
{
	int64		most = 0;

	for (int level = 0; level < hold->debit.subject.nlevels; level++)
	{
		int64		here = 0;

		for (int i = 0; i < hold->debit.nparts; i++)
		{
			const QuotaPart *part = &hold->debit.parts[i];

			if (part->source == QUOTA_SOURCE_OVERDRAWN &&
				part->key.prefix_len == hold->debit.subject.prefix_len[level])
				here = quota_add(here, part->amount, "amount");
		}
		most = Max(most, here);
	}
	return most;
}

void
quota_hold_settle(int64 id, int64 amount, Jsonb *metadata, QuotaHoldOutcome *outcome)
{
	OpenHold	hold;
	Excess		excess = {.hold = &hold,.metadata = metadata};
	int64		kept;

	memset(outcome, 0, sizeof(*outcome));
	lock_hold(id, &hold);
	if (hold.expired)
		give_back_expired(&hold);
	close_hold(&hold, QUOTA_HOLD_SETTLED);
	/* of what has not been given back */
	kept = Min(amount, hold.row.reserved);
	give(&hold, hold.row.reserved - kept, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_SETTLE, metadata,
		 amount == kept);

	excess.naccounts = accounts_of_hold(&hold, excess.keys);
	for (int i = 0; i < excess.naccounts; i++)
		excess.amounts[i] = amount - (hold.given_back[i] ? 0 : kept);
	if (hold.debit.feature->kind == QUOTA_METERED)
		take_from_own_windows(&hold, &excess, metadata);
	while (!quota_attempt(&hold.debit.subject, true, take_excess, &excess))
		;
	/* some of what stays can have been overdrawn when it was observed */
	read_debit(&hold);
	outcome->overdrawn = Max(excess.overdrawn, most_overdrawn(&hold));
	outcome->charged = amount;
	finish(&hold, outcome);
}

/* ---- release ---- */

void
quota_hold_release(int64 id, QuotaHoldOutcome *outcome)
{
	OpenHold	hold;

	memset(outcome, 0, sizeof(*outcome));
	lock_hold(id, &hold);
	if (hold.expired)
		give_back_expired(&hold);
	close_hold(&hold, QUOTA_HOLD_RELEASED);
	/* nothing is left of one that has expired, by our clock or another's */
	outcome->released = hold.debit.nparts > 0 ? hold.row.reserved : 0;
	give(&hold, hold.row.reserved, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_RELEASE, NULL, false);
	finish(&hold, outcome);
}

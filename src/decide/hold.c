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

/*
 * The accounts that the hold has ever counted in, in path order, with the entries
 * (or NULL) by which it did so last.
 */
static int
accounts_of_hold(const OpenHold *hold, QuotaBucketKey *keys, int64 *entry_ids)
{
	int			n = 0;

	for (int level = 0; level < hold->debit.subject.nlevels; level++)
	{
		const QuotaEntry *newest = NULL;

		/* a hold that grew can have more than one window */
		for (int i = 0; i < hold->debit.nentries; i++)
		{
			const QuotaEntry *e = &hold->debit.entries[i];

			if (e->bucket.prefix_len == hold->debit.subject.prefix_len[level] &&
				(newest == NULL || e->kind == QUOTA_ENTRY_HOLD))
				newest = e;
		}
		if (newest == NULL)
			continue;
		if (entry_ids != NULL)
			entry_ids[n] = newest->id;
		keys[n++] = newest->bucket;
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
	int			n = accounts_of_hold(hold, keys, NULL);
	bool		changed = false;

	for (int i = 0; i < n; i++)
	{
		hold->given_back[i] = !quota_hold_part_remove(keys[i].prefix, keys[i].prefix_len,
													  keys[i].feature_id, hold->row.id,
													  hold->row.expires_at);
		changed = changed || hold->given_back[i];
	}
	hold->row.state = state;
	quota_hold_update(&hold->row);
	CommandCounterIncrement();
	/* what has been given back while we waited for the parts is in the ledger now */
	if (changed)
		read_debit(hold);
}

/* "book": what comes back is noted in the ledger, even if it is nothing. */
static void
give(const OpenHold *hold, QuotaGive what, int64 amount, QuotaUnreserve unreserve, char kind,
	 Jsonb *metadata, bool book)
{
	const QuotaEngine *engine = quota_engine();
	QuotaEntry	like = entry_like(hold, kind, metadata);
	QuotaGiving *givings;
	int			n = quota_plan_giving(&hold->debit, what, amount, unreserve, &givings);

	if (n == 0)
		return;
	engine->open();
	if (book)
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
	int			n = accounts_of_hold(hold, keys, NULL);

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
	int			n = accounts_of_hold(hold, keys, NULL);

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
		give(&hold, QUOTA_GIVE_AMOUNT, hold.row.reserved - amount, QUOTA_UNRESERVE_GIVEN,
			 QUOTA_ENTRY_RELEASE, NULL, true);
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

/* A window of the hold's own, wherever the use that an entry put there has gone. */
static void
own_window_ref(const QuotaBucketKey *key, int64 entry_id, const QuotaPath *path,
			   QuotaBucketRef *ref)
{
	memset(ref, 0, sizeof(*ref));
	ref->key = *key;
	quota_engine()->locate(&ref->key, entry_id, path->snapshot);
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
				own_window_ref(key, excess->entry_ids[i], path, &refs[n]);
				refs[n].only = QUOTA_SOURCE_OVERDRAWN;
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

/* What one of an expired hold's buckets is to give once more. */
typedef struct Again
{
	const OpenHold *hold;
	Jsonb	   *metadata;
	const QuotaPart *part;		/* what the hold had there */
	int64		wanted;
	int64		taken;			/* out */
} Again;

/*
 * The bucket of a part: the account's present window as it stands, or one that is
 * over by the terms of its last charge.  There a grant and overage give what they
 * have themselves; what overage there may be, the present account says.
 */
static void
bucket_again(const Again *again, const QuotaPath *path, const QuotaAccount *account,
			 QuotaBucketRef *ref)
{
	own_window_ref(&again->part->key, again->part->entry_id, path, ref);
	if (account != NULL && quota_bucket_is_same(&account->ref->key, &ref->key))
	{
		*ref = *account->ref;
		ref->rate = NULL;		/* was taken when it was reserved */
		return;
	}
	quota_engine()->peek(ref, 1, path->snapshot);
	ref->unlimited = again->part->source != QUOTA_SOURCE_ALLOWANCE ||
		(ref->state.unlimited && !ref->state.is_prorated);
	ref->allowance = ref->state.allowance;
	if (account == NULL)
		return;
	ref->overage_limit = account->ref->overage_limit;
	/* it is charged now, so the present caps count it */
	ref->ncaps = account->ref->ncaps;
	ref->caps = account->ref->caps;
}

/* Has the bucket the part's grant?  One that the account has not any more is added. */
static bool
find_grant_again(const QuotaPart *part, Snapshot snapshot, QuotaBucketRef *ref)
{
	for (int i = 0; i < ref->ngrants; i++)
	{
		if (ref->grants[i].grant.id == part->grant_id)
			return true;
	}
	ref->unlimited = true;
	ref->ngrants = 1;
	ref->grants = (QuotaGrantRef *) palloc0(sizeof(QuotaGrantRef));
	return quota_grant_by_id(part->grant_id, part->at, snapshot, &ref->grants[0].grant) &&
		!ref->grants[0].grant.revoked;
}

/* Takes what the bucket still has; false if it has to be looked up anew. */
static bool
take_again(const QuotaPath *path, void *arg)
{
	Again	   *again = (Again *) arg;
	const QuotaPart *part = again->part;
	QuotaEntry	like = entry_like(again->hold, QUOTA_ENTRY_SETTLE, again->metadata);
	QuotaBucketRef found[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts;
	QuotaAccounts charged;
	QuotaAccount *account;
	QuotaBucketRef ref;
	QuotaTakeResult result;

	quota_accounts_of(path, again->hold->debit.feature, found, &accounts);
	account = account_of_prefix(&accounts, path->subject, part->key.prefix_len);
	bucket_again(again, path, account, &ref);
	if (part->source == QUOTA_SOURCE_GRANT && !find_grant_again(part, path->snapshot, &ref))
		return true;
	ref.only = part->source;
	ref.only_grant = part->grant_id;
	ref.amount = Min(again->wanted, part->amount);
	result = quota_engine()->take(&ref, 1, QUOTA_TAKE_UP_TO, path->snapshot);
	if (result != QUOTA_TAKEN)
		return result == QUOTA_NO_ROOM;
	charged = accounts;
	charged.refs = &ref;
	charged.nrefs = 1;
	(void) quota_write_entries(&charged, &like);
	if (account != NULL && quota_bucket_is_same(&account->ref->key, &ref.key))
		notify_charged(path, &accounts, &ref, 1);
	again->taken = ref.amount;
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
 * what the hold had.  Amounts are reduced by what was taken.
 */
static void
take_from_own_buckets(const OpenHold *hold, Excess *excess)
{
	for (int i = 0; i < excess->naccounts; i++)
	{
		QuotaPart  *parts;
		int			nparts = 0;

		if (hold->given_back[i])
			nparts = parts_at_expiry(hold, excess->keys[i].prefix_len, &parts);
		for (int j = 0; j < nparts && excess->amounts[i] > 0; j++)
		{
			Again		again = {
				.hold = hold,
				.metadata = excess->metadata,
				.part = &parts[j],
				.wanted = excess->amounts[i]
			};

			if (parts[j].source == QUOTA_SOURCE_OVERDRAWN)
				continue;
			while (!quota_attempt(&hold->debit.subject, true, take_again, &again))
				;
			excess->amounts[i] -= again.taken;
		}
	}
}

/* What the hold has at a level. */
static int64
held_at(const OpenHold *hold, int prefix_len)
{
	int64		held = 0;

	for (int i = 0; i < hold->debit.nparts; i++)
	{
		if (hold->debit.parts[i].key.prefix_len == prefix_len)
			held = quota_add(held, hold->debit.parts[i].amount, "amount");
	}
	return held;
}

void
quota_hold_settle(int64 id, int64 amount, Jsonb *metadata, QuotaHoldOutcome *outcome)
{
	OpenHold	hold;
	Excess		excess = {.hold = &hold,.metadata = metadata};
	bool		all_exceed = true;

	memset(outcome, 0, sizeof(*outcome));
	lock_hold(id, &hold);
	if (hold.expired)
		give_back_expired(&hold);
	close_hold(&hold, QUOTA_HOLD_SETTLED);
	excess.naccounts = accounts_of_hold(&hold, excess.keys, excess.entry_ids);
	for (int i = 0; i < excess.naccounts; i++)
	{
		int64		held = held_at(&hold, excess.keys[i].prefix_len);

		excess.amounts[i] = Max(amount - held, 0);
		all_exceed = all_exceed && held < amount;
	}
	give(&hold, QUOTA_GIVE_BEYOND, amount, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_SETTLE, metadata,
		 !all_exceed);
	if (hold.debit.feature->kind == QUOTA_METERED)
		take_from_own_buckets(&hold, &excess);
	while (!quota_attempt(&hold.debit.subject, true, take_excess, &excess))
		;
	outcome->overdrawn = excess.overdrawn;
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
	give(&hold, QUOTA_GIVE_BEYOND, 0, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_RELEASE, NULL, true);
	finish(&hold, outcome);
}

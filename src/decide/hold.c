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
#include "decide/give.h"
#include "decide/hold.h"
#include "decide/notify.h"
#include "engine/booking.h"
#include "store/hold.h"

/* A hold that is locked, and what the ledger says of it. */
typedef struct OpenHold
{
	QuotaHold	row;
	QuotaDebit	debit;
	bool		expired;
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
		for (int i = 0; i < hold->debit.nentries; i++)
		{
			const QuotaBucketKey *key = &hold->debit.entries[i].bucket;

			if (key->prefix_len == hold->debit.subject.prefix_len[level])
			{
				keys[n++] = *key;
				break;
			}
		}
	}
	return n;
}

static void
close_hold(OpenHold *hold, char state)
{
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];
	int			n = accounts_of_hold(hold, keys);

	for (int i = 0; i < n; i++)
		(void) quota_hold_part_remove(keys[i].prefix, keys[i].prefix_len, keys[i].feature_id,
									  hold->row.id, DT_NOEND);
	hold->row.state = state;
	quota_hold_update(&hold->row);
	CommandCounterIncrement();
}

static void
give(const OpenHold *hold, int64 amount, QuotaUnreserve unreserve, char kind, Jsonb *metadata)
{
	const QuotaEngine *engine = quota_engine();
	QuotaEntry	like = entry_like(hold, kind, metadata);
	QuotaGiving *givings;
	int			n = quota_plan_giving(&hold->debit, amount, unreserve, &givings);

	engine->open();
	(void) quota_give_and_book(engine, givings, n, &like);
	engine->close();
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

void
quota_hold_extend(int64 id, int64 ttl_us, int64 amount, QuotaHoldOutcome *outcome)
{
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];
	OpenHold	hold;
	int			n;

	memset(outcome, 0, sizeof(*outcome));
	lock_hold(id, &hold);
	if (hold.expired || hold.row.state == QUOTA_HOLD_EXPIRED)
		raise_closed(id, "has expired");
	if (ttl_us > 0)
		hold.row.ttl_us = ttl_us;
	hold.row.expires_at = quota_hold_expiry(quota_clock_now(), hold.row.ttl_us);
	if (amount > hold.row.reserved)
		grow(&hold, amount - hold.row.reserved);
	else if (amount > 0 && amount < hold.row.reserved)
	{
		give(&hold, hold.row.reserved - amount, QUOTA_UNRESERVE_GIVEN, QUOTA_ENTRY_RELEASE, NULL);
		hold.row.reserved = amount;
	}
	n = accounts_of_hold(&hold, keys);
	for (int i = 0; i < n; i++)
		quota_hold_part_extend(keys[i].prefix, keys[i].prefix_len, keys[i].feature_id, id,
							   hold.row.expires_at);
	quota_hold_update(&hold.row);
	outcome->reserved = hold.row.reserved;
	finish(&hold, outcome);
}

/* ---- settle ---- */

/* What is to be taken beyond what the hold had, of each account that it counts in. */
typedef struct Excess
{
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

/* A bucket of the hold's own window; without any room where there is no account now. */
static void
old_window_ref(const QuotaBucketKey *key, const QuotaPath *path, QuotaBucketRef *ref)
{
	memset(ref, 0, sizeof(*ref));
	ref->key = *key;
	ref->at = path->at;
	ref->clock = path->clock;
}

/*
 * Where the excess of each account goes now: into its present window; where the
 * level has no account any more, into the hold's, as overdrawn.
 */
static int
excess_refs(const OpenHold *hold, const Excess *excess, const QuotaPath *path,
			QuotaAccounts *accounts, QuotaBucketRef *refs)
{
	int			n = 0;

	for (int i = 0; i < excess->naccounts; i++)
	{
		const QuotaBucketKey *key = &excess->keys[i];
		QuotaAccount *account;

		if (excess->amounts[i] == 0)
			continue;
		if (hold->debit.feature->kind == QUOTA_CAPACITY)
		{
			for (int j = 0; j < accounts->nrefs; j++)
			{
				if (accounts->refs[j].key.prefix_len == key->prefix_len)
					refs[n] = accounts->refs[j];
			}
		}
		else
		{
			account = account_of_prefix(accounts, path->subject, key->prefix_len);
			if (account != NULL && account->ref != NULL)
				refs[n] = *account->ref;
			else
				old_window_ref(key, path, &refs[n]);
		}
		for (int j = 0; j < refs[n].ncaps; j++)
			refs[n].caps[j].key.bucket = &refs[n].key;
		refs[n].rate = NULL;	/* was taken when it was reserved */
		refs[n].amount = excess->amounts[i];
		n++;
	}
	return n;
}

/* Takes what has room and overdraws the rest; the most that any level overdrew. */
static int64
take_excess(const OpenHold *hold, const Excess *excess, Jsonb *metadata)
{
	const QuotaEngine *engine = quota_engine();
	QuotaTakeResult result = QUOTA_STALE;
	int64		overdrawn = 0;

	while (result == QUOTA_STALE)
	{
		QuotaBucketRef found[QUOTA_MAX_LEVELS];
		QuotaBucketRef refs[QUOTA_MAX_LEVELS];
		QuotaAccounts accounts;
		QuotaAccounts charged;
		Snapshot	snapshot;
		QuotaPath	path;
		int			n;

		CHECK_FOR_INTERRUPTS();
		engine->open();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		quota_path_look_up(&path, &hold->debit.subject, quota_now(), snapshot);
		if (quota_path_is_due(&path))
			quota_carry_out_due(&path);
		else
		{
			quota_accounts_of(&path, hold->debit.feature, found, &accounts);
			n = excess_refs(hold, excess, &path, &accounts, refs);
			result = n == 0 ? QUOTA_TAKEN : engine->take(refs, n, QUOTA_TAKE_OVERDRAW, snapshot);
			if (result == QUOTA_TAKEN && n > 0)
			{
				QuotaEntry	like = entry_like(hold, QUOTA_ENTRY_SETTLE, metadata);

				charged = accounts;
				charged.refs = refs;
				charged.nrefs = n;
				(void) quota_write_entries(&charged, &like);
				for (int i = 0; i < n; i++)
					overdrawn = Max(overdrawn, refs[i].change.overdrawn);
				for (int i = 0; i < accounts.naccounts; i++)
				{
					for (int j = 0; j < n; j++)
					{
						if (accounts.accounts[i].ref != NULL &&
							accounts.accounts[i].ref->key.prefix_len == refs[j].key.prefix_len)
							accounts.accounts[i].ref = &refs[j];
					}
				}
				quota_notify(&path, &accounts);
			}
		}
		UnregisterSnapshot(snapshot);
		engine->close();
	}
	CommandCounterIncrement();
	return overdrawn;
}

/*
 * After the expiry the hold's own buckets come first, as far as they still have
 * what the hold had: only a window that is over has to be asked for it, the
 * present one is asked anyhow.  Amounts are reduced by what was taken.
 */
static void
take_from_old_windows(const OpenHold *hold, Excess *excess, Jsonb *metadata)
{
	const QuotaEngine *engine = quota_engine();

	for (int i = 0; i < excess->naccounts; i++)
	{
		Snapshot	snapshot;
		QuotaBucketRef ref;
		QuotaAccounts charged = {0};
		QuotaPath	path;
		QuotaTakeResult result;
		QuotaEntry	like = entry_like(hold, QUOTA_ENTRY_SETTLE, metadata);

		if (hold->debit.feature->kind == QUOTA_CAPACITY ||
			excess->keys[i].end > quota_now())
			continue;
		engine->open();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		quota_path_look_up(&path, &hold->debit.subject, quota_now(), snapshot);
		old_window_ref(&excess->keys[i], &path, &ref);
		engine->peek(&ref, 1, snapshot);
		ref.unlimited = ref.state.unlimited;
		ref.allowance = ref.state.allowance;
		ref.plan_version_id = ref.state.plan_version_id;
		ref.amount = Min(excess->amounts[i], hold->row.reserved);
		result = ref.amount == 0 ? QUOTA_NO_ROOM :
			engine->take(&ref, 1, QUOTA_TAKE_UP_TO, snapshot);
		if (result == QUOTA_TAKEN)
		{
			charged.feature = hold->debit.feature;
			charged.refs = &ref;
			charged.nrefs = 1;
			(void) quota_write_entries(&charged, &like);
			excess->amounts[i] -= ref.amount;
		}
		UnregisterSnapshot(snapshot);
		engine->close();
		CommandCounterIncrement();
	}
}

void
quota_hold_settle(int64 id, int64 amount, Jsonb *metadata, QuotaHoldOutcome *outcome)
{
	Excess		excess = {0};
	OpenHold	hold;
	int64		kept = 0;

	memset(outcome, 0, sizeof(*outcome));
	lock_hold(id, &hold);
	if (hold.expired)
		give_back_expired(&hold);
	else
		kept = Min(amount, hold.row.reserved);
	close_hold(&hold, QUOTA_HOLD_SETTLED);
	if (!hold.expired)
		give(&hold, hold.row.reserved - kept, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_SETTLE, metadata);

	excess.naccounts = accounts_of_hold(&hold, excess.keys);
	for (int i = 0; i < excess.naccounts; i++)
		excess.amounts[i] = amount - kept;
	if (amount > kept)
	{
		if (hold.expired)
			take_from_old_windows(&hold, &excess, metadata);
		outcome->overdrawn = take_excess(&hold, &excess, metadata);
	}
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
	if (!hold.expired)
	{
		give(&hold, hold.row.reserved, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_RELEASE, NULL);
		outcome->released = hold.row.reserved;
	}
	finish(&hold, outcome);
}

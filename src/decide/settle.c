/*-------------------------------------------------------------------------
 *
 * settle.c
 *		Settling a hold: what the work really cost.
 *
 * What the hold had too much comes back.  What it had too little, or has given
 * back because it expired, is taken from where the hold had it, as far as that
 * still gives, then from the present room; the rest is overdrawn.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

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
	const QuotaOpenHold *hold = excess->hold;
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

/* Takes what has room and overdraws the rest; false if it has to be looked up anew. */
static bool
take_excess(const QuotaPath *path, void *arg)
{
	Excess	   *excess = (Excess *) arg;
	const QuotaOpenHold *hold = excess->hold;
	QuotaBucketRef found[QUOTA_MAX_LEVELS];
	QuotaBucketRef refs[QUOTA_MAX_LEVELS];
	QuotaEntry	like = quota_hold_entry(hold, QUOTA_ENTRY_SETTLE, excess->metadata);
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
	return true;
}

/* What one of an expired hold's buckets is to give once more. */
typedef struct Again
{
	const QuotaOpenHold *hold;
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

/*
 * Has the bucket the part's grant, in the period that the hold took from?  One that
 * the account has not any more is added.
 */
static bool
find_grant_again(const QuotaPart *part, Snapshot snapshot, QuotaBucketRef *ref)
{
	QuotaGrant	grant;

	if (!quota_grant_by_id(part->grant_id, part->at, snapshot, &grant) || grant.revoked)
		return false;
	for (int i = 0; i < ref->ngrants; i++)
	{
		const QuotaGrant *here = &ref->grants[i].grant;

		if (here->id == grant.id && here->period.start == grant.period.start)
			return true;
	}
	ref->unlimited = true;
	ref->ngrants = 1;
	ref->grants = (QuotaGrantRef *) palloc0(sizeof(QuotaGrantRef));
	ref->grants[0].grant = grant;
	return true;
}

/* Takes what the bucket still has; false if it has to be looked up anew. */
static bool
take_again(const QuotaPath *path, void *arg)
{
	Again	   *again = (Again *) arg;
	const QuotaPart *part = again->part;
	QuotaEntry	like = quota_hold_entry(again->hold, QUOTA_ENTRY_SETTLE, again->metadata);
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
	again->taken = ref.amount;
	return true;
}

/* What the hold had in an account when it expired. */
static int
parts_at_expiry(const QuotaOpenHold *hold, int prefix_len, QuotaPart **parts)
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
take_from_own_buckets(const QuotaOpenHold *hold, Excess *excess)
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
held_at(const QuotaOpenHold *hold, int prefix_len)
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
	QuotaOpenHold hold;
	Excess		excess = {.hold = &hold,.metadata = metadata};
	bool		all_exceed = true;
	bool		any_exceeds = false;

	memset(outcome, 0, sizeof(*outcome));
	quota_close_hold(id, &hold);
	excess.naccounts = quota_hold_accounts(&hold, excess.keys, excess.entry_ids);
	for (int i = 0; i < excess.naccounts; i++)
	{
		int64		held = held_at(&hold, excess.keys[i].prefix_len);

		excess.amounts[i] = Max(amount - held, 0);
		all_exceed = all_exceed && held < amount;
		any_exceeds = any_exceeds || held < amount;
	}
	quota_hold_give(&hold, QUOTA_GIVE_BEYOND, amount, QUOTA_UNRESERVE_ALL, QUOTA_ENTRY_SETTLE,
					metadata, !all_exceed);
	if (any_exceeds)
	{
		if (hold.debit.feature->kind == QUOTA_METERED)
			take_from_own_buckets(&hold, &excess);
		while (!quota_attempt(&hold.debit.subject, true, take_excess, &excess))
			;
	}
	outcome->overdrawn = excess.overdrawn;
	outcome->charged = amount;
	if (amount > 0)
		quota_notify_settled(&hold.debit);
	quota_hold_finish(&hold, outcome);
}

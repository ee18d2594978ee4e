/*-------------------------------------------------------------------------
 *
 * open_hold.c
 *		A hold that is being worked on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/attempt.h"
#include "decide/open_hold.h"
#include "engine/booking.h"

void
quota_raise_hold_closed(int64 id, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUOTA_HOLD_CLOSED),
			 errmsg("hold " INT64_FORMAT " %s", id, why)));
}

void
quota_hold_read(QuotaOpenHold *hold)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (!quota_debit_read(hold->row.id, snapshot, &hold->debit))
		elog(ERROR, "quota: a hold without ledger entries");
	quota_debit_require_feature(&hold->debit);
	UnregisterSnapshot(snapshot);
}

/* By locking its row, or by deleting it; false if it is closed: QT404 if it never was. */
static bool
claim(int64 id, bool (*claim_row) (int64, QuotaHold *), QuotaOpenHold *hold)
{
	Snapshot	snapshot;
	bool		open;

	memset(hold, 0, sizeof(*hold));
	/* the table's lock comes before the row's: src/README.md */
	quota_engine_enter();
	open = claim_row(id, &hold->row);
	hold->row.id = id;
	hold->expired = open && hold->row.expires_at <= quota_clock_now();
	/* only the ledger knows of a closed hold */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (!quota_debit_read(id, snapshot, &hold->debit) || hold->debit.kind != QUOTA_ENTRY_HOLD)
		quota_raise_not_found("hold", psprintf(INT64_FORMAT, id));
	quota_debit_require_feature(&hold->debit);
	UnregisterSnapshot(snapshot);
	return open;
}

void
quota_open_hold(int64 id, QuotaOpenHold *hold)
{
	if (!claim(id, quota_hold_lock, hold))
		quota_raise_hold_closed(id, "has been settled or released");
}

QuotaEntry
quota_hold_entry(const QuotaOpenHold *hold, char kind, Jsonb *metadata)
{
	QuotaEntry	like = {0};

	like.at = quota_now();
	like.subject = hold->debit.subject.text;
	like.kind = kind;
	like.debit_id = hold->row.id;
	like.levels = hold->debit.entries[0].levels;
	like.metadata = metadata;
	return like;
}

int
quota_hold_accounts(const QuotaOpenHold *hold, QuotaWindowKey *keys, int64 *entry_ids)
{
	int			n = 0;

	for (int level = 0; level < hold->debit.subject.nlevels; level++)
	{
		const QuotaEntry *newest = NULL;

		/* a hold that grew can have more than one window */
		for (int i = 0; i < hold->debit.nentries; i++)
		{
			const QuotaEntry *e = &hold->debit.entries[i];

			if (e->bucket.account.prefix_len == hold->debit.subject.prefix_len[level] &&
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

/* Gives back what an expired hold still has, account by account. */
static void
give_back_expired(QuotaOpenHold *hold)
{
	QuotaWindowKey keys[QUOTA_MAX_LEVELS];
	int			n = quota_hold_accounts(hold, keys, NULL);

	quota_engine_enter();
	for (int i = 0; i < n; i++)
		(void) quota_engine_expire(&keys[i].account);
	CommandCounterIncrement();
	quota_hold_read(hold);
}

/* A part that is gone was given back. */
static void
remove_parts(QuotaOpenHold *hold)
{
	QuotaWindowKey keys[QUOTA_MAX_LEVELS];
	int			n = quota_hold_accounts(hold, keys, NULL);
	bool		changed = false;

	for (int i = 0; i < n; i++)
	{
		if (!quota_hold_part_remove(&keys[i].account, hold->row.id, hold->row.expires_at))
			changed = true;
	}
	CommandCounterIncrement();
	/* what has been given back while we waited for the parts is in the ledger now */
	if (changed)
		quota_hold_read(hold);
}

bool
quota_close_hold(int64 id, QuotaOpenHold *hold)
{
	if (!claim(id, quota_hold_remove, hold))
		return false;
	if (hold->expired)
		give_back_expired(hold);
	remove_parts(hold);
	return true;
}

void
quota_hold_give(const QuotaOpenHold *hold, QuotaGiveRule what, int64 amount, QuotaUnreserve unreserve,
				char kind, Jsonb *metadata, bool book)
{
	QuotaEntry	like = quota_hold_entry(hold, kind, metadata);
	QuotaGiving *givings;
	int			n = quota_plan_giving(&hold->debit, what, amount, unreserve, &givings);

	if (n == 0)
		return;
	quota_engine_enter();
	if (book)
		(void) quota_give_and_book(givings, n, &like);
	else
		quota_engine_give(givings, n, hold->row.id);
	CommandCounterIncrement();
}

/* What became of a hold, for its rates. */
typedef struct Correction
{
	const QuotaOpenHold *hold;
	QuotaGiveRule	what;
	int64		amount;
	QuotaVerdict *verdict;
} Correction;

/* What the hold has taken of a level's rate; false if it does not count there. */
static bool
rate_taken(const QuotaOpenHold *hold, int prefix_len, int64 *taken)
{
	bool		counts = false;

	*taken = 0;
	for (int i = 0; i < hold->debit.nentries; i++)
	{
		const QuotaEntry *e = &hold->debit.entries[i];

		if (e->bucket.account.prefix_len != prefix_len ||
			(e->kind != QUOTA_ENTRY_HOLD && e->kind != QUOTA_ENTRY_RELEASE))
			continue;
		counts = true;
		*taken = quota_add(*taken, e->amount, "amount");
	}
	return counts;
}

static bool
correct_rates(const QuotaPath *path, void *arg)
{
	Correction *correction = (Correction *) arg;
	const QuotaOpenHold *hold = correction->hold;
	QuotaMeter	meters[QUOTA_MAX_LEVELS];
	QuotaAccounts accounts;
	Snapshot	snapshot;

	quota_accounts_of(path, hold->debit.feature, meters, &accounts);
	for (int i = 0; i < accounts.naccounts; i++)
	{
		const QuotaAccount *account = &accounts.accounts[i];
		int64		taken;
		int64		difference;

		if (account->meter->limits.rate == NULL ||
			!rate_taken(hold, path->subject->prefix_len[account->level], &taken))
			continue;
		difference = correction->what == QUOTA_GIVE_BEYOND ? correction->amount - taken :
			-Min(correction->amount, taken);
		if (difference != 0)
			quota_engine_correct_rate(account->meter, difference);
	}
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_engine_peek(accounts.meters, accounts.nmeters, snapshot);
	quota_judge(path, &accounts, 0, correction->verdict);
	UnregisterSnapshot(snapshot);
	return true;
}

void
quota_hold_correct_rates(const QuotaOpenHold *hold, QuotaGiveRule what, int64 amount,
						 QuotaVerdict *verdict)
{
	Correction	correction = {.hold = hold,.what = what,.amount = amount,.verdict = verdict};

	quota_attempt(&hold->debit.subject, true, correct_rates, &correction);
}

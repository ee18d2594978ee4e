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

#include "base/settings.h"
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

/* Of a hold that is closed only the ledger knows. */
static void
raise_no_hold(int64 id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaEntry *entries;
	int			n = quota_ledger_of_debit(id, snapshot, &entries);

	UnregisterSnapshot(snapshot);
	if (n == 0 || entries[0].kind != QUOTA_ENTRY_HOLD)
		quota_raise_not_found("hold", psprintf(INT64_FORMAT, id));
	for (int i = 0; i < n; i++)
	{
		if (entries[i].kind == QUOTA_ENTRY_SETTLE)
			quota_raise_hold_closed(id, "has been settled");
	}
	/* released, or settled with nothing when it had expired */
	quota_raise_hold_closed(id, "has been closed without a charge");
}

/* By locking its row, or by deleting it. */
static void
claim(int64 id, bool (*claim_row) (int64, QuotaHold *), QuotaOpenHold *hold)
{
	memset(hold, 0, sizeof(*hold));
	/* the table's lock comes before the row's: src/README.md */
	quota_engine()->lock();
	if (!claim_row(id, &hold->row))
		raise_no_hold(id);
	hold->expired = hold->row.expires_at <= quota_clock_now();
	quota_hold_read(hold);
}

void
quota_open_hold(int64 id, QuotaOpenHold *hold)
{
	claim(id, quota_hold_lock, hold);
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
quota_hold_accounts(const QuotaOpenHold *hold, QuotaBucketKey *keys, int64 *entry_ids)
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

/* Gives back what an expired hold still has, account by account. */
static void
give_back_expired(QuotaOpenHold *hold)
{
	const QuotaEngine *engine = quota_engine();
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];
	int			n = quota_hold_accounts(hold, keys, NULL);

	engine->lock();
	for (int i = 0; i < n; i++)
		(void) engine->expire(&keys[i]);
	CommandCounterIncrement();
	quota_hold_read(hold);
}

/* A part that is gone was given back. */
static void
remove_parts(QuotaOpenHold *hold)
{
	QuotaBucketKey keys[QUOTA_MAX_LEVELS];
	int			n = quota_hold_accounts(hold, keys, NULL);
	bool		changed = false;

	for (int i = 0; i < n; i++)
	{
		hold->given_back[i] = !quota_hold_part_remove(keys[i].prefix, keys[i].prefix_len,
													  keys[i].feature_id, hold->row.id,
													  hold->row.expires_at);
		changed = changed || hold->given_back[i];
	}
	CommandCounterIncrement();
	/* what has been given back while we waited for the parts is in the ledger now */
	if (changed)
		quota_hold_read(hold);
}

void
quota_close_hold(int64 id, QuotaOpenHold *hold)
{
	claim(id, quota_hold_remove, hold);
	if (hold->expired)
		give_back_expired(hold);
	remove_parts(hold);
}

void
quota_hold_give(const QuotaOpenHold *hold, QuotaGive what, int64 amount, QuotaUnreserve unreserve,
				char kind, Jsonb *metadata, bool book)
{
	const QuotaEngine *engine = quota_engine();
	QuotaEntry	like = quota_hold_entry(hold, kind, metadata);
	QuotaGiving *givings;
	int			n = quota_plan_giving(&hold->debit, what, amount, unreserve, &givings);

	if (n == 0)
		return;
	engine->lock();
	if (book)
		(void) quota_give_and_book(engine, givings, n, &like);
	else
		engine->give(givings, n, hold->row.id);
	CommandCounterIncrement();
}

void
quota_hold_finish(const QuotaOpenHold *hold, QuotaHoldOutcome *outcome)
{
	CommandCounterIncrement();
	outcome->id = hold->row.id;
	outcome->expires_at = hold->row.expires_at;
	quota_charge_verdict(&hold->debit.subject, hold->debit.feature->name, &outcome->verdict);
}

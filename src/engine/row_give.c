/*-------------------------------------------------------------------------
 *
 * row_give.c
 *		The engine's giving back, that of expired holds included, and what a
 *		hold's true count does to rates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "base/settings.h"
#include "engine/booking.h"
#include "engine/expiry.h"
#include "engine/lease_give.h"
#include "engine/lease_row.h"
#include "engine/row_parts.h"
#include "shared/rates.h"
#include "store/hold.h"

/*
 * Finds and locks the row that has what a ledger entry charged; *key is set to its
 * window.  There is none of an account that has been erased.
 */
static void
lock_for_give(Relation buckets, QuotaWindowKey *key, int64 id, QuotaBucketRow *row)
{
	QuotaWindowKey charged = *key;
	bool		done = false;

	while (!done)
	{
		/* it may be younger than any earlier snapshot */
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

		quota_bucket_follow(buckets, &charged, id, snapshot, row);
		/* somebody may have moved it until we had the lock */
		done = row->tuple == NULL || (quota_bucket_lock(buckets, row, snapshot) && !row->moved);
		UnregisterSnapshot(snapshot);
	}
	*key = row->key;
}

/*
 * Gives a grant back in the period that the charge was made in; how much it had, and
 * whether caps have counted it.
 */
static int64
give_to_grant(const QuotaPart *part, bool *counted)
{
	Relation	rel = quota_grant_use_open(RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaGrantUse use = {0};
	QuotaGrant	grant = {0};
	int64		came_back = 0;

	if (quota_grant_by_id(part->grant_id, part->at, snapshot, &grant))
		quota_grant_use_find(rel, part->grant_id, grant.period.start, snapshot, &use);
	if (use.tuple != NULL && quota_grant_use_lock(rel, &use, snapshot))
	{
		/* a session that revokes a part of it has had the row locked */
		UnregisterSnapshot(snapshot);
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		(void) quota_grant_by_id(part->grant_id, part->at, snapshot, &grant);
		came_back = Min(part->amount, use.used);
		quota_grant_use_update(rel, &use, &grant, use.used - came_back);
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	*counted = !grant.beyond_caps;
	return came_back;
}

/* What comes back restores every cap whose window the charge lies in. */
static void
give_to_caps(const QuotaPart *part)
{
	Relation	rel = quota_cap_use_open(RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaCapUse *uses;
	int			n = quota_cap_use_containing(rel, &part->key, part->at, snapshot, &uses);

	for (int i = 0; i < n; i++)
	{
		QuotaCapUse *use = &uses[i];

		if (!quota_cap_use_lock(rel, use, snapshot) ||
			part->at < use->opened_at || part->at >= use->closes_at ||
			part->entry_id <= use->cleared_id)
			continue;
		use->used -= Min(use->used, part->amount);
		quota_cap_use_update(rel, use);
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
}

/* How much a bucket has to give; of a capacity, what open holds have reserved stays. */
static int64
there_is(Relation buckets, const QuotaBucketRow *row, const QuotaGiving *giving)
{
	bool		is_capacity = giving->part.source == QUOTA_SOURCE_CAPACITY;
	QuotaBucketState sure = quota_row_sure(buckets, row, is_capacity ? PG_INT64_MAX : giving->part.amount);
	int64		count = *quota_count_of(&sure.counts, giving->part.source);

	if (is_capacity)
		count -= Max(sure.reserved - giving->unreserve, 0);
	return Max(count, 0);
}

/*
 * Gives one part back to its bucket; sets its amount to what came back.  With a
 * snapshot the bucket is as it was found by that and not locked: false, and nothing
 * done, if it has changed.
 */
static bool
give_part(Relation buckets, QuotaGiving *giving, QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaPart	asked = giving->part;
	QuotaPart  *part = &giving->part;
	QuotaBucketState state;
	bool		counted = !giving->leaves_caps && part->source != QUOTA_SOURCE_CAPACITY;

	if (row->state.lease_id != 0 && quota_lease_let_give(buckets, row, part->amount, part->amount - giving->unreserve))
		CommandCounterIncrement();
	state = row->state;
	part->amount = Min(part->amount, there_is(buckets, row, giving));
	if (part->source == QUOTA_SOURCE_GRANT)
	{
		bool		in_caps;

		part->amount = give_to_grant(part, &in_caps);
		counted = counted && in_caps;
	}
	*quota_count_of(&state.counts, part->source) -= part->amount;
	/* with a lease, it may be the lease that has reserved it: then only the sum says something */
	state.reserved -= state.lease_id != 0 ? giving->unreserve : Min(state.reserved, giving->unreserve);
	if ((part->amount > 0 || state.reserved != row->state.reserved) &&
		!quota_row_write(buckets, row, &state, snapshot))
	{
		QuotaEnsure(snapshot != InvalidSnapshot);
		*part = asked;
		return false;
	}
	/* caps counted the whole charge, whatever the bucket has lost since */
	if (counted && asked.amount > 0)
		give_to_caps(&asked);
	/* the next part may be of the same rows */
	CommandCounterIncrement();
	return true;
}

/*
 * One part whose bucket is where it was and as it was found: the update alone does
 * for it, as in most debits.
 */
static bool
give_plainly(Relation buckets, QuotaGiving *giving, int64 id)
{
	const QuotaPart *part = &giving->part;
	Snapshot	snapshot;
	QuotaBucketRow row;
	bool		given;

	/* the bucket is locked before a grant is */
	if (part->source == QUOTA_SOURCE_GRANT)
		return false;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	quota_bucket_follow(buckets, &part->key, id, snapshot, &row);
	given = row.tuple != NULL && row.state.lease_id == 0 && quota_same_window(&row.key, &part->key) &&
		give_part(buckets, giving, &row, snapshot);
	UnregisterSnapshot(snapshot);
	return given;
}

/* Back to rows, which are locked in this order, and then to each what is its part. */
static void
give_to_rows(Relation buckets, QuotaGiving **givings, int ngivings, int64 debit_id)
{
	QuotaBucketRow *rows = (QuotaBucketRow *) palloc(sizeof(QuotaBucketRow) * ngivings);
	QuotaBucketRow **row_of = (QuotaBucketRow **) palloc(sizeof(QuotaBucketRow *) * ngivings);
	int64		most = PG_INT64_MAX;

	if (ngivings == 1 && give_plainly(buckets, givings[0], Max(debit_id, givings[0]->part.entry_id)))
		return;
	for (int i = 0; i < ngivings; i++)
	{
		row_of[i] = &rows[i];
		lock_for_give(buckets, &givings[i]->part.key, Max(debit_id, givings[i]->part.entry_id), &rows[i]);
		for (int j = 0; j < i; j++)
		{
			if (quota_same_window(&givings[j]->part.key, &givings[i]->part.key))
			{
				row_of[i] = row_of[j];
				break;
			}
		}
	}
	if (debit_id == 0)
		most = there_is(buckets, row_of[ngivings - 1], givings[ngivings - 1]);
	for (int i = 0; i < ngivings; i++)
	{
		givings[i]->part.amount = Min(givings[i]->part.amount, most);
		if (row_of[i]->tuple != NULL)
			(void) give_part(buckets, givings[i], row_of[i], InvalidSnapshot);
		else
			givings[i]->part.amount = 0;
	}
}

/* Leases first: no row is locked yet that somebody may wait for who drains them. */
static void
give(Relation buckets, QuotaGiving *givings, int ngivings, int64 debit_id)
{
	QuotaGiving **rest = (QuotaGiving **) palloc(sizeof(QuotaGiving *) * ngivings);
	int			nrest = 0;

	for (int i = 0; i < ngivings; i++)
	{
		givings[i].lease_id = 0;
		/* what ceases to exist is no debit's, and bounded by the last level's */
		if (debit_id == 0 ||
			!quota_lease_give_part(buckets, &givings[i], Max(debit_id, givings[i].part.entry_id)))
			rest[nrest++] = &givings[i];
	}
	if (nrest > 0)
		give_to_rows(buckets, rest, nrest, debit_id);
}

void
quota_engine_give(QuotaGiving *givings, int ngivings, int64 debit_id)
{
	Relation	buckets = quota_bucket_open();

	give(buckets, givings, ngivings, debit_id);
	table_close(buckets, NoLock);
}

/* Last taken first. */
static QuotaGiving *
givings_of_expired(const QuotaExpired *e)
{
	QuotaGiving *givings = (QuotaGiving *) palloc0(sizeof(QuotaGiving) * Max(e->nparts, 1));

	for (int i = 0; i < e->nparts; i++)
	{
		givings[i].part = e->parts[e->nparts - 1 - i];
		givings[i].unreserve = givings[i].part.amount;
	}
	return givings;
}

/*
 * Gives back what expired holds have in an account.  Of several sessions, the one
 * that removes the part does it; a part that has been extended meanwhile stays.  All
 * parts are removed before a bucket is locked, as when a hold is closed.  What they
 * have is read after that, since a refund may have changed it.
 */
int
quota_engine_expire(const QuotaAccountKey *account)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaExpired *expired;
	int			nexpired = quota_expired_of(account, snapshot, &expired);
	int			nremoved = 0;

	UnregisterSnapshot(snapshot);
	for (int i = 0; i < nexpired; i++)
	{
		if (quota_hold_part_remove(account, expired[i].hold_id, expired[i].expires_at))
			expired[nremoved++] = expired[i];
	}
	for (int i = 0; i < nremoved; i++)
	{
		QuotaExpired *e = &expired[i];
		QuotaEntry	like = {.kind = QUOTA_ENTRY_EXPIRY,.at = quota_now(),.backdated = true};

		snapshot = RegisterSnapshot(GetLatestSnapshot());
		quota_expired_read(account, snapshot, e);
		UnregisterSnapshot(snapshot);
		like.occurred_at = e->expires_at;
		like.subject = e->subject;
		like.debit_id = e->hold_id;
		like.levels = e->levels;
		(void) quota_give_and_book(givings_of_expired(e), e->nparts, &like);
	}
	return nremoved;
}

/* A rate without a row has had nothing taken of it. */
void
quota_engine_correct_rate(const QuotaMeter *meter, int64 difference)
{
	Relation	rel;
	bool		done = false;

	if (quota_rates_correct(&meter->key.account, meter->limits.rate, meter->clock, difference))
		return;
	rel = quota_rate_use_open(RowExclusiveLock);
	while (!done)
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		QuotaRateUse use;

		quota_rate_use_find(rel, &meter->key.account, snapshot, &use);
		if (use.tuple == NULL && difference > 0)
			(void) quota_rate_use_create(rel, &meter->key.account);
		else if (use.tuple == NULL)
			done = true;
		else if (quota_rate_use_lock(rel, &use, snapshot))
		{
			QuotaGcra	after = quota_gcra_correct(meter->limits.rate, &use.state, meter->clock, difference);

			quota_rate_use_update(rel, &use, &after);
			done = true;
		}
		UnregisterSnapshot(snapshot);
		CommandCounterIncrement();
	}
	table_close(rel, NoLock);
}

/*-------------------------------------------------------------------------
 *
 * row_take.c
 *		The engine's taking: decide on what is locked, and write it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "engine/room.h"
#include "engine/row_parts.h"
#include "shared/rates.h"

/* Sets had_room and had_rate; how much of the amount there is room for. */
static int64
measure(QuotaBucketRef *ref)
{
	int64		room = ref->limits.rate_only ? PG_INT64_MAX : quota_room(ref);
	int64		rate_room = quota_rate_room(ref);

	ref->outcome.had_room = ref->limits.rate_only || !quota_is_limited(ref) || room >= ref->amount;
	ref->outcome.had_rate = rate_room >= ref->amount;
	return Min(ref->amount, Min(room, rate_room));
}

/*
 * What is to be taken from each account, given what they hold: sets changes,
 * had_room and had_rate.  False if nothing can be taken.
 */
static bool
decide(QuotaBucketRef *refs, int nrefs, QuotaTakeMode mode)
{
	bool		all_fit = true;
	int64		least = PG_INT64_MAX;

	for (int i = 0; i < nrefs; i++)
	{
		int64		fits = measure(&refs[i]);

		all_fit = all_fit && refs[i].outcome.had_room && refs[i].outcome.had_rate;
		least = Min(least, fits);
	}
	if (!all_fit && (mode == QUOTA_TAKE_ALL || (mode == QUOTA_TAKE_UP_TO && least == 0)))
		return false;
	/* no plan is in the way, but a number cannot hold more: no refusal */
	if (mode == QUOTA_TAKE_UP_TO && least == 0)
		quota_raise_out_of_range("use");
	for (int i = 0; i < nrefs; i++)
	{
		QuotaBucketRef *ref = &refs[i];

		if (mode == QUOTA_TAKE_UP_TO)
			ref->amount = least;
		if (ref->limits.rate)
			ref->balance.rate = quota_gcra_take(ref->limits.rate, &ref->balance.rate, ref->clock,
											  ref->amount);
		if (ref->limits.rate_only)
			continue;
		quota_split(ref, ref->amount);
		/* the sums are checked, as readers add up */
		(void) quota_add(quota_shown_use(ref), ref->amount, "use");
		for (int j = 0; j < ref->balance.ncaps; j++)
			(void) quota_add(ref->balance.caps[j].used, ref->outcome.capped, "use");
	}
	return true;
}

static void
plus(QuotaCounts *counts, const QuotaCounts *change)
{
	counts->used = quota_add(counts->used, change->used, "use");
	counts->granted = quota_add(counts->granted, change->granted, "use");
	counts->overage = quota_add(counts->overage, change->overage, "use");
	counts->overdrawn = quota_add(counts->overdrawn, change->overdrawn, "use");
}

/* Writes the decided change of the bucket; false if it changed under us. */
static bool
apply_bucket(Relation buckets, QuotaBucketRef *ref, QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaBucketState state = row->state;

	plus(&state.counts, &ref->outcome.change);
	if (ref->reserve)
		state.reserved = quota_add(state.reserved, ref->amount, "use");
	if (!ref->limits.overdraw_only)
	{
		state.unlimited = ref->limits.unlimited;
		state.allowance = ref->limits.unlimited ? 0 : ref->limits.allowance;
		state.plan_version_id = ref->limits.plan_version_id;
	}
	if (!quota_bucket_update(buckets, row, &state, snapshot))
		return false;
	ref->balance.bucket = state;
	return true;
}

static void
apply_grants(QuotaBucketRef *ref, QuotaRows *rows)
{
	Relation	rel = quota_grant_use_open(RowExclusiveLock);

	for (int i = 0; i < ref->balance.ngrants; i++)
	{
		QuotaGrantRef *grant = &ref->balance.grants[i];

		if (grant->change == 0)
			continue;
		grant->used = quota_add(grant->used, grant->change, "use");
		quota_grant_use_update(rel, &rows->grants[i], &grant->grant, grant->used);
	}
	table_close(rel, NoLock);
}

static void
apply_caps(QuotaBucketRef *ref, QuotaRows *rows)
{
	Relation	rel;

	/* nothing is no use: it opens none */
	if (ref->balance.ncaps == 0 || ref->outcome.capped == 0)
		return;
	rel = quota_cap_use_open(RowExclusiveLock);
	for (int i = 0; i < ref->balance.ncaps; i++)
	{
		QuotaCapRef *cap = &ref->balance.caps[i];
		QuotaCapUse *use = &rows->caps[i];

		cap->used = quota_add(cap->used, ref->outcome.capped, "use");
		cap->opened = true;
		use->used = cap->used;
		use->opened_at = cap->window.start;
		use->closes_at = cap->window.end;
		quota_cap_use_update(rel, use);
	}
	table_close(rel, NoLock);
}

/* Writes what was decided about an account; false only for an unlocked bucket. */
static bool
apply(Relation buckets, QuotaBucketRef *ref, QuotaRows *rows, Snapshot snapshot)
{
	if (!ref->limits.rate_only && !apply_bucket(buckets, ref, &rows->bucket, snapshot))
		return false;
	if (ref->balance.ngrants > 0)
		apply_grants(ref, rows);
	apply_caps(ref, rows);
	if (ref->limits.rate && !rows->rate_in_memory)
	{
		Relation	rel = quota_rate_use_open(RowExclusiveLock);

		quota_rate_use_update(rel, &rows->rate, &ref->balance.rate);
		table_close(rel, NoLock);
	}
	return true;
}

static void
give_rates(const QuotaBucketRef *refs, QuotaRows *rows, int nrefs)
{
	for (int i = 0; i < nrefs; i++)
	{
		if (rows[i].rate_taken == 0)
			continue;
		quota_rates_untake(&refs[i].key.account, refs[i].limits.rate, refs[i].clock,
						   rows[i].rate_taken);
		rows[i].rate_taken = 0;
	}
}

/*
 * Takes from the rates that are in memory, before any row is written.  False, and
 * nothing is taken, if one has less than was decided on: somebody else was quicker.
 */
static bool
take_rates(QuotaBucketRef *refs, QuotaRows *rows, int nrefs, QuotaTakeMode mode)
{
	for (int i = 0; i < nrefs; i++)
	{
		QuotaBucketRef *ref = &refs[i];

		if (!rows[i].rate_in_memory || ref->amount == 0 ||
			quota_rates_take(&ref->key.account, ref->limits.rate, ref->clock, ref->amount,
							 mode == QUOTA_TAKE_OVERDRAW, &ref->balance.rate, &rows[i].rate_taken))
			continue;
		give_rates(refs, rows, i);
		return false;
	}
	return true;
}

/*
 * Is one row at most to be written, which is there and has nothing beside it?  Then the
 * update is the lock.
 */
static bool
is_plain(const QuotaBucketRef *refs, const QuotaRows *rows, int nrefs)
{
	int			nbuckets = 0;

	for (int i = 0; i < nrefs; i++)
	{
		const QuotaBucketRef *ref = &refs[i];

		if (ref->limits.rate && !rows[i].rate_in_memory)
			return false;
		if (ref->limits.rate_only)
			continue;
		if (rows[i].bucket.tuple == NULL || rows[i].expired || ref->balance.ngrants > 0 ||
			ref->balance.ncaps > 0 || quota_rollover_is_open(ref, &rows[i].bucket))
			return false;
		nbuckets++;
	}
	return nbuckets <= 1;
}

/* Writes what was decided; false only for a bucket that is alone and not locked. */
static bool
apply_all(Relation buckets, QuotaBucketRef *refs, QuotaRows *rows, int nrefs, Snapshot snapshot)
{
	for (int i = 0; i < nrefs; i++)
	{
		if (!apply(buckets, &refs[i], &rows[i], snapshot))
			return false;
	}
	return true;
}

static QuotaTakeResult
take(Relation buckets, QuotaBucketRef *refs, int nrefs, QuotaTakeMode mode, Snapshot snapshot)
{
	QuotaRows  *rows = (QuotaRows *) palloc0(sizeof(QuotaRows) * nrefs);
	int64		asked = refs[0].amount;

	for (int i = 0; i < nrefs; i++)
		quota_rows_find(buckets, &refs[i], &rows[i], RowExclusiveLock, snapshot);
	if (!decide(refs, nrefs, mode))
		return QUOTA_NO_ROOM;
	if (is_plain(refs, rows, nrefs) && take_rates(refs, rows, nrefs, mode))
	{
		if (apply_all(buckets, refs, rows, nrefs, snapshot))
			return QUOTA_TAKEN;
		give_rates(refs, rows, nrefs);
	}

	/* several rows, or what was read has changed: lock, look, decide again */
	if (quota_rows_prepare(buckets, refs, rows, nrefs, snapshot) != QUOTA_PREPARED_LOCKED)
		return QUOTA_STALE;
	for (int i = 0; i < nrefs; i++)
	{
		if (rows[i].rate_in_memory)
			(void) quota_rates_read(&refs[i].key.account, refs[i].limits.rate, refs[i].clock,
									&rows[i].rate.state);
		quota_rows_show(&refs[i], &rows[i]);
		/* the first look has clipped it */
		if (mode == QUOTA_TAKE_UP_TO)
			refs[i].amount = asked;
	}
	if (!decide(refs, nrefs, mode))
		return QUOTA_NO_ROOM;
	if (!take_rates(refs, rows, nrefs, mode))
		return QUOTA_STALE;
	QuotaEnsure(apply_all(buckets, refs, rows, nrefs, snapshot));
	return QUOTA_TAKEN;
}

QuotaTakeResult
quota_engine_take(QuotaBucketRef *refs, int nrefs, QuotaTakeMode mode, Snapshot snapshot)
{
	Relation	buckets = quota_bucket_open();
	QuotaTakeResult result;

	Assert(nrefs > 0);
	result = take(buckets, refs, nrefs, mode, snapshot);
	table_close(buckets, NoLock);
	return result;
}

bool
quota_engine_lock(QuotaBucketRef *refs, int nrefs, Snapshot snapshot)
{
	QuotaRows  *rows = (QuotaRows *) palloc0(sizeof(QuotaRows) * nrefs);
	Relation	buckets = quota_bucket_open();
	bool		locked;

	for (int i = 0; i < nrefs; i++)
	{
		refs[i].limits.rate = NULL;
		quota_rows_find(buckets, &refs[i], &rows[i], RowExclusiveLock, snapshot);
	}
	locked = quota_rows_prepare(buckets, refs, rows, nrefs, snapshot) == QUOTA_PREPARED_LOCKED;
	for (int i = 0; i < nrefs && locked; i++)
		quota_rows_show(&refs[i], &rows[i]);
	table_close(buckets, NoLock);
	return locked;
}

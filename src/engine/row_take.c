/*-------------------------------------------------------------------------
 *
 * row_take.c
 *		The engine's taking: decide on what is locked, and write it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "engine/lease_draw.h"
#include "engine/lease_row.h"
#include "engine/lease_take.h"
#include "engine/room.h"
#include "engine/row_parts.h"
#include "shared/rates.h"

/* Sets had_room and had_rate; how much of the amount there is room for. */
static int64
measure(QuotaMeter *meter)
{
	int64		room = meter->limits.rate_only ? PG_INT64_MAX : quota_room(meter);
	int64		rate_room = quota_rate_room(meter);

	meter->outcome.had_room = meter->limits.rate_only || !quota_is_limited(meter) || room >= meter->amount;
	meter->outcome.had_rate = rate_room >= meter->amount;
	return Min(meter->amount, Min(room, rate_room));
}

/*
 * What is to be taken from each account, given what they hold: sets changes,
 * had_room and had_rate.  False if nothing can be taken.
 */
static bool
decide(QuotaMeter *meters, int nmeters, QuotaTakeMode mode)
{
	bool		all_fit = true;
	int64		least = PG_INT64_MAX;

	for (int i = 0; i < nmeters; i++)
	{
		int64		fits = measure(&meters[i]);

		all_fit = all_fit && meters[i].outcome.had_room && meters[i].outcome.had_rate;
		least = Min(least, fits);
	}
	if (!all_fit && (mode == QUOTA_TAKE_ALL || (mode == QUOTA_TAKE_UP_TO && least == 0)))
		return false;
	/* no plan is in the way, but a number cannot hold more: no refusal */
	if (mode == QUOTA_TAKE_UP_TO && least == 0)
		quota_raise_out_of_range("use");
	for (int i = 0; i < nmeters; i++)
	{
		QuotaMeter *meter = &meters[i];

		if (mode == QUOTA_TAKE_UP_TO)
			meter->amount = least;
		if (meter->limits.rate)
			meter->balance.rate = quota_gcra_take(meter->limits.rate, &meter->balance.rate, meter->clock,
											  meter->amount);
		if (meter->limits.rate_only)
			continue;
		quota_split(meter, meter->amount);
		/* the sums are checked, as readers add up */
		(void) quota_add(quota_shown_use(meter), meter->amount, "use");
		for (int j = 0; j < meter->balance.ncaps; j++)
			(void) quota_add(meter->balance.caps[j].used, meter->outcome.capped, "use");
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
apply_bucket(Relation buckets, QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	QuotaBucketRow *row = &rows->bucket;
	QuotaBucketState state = row->state;

	plus(&state.counts, &meter->outcome.change);
	if (meter->reserve)
		state.reserved = quota_add(state.reserved, meter->amount, "use");
	if (!meter->limits.overdraw_only)
	{
		state.unlimited = meter->limits.unlimited;
		state.allowance = meter->limits.unlimited ? 0 : meter->limits.allowance;
		state.plan_version_id = meter->limits.plan_version_id;
	}
	if (rows->draws && quota_can_lease(meter) &&
		quota_lease_is_source(meter, quota_leases_overage(meter)))
		quota_lease_draw(meter, &state);
	if (!quota_row_write(buckets, row, &state, snapshot))
		return false;
	meter->balance.bucket = quota_row_seen(row);
	return true;
}

/* What the lease has given. */
static void
apply_lease(QuotaMeter *meter)
{
	plus(&meter->balance.bucket.counts, &meter->outcome.change);
}

static void
apply_grants(QuotaMeter *meter, QuotaRows *rows)
{
	Relation	rel = quota_grant_use_open(RowExclusiveLock);

	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		QuotaAccountGrant *grant = &meter->balance.grants[i];

		if (grant->change == 0)
			continue;
		grant->used = quota_add(grant->used, grant->change, "use");
		quota_grant_use_update(rel, &rows->grants[i], &grant->grant, grant->used);
	}
	table_close(rel, NoLock);
}

static void
apply_caps(QuotaMeter *meter, QuotaRows *rows)
{
	Relation	rel;

	/* nothing is no use: it opens none */
	if (meter->balance.ncaps == 0 || meter->outcome.capped == 0)
		return;
	rel = quota_cap_use_open(RowExclusiveLock);
	for (int i = 0; i < meter->balance.ncaps; i++)
	{
		QuotaAccountCap *cap = &meter->balance.caps[i];
		QuotaCapUse *use = &rows->caps[i];

		cap->used = quota_add(cap->used, meter->outcome.capped, "use");
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
apply(Relation buckets, QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	if (rows->by_lease)
		apply_lease(meter);
	else if (!meter->limits.rate_only && !apply_bucket(buckets, meter, rows, snapshot))
		return false;
	if (meter->balance.ngrants > 0 && !rows->by_lease)
		apply_grants(meter, rows);
	apply_caps(meter, rows);
	if (meter->limits.rate && !rows->rate_in_memory)
	{
		Relation	rel = quota_rate_use_open(RowExclusiveLock);

		quota_rate_use_update(rel, &rows->rate, &meter->balance.rate);
		table_close(rel, NoLock);
	}
	return true;
}

static void
give_rates(const QuotaMeter *meters, QuotaRows *rows, int nmeters)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (rows[i].rate_taken == 0)
			continue;
		quota_rates_untake(&meters[i].key.account, meters[i].limits.rate, meters[i].clock,
						   rows[i].rate_taken);
		rows[i].rate_taken = 0;
	}
}

/*
 * Takes from the rates that are in memory, before any row is written.  False, and
 * nothing is taken, if one has less than was decided on: somebody else was quicker.
 */
static bool
take_rates(QuotaMeter *meters, QuotaRows *rows, int nmeters, QuotaTakeMode mode)
{
	for (int i = 0; i < nmeters; i++)
	{
		QuotaMeter *meter = &meters[i];

		if (!rows[i].rate_in_memory || meter->amount == 0 ||
			quota_rates_take(&meter->key.account, meter->limits.rate, meter->clock, meter->amount,
							 mode == QUOTA_TAKE_OVERDRAW, &meter->balance.rate, &rows[i].rate_taken))
			continue;
		give_rates(meters, rows, i);
		return false;
	}
	return true;
}

/*
 * Is one row at most to be written, which is there and has nothing beside it?  Then the
 * update is the lock.
 */
static bool
is_plain(const QuotaMeter *meters, const QuotaRows *rows, int nmeters)
{
	int			nbuckets = 0;

	for (int i = 0; i < nmeters; i++)
	{
		const QuotaMeter *meter = &meters[i];

		if (meter->limits.rate && !rows[i].rate_in_memory)
			return false;
		if (meter->limits.rate_only || rows[i].by_lease)
			continue;
		if (rows[i].draws || rows[i].leased)
			return false;
		if (rows[i].bucket.tuple == NULL || rows[i].expired || meter->balance.ngrants > 0 ||
			meter->balance.ncaps > 0 || quota_rollover_is_open(meter, &rows[i].bucket))
			return false;
		nbuckets++;
	}
	return nbuckets <= 1;
}

/* Writes what was decided; false only for a bucket that is alone and not locked. */
static bool
apply_all(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters, Snapshot snapshot)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (!apply(buckets, &meters[i], &rows[i], snapshot))
			return false;
	}
	return true;
}

static bool
any_orphaned(const QuotaRows *rows, int nmeters)
{
	for (int i = 0; i < nmeters; i++)
	{
		if (rows[i].orphaned)
			return true;
	}
	return false;
}

/*
 * Is it refused whatever becomes of what others have in flight?  Of an account with a
 * lease, the row has more in use than there is, and memory counts what may yet come back.
 */
static bool
is_refused(QuotaMeter *meters, const QuotaRows *rows, int nmeters, QuotaTakeMode mode, int64 asked)
{
	for (int i = 0; i < nmeters; i++)
	{
		QuotaMeter *meter = &meters[i];
		int64		fits = measure(meter);

		if (rows[i].by_lease || rows[i].leased)
			fits = Max(fits, quota_rate_room(meter));
		if (fits < (mode == QUOTA_TAKE_ALL ? asked : 1))
			return true;
	}
	return false;
}

/* Several rows, or what was read has changed: locks, looks, decides again. */
static QuotaTakeResult
take_locked(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters, QuotaTakeMode mode,
			int64 asked, Snapshot snapshot)
{
	QuotaPrepared prepared;

	/* the first look has clipped it */
	for (int i = 0; i < nmeters && mode == QUOTA_TAKE_UP_TO; i++)
		meters[i].amount = asked;
	quota_leases_drain(buckets, meters, rows, nmeters, false, snapshot);
	prepared = quota_rows_prepare(buckets, meters, rows, nmeters, snapshot);
	quota_leases_end_drain(meters, rows, nmeters);
	if (prepared != QUOTA_PREPARED_LOCKED)
		return QUOTA_STALE;
	for (int i = 0; i < nmeters; i++)
	{
		if (rows[i].rate_in_memory)
			(void) quota_rates_read(&meters[i].key.account, meters[i].limits.rate, meters[i].clock,
									&rows[i].rate.state);
		quota_rows_show(&meters[i], &rows[i]);
	}
	if (!decide(meters, nmeters, mode))
		return QUOTA_NO_ROOM;
	quota_leases_trim(meters, rows, nmeters);
	if (!take_rates(meters, rows, nmeters, mode))
		return QUOTA_STALE;
	QuotaEnsure(apply_all(buckets, meters, rows, nmeters, InvalidSnapshot));
	return QUOTA_TAKEN;
}

static QuotaTakeResult
take(Relation buckets, QuotaMeter *meters, int nmeters, QuotaTakeMode mode, Snapshot snapshot)
{
	QuotaRows  *rows = (QuotaRows *) palloc0(sizeof(QuotaRows) * nmeters);
	int64		asked = meters[0].amount;
	QuotaTakeResult result;
	bool		fits;

	for (int i = 0; i < nmeters; i++)
	{
		rows[i].looks_at_lease = true;
		meters[i].outcome.lease_id = 0;
		quota_rows_find(buckets, &meters[i], &rows[i], RowExclusiveLock, snapshot);
	}
	/* what is used of a lease that memory does not know is found out with the row locked */
	fits = !any_orphaned(rows, nmeters) && decide(meters, nmeters, mode);
	if (!fits && is_refused(meters, rows, nmeters, mode, asked))
	{
		quota_leases_return(meters, rows, nmeters);
		return QUOTA_NO_ROOM;
	}
	/* a lease cannot say that there is less than was asked for: what is in flight may come back */
	if (fits && meters[0].amount == asked)
		quota_leases_serve(buckets, meters, rows, nmeters, snapshot);
	else
		quota_leases_leave(buckets, meters, rows, nmeters, snapshot);
	if (fits && is_plain(meters, rows, nmeters) && take_rates(meters, rows, nmeters, mode))
	{
		if (apply_all(buckets, meters, rows, nmeters, snapshot))
			return QUOTA_TAKEN;
		give_rates(meters, rows, nmeters);
	}
	result = take_locked(buckets, meters, rows, nmeters, mode, asked, snapshot);
	if (result != QUOTA_TAKEN)
		quota_leases_return(meters, rows, nmeters);
	return result;
}

QuotaTakeResult
quota_engine_take(QuotaMeter *meters, int nmeters, QuotaTakeMode mode, Snapshot snapshot)
{
	Relation	buckets = quota_bucket_open();
	QuotaTakeResult result;

	Assert(nmeters > 0);
	result = take(buckets, meters, nmeters, mode, snapshot);
	table_close(buckets, NoLock);
	return result;
}

bool
quota_engine_lock(QuotaMeter *meters, int nmeters, Snapshot snapshot)
{
	QuotaRows  *rows = (QuotaRows *) palloc0(sizeof(QuotaRows) * nmeters);
	Relation	buckets = quota_bucket_open();
	bool		locked;

	for (int i = 0; i < nmeters; i++)
		quota_rows_find(buckets, &meters[i], &rows[i], RowExclusiveLock, snapshot);
	quota_leases_drain(buckets, meters, rows, nmeters, true, snapshot);
	locked = quota_rows_prepare(buckets, meters, rows, nmeters, snapshot) == QUOTA_PREPARED_LOCKED;
	for (int i = 0; i < nmeters && locked; i++)
	{
		/* one that was not there a moment ago */
		if (!meters[i].limits.rate_only && quota_lease_end(buckets, &rows[i].bucket, true))
			locked = false;
		quota_rows_show(&meters[i], &rows[i]);
	}
	quota_leases_end_drain(meters, rows, nmeters);
	if (!locked)
		CommandCounterIncrement();
	table_close(buckets, NoLock);
	return locked;
}

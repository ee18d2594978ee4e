/*-------------------------------------------------------------------------
 *
 * row_prepare.c
 *		The engine's locks: every row of a request locked, or made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "engine/lease_row.h"
#include "engine/rollover.h"
#include "engine/row_parts.h"

/* Do two versions of a row bear the same limits? */
static bool
same_terms(const QuotaBucketState *a, const QuotaBucketState *b)
{
	return a->plan_version_id == b->plan_version_id && a->unlimited == b->unlimited &&
		a->allowance == b->allowance && a->is_prorated == b->is_prorated &&
		a->prorated == b->prorated;
}

/*
 * Locks a row that the snapshot saw; false if it has gone, its use has been moved
 * away since, or it has other limits: then the look-up's are out of date.
 */
static bool
lock_unmoved(Relation buckets, QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaBucketState seen = row->state;

	return quota_bucket_lock(buckets, row, snapshot) && !row->moved &&
		same_terms(&seen, &row->state);
}

/* Has a later window closed this one since it was looked up? */
static bool
is_closed(Relation buckets, const QuotaMeter *meter)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaBucketRow newest;

	quota_bucket_closing(buckets, &meter->key, snapshot, &newest);
	UnregisterSnapshot(snapshot);
	return newest.tuple != NULL;
}

/* Is "before" still the account's last charged window, or is there still none? */
static bool
is_last(Relation buckets, const QuotaMeter *meter, const QuotaBucketRow *before)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaBucketRow last;

	quota_bucket_before(buckets, &meter->key, snapshot, &last);
	UnregisterSnapshot(snapshot);
	if (last.tuple == NULL || before->tuple == NULL)
		return last.tuple == before->tuple;
	return quota_same_window(&last.key, &before->key);
}

/*
 * Locks what two that fix a rollover of one account have in common: the last charged
 * window; of an account that has none the first one from which idle windows count,
 * which is made for that and stays without use.  False if somebody else was at it.
 */
static bool
lock_rollover(Relation buckets, const QuotaMeter *meter, QuotaBucketRow *before,
			  Snapshot snapshot)
{
	QuotaBucketState unused = {.unlimited = meter->limits.unlimited,.allowance = meter->limits.allowance};
	QuotaWindowKey first = meter->key;
	QuotaBucketRow row;
	QuotaWindow window;

	/* what rolls over is what it has left in truth */
	if (before->tuple != NULL)
		return lock_unmoved(buckets, before, snapshot) && !quota_lease_end(buckets, before, true);
	if (TIMESTAMP_NOT_FINITE(meter->limits.idle_since))
		return true;
	window = quota_series_window(&meter->limits.series, meter->limits.idle_since);
	if (window.start >= meter->key.start)
		return true;
	first.start = window.start;
	first.end = window.end;
	quota_bucket_find(buckets, &first, snapshot, &row);
	return row.tuple != NULL ? quota_bucket_lock(buckets, &row, snapshot) :
		quota_bucket_create(buckets, &first, row.generation, &unused);
}

/*
 * Fixes what rolls over into a window, making its row, or in the one that is there.
 * The window before is marked with what it passed on, even if that is nothing: a
 * session that charges it meanwhile then sees that it is closed.  False if another
 * session was at it.
 */
static bool
fix_rollover(Relation buckets, const QuotaMeter *meter, QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaBucketState state = {.unlimited = meter->limits.unlimited,.allowance = meter->limits.allowance};
	QuotaBucketRow before;
	QuotaRollover rollover;

	state.plan_version_id = meter->limits.plan_version_id;
	quota_bucket_before(buckets, &meter->key, snapshot, &before);
	if (!lock_rollover(buckets, meter, &before, snapshot))
		return false;
	if (row->tuple != NULL && (!lock_unmoved(buckets, row, snapshot) || !quota_rollover_is_open(meter, row)))
		return false;
	if (is_closed(buckets, meter) || !is_last(buckets, meter, &before))
		return false;
	quota_rollover(meter, before.tuple ? &before : NULL, &rollover);
	state.is_prorated = row->state.is_prorated;
	state.prorated = row->state.prorated;
	state.rollover_fixed = true;
	state.rolled_in = rollover.into;
	if (row->tuple == NULL && !quota_bucket_create(buckets, &meter->key, row->generation, &state))
		return false;
	if (row->tuple != NULL)
		QuotaEnsure(quota_row_write(buckets, row, &state, InvalidSnapshot));
	if (before.tuple != NULL)
	{
		QuotaBucketState passed_on = before.state;

		/* also of a window charged under terms that let nothing roll into it */
		passed_on.rollover_fixed = true;
		passed_on.rolled_out = quota_add(passed_on.rolled_out, rollover.out_of_before, "rollover");
		QuotaEnsure(quota_row_write(buckets, &before, &passed_on, InvalidSnapshot));
	}
	return true;
}

/* Where the use of an earlier generation was moved away, what had rolled over went along: fixed, at 0. */
static bool
create_bucket(Relation buckets, const QuotaMeter *meter, const QuotaBucketRow *row)
{
	QuotaBucketState state = {.unlimited = meter->limits.unlimited,.allowance = meter->limits.allowance};

	state.rollover_fixed = row->state.rollover_fixed;
	return quota_bucket_create(buckets, &meter->key, row->generation, &state);
}

/*
 * Locks or creates the window's row.
 *
 * A mark says that another window took the use over.  If the look-up's own snapshot
 * saw it and the look-up led here all the same, the account has come back to this
 * window since, and counts in the next generation of it.  If the mark has come in
 * after that snapshot, the look-up is out of date.
 */
static QuotaPrepared
prepare_bucket(Relation buckets, QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	QuotaBucketRow *row = &rows->bucket;
	HeapTuple	seen = row->tuple;
	bool		changed;

	if (quota_rollover_is_open(meter, row))
		return fix_rollover(buckets, meter, row, snapshot) ? QUOTA_PREPARED_CHANGED : QUOTA_PREPARED_STALE;
	if (row->tuple == NULL)
		return create_bucket(buckets, meter, row) ? QUOTA_PREPARED_CHANGED : QUOTA_PREPARED_STALE;
	if (!lock_unmoved(buckets, row, snapshot))
		return QUOTA_PREPARED_STALE;
	changed = !ItemPointerEquals(&seen->t_self, &row->tuple->t_self);
	/* closing a window writes its row */
	if (changed && meter->limits.rolls_over && is_closed(buckets, meter))
		return QUOTA_PREPARED_STALE;
	/* somebody else was at it meanwhile, and others will be */
	if (changed && !rows->draws)
	{
		rows->draws = true;
		quota_leases_count(QUOTA_LEASE_WAITED);
	}
	return quota_lease_stand(buckets, meter, rows);
}

static int
compare_ids(const void *a, const void *b, void *arg)
{
	const QuotaAccountGrant *grants = (const QuotaAccountGrant *) arg;
	int64		left = grants[*(const int *) a].grant.id;
	int64		right = grants[*(const int *) b].grant.id;

	return (left > right) - (left < right);
}

/* Has one been revoked, or a part of it?  Who does has the row of its use locked. */
static bool
any_has_fallen(const QuotaMeter *meter)
{
	Snapshot	now = RegisterSnapshot(GetLatestSnapshot());
	bool		fallen = false;

	for (int i = 0; i < meter->balance.ngrants && !fallen; i++)
		fallen = quota_grant_has_fallen(&meter->balance.grants[i].grant, now);
	UnregisterSnapshot(now);
	return fallen;
}

/* In order of id, which is the same for everybody. */
static QuotaPrepared
prepare_grants(QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	Relation	rel = quota_grant_use_open(RowExclusiveLock);
	QuotaPrepared result = QUOTA_PREPARED_LOCKED;
	int		   *order = (int *) palloc(sizeof(int) * meter->balance.ngrants);

	for (int i = 0; i < meter->balance.ngrants; i++)
		order[i] = i;
	qsort_arg(order, meter->balance.ngrants, sizeof(int), compare_ids, meter->balance.grants);
	for (int i = 0; i < meter->balance.ngrants && result != QUOTA_PREPARED_STALE; i++)
	{
		const QuotaGrant *grant = &meter->balance.grants[order[i]].grant;
		QuotaGrantUse *use = &rows->grants[order[i]];

		if (use->tuple == NULL)
			result = quota_grant_use_create(rel, grant->id, &grant->period) ?
				QUOTA_PREPARED_CHANGED : QUOTA_PREPARED_STALE;
		else if (!quota_grant_use_lock(rel, use, snapshot))
			result = QUOTA_PREPARED_STALE;
	}
	table_close(rel, NoLock);
	return result == QUOTA_PREPARED_LOCKED && any_has_fallen(meter) ? QUOTA_PREPARED_STALE : result;
}

static QuotaPrepared
prepare_caps(QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	Relation	rel = quota_cap_use_open(RowExclusiveLock);
	QuotaPrepared result = QUOTA_PREPARED_LOCKED;

	for (int i = 0; i < meter->balance.ncaps && result != QUOTA_PREPARED_STALE; i++)
	{
		const QuotaAccountCap *cap = &meter->balance.caps[i];

		if (rows->caps[i].tuple == NULL)
			/* one that opens with the first use is closed until then */
			result = quota_cap_use_create(rel, &meter->key, &cap->key, cap->window.start,
										  TIMESTAMP_IS_NOBEGIN(cap->key.window_start) ?
										  cap->window.start : cap->window.end) ?
				QUOTA_PREPARED_CHANGED : QUOTA_PREPARED_STALE;
		else if (!quota_cap_use_lock(rel, &rows->caps[i], snapshot))
			result = QUOTA_PREPARED_STALE;
	}
	table_close(rel, NoLock);
	return result;
}

static QuotaPrepared
prepare_rate(QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	Relation	rel = quota_rate_use_open(RowExclusiveLock);
	QuotaPrepared result = QUOTA_PREPARED_LOCKED;

	if (rows->rate.tuple == NULL)
		result = quota_rate_use_create(rel, &meter->key.account) ? QUOTA_PREPARED_CHANGED : QUOTA_PREPARED_STALE;
	else if (!quota_rate_use_lock(rel, &rows->rate, snapshot))
		result = QUOTA_PREPARED_STALE;
	table_close(rel, NoLock);
	return result;
}

static QuotaPrepared
worse(QuotaPrepared a, QuotaPrepared b)
{
	return Max(a, b);
}

static QuotaPrepared
prepare_account(Relation buckets, QuotaMeter *meter, QuotaRows *rows, Snapshot snapshot)
{
	QuotaPrepared worst = QUOTA_PREPARED_LOCKED;

	/* what was found is out of date then */
	if (rows->expired && quota_engine_expire(&meter->key.account) > 0)
		return QUOTA_PREPARED_STALE;
	if (!meter->limits.rate_only && !rows->by_lease)
		worst = prepare_bucket(buckets, meter, rows, snapshot);
	if (meter->balance.ngrants > 0 && !rows->by_lease && worst != QUOTA_PREPARED_STALE)
		worst = worse(worst, prepare_grants(meter, rows, snapshot));
	if (meter->balance.ncaps > 0 && worst != QUOTA_PREPARED_STALE)
		worst = worse(worst, prepare_caps(meter, rows, snapshot));
	if (meter->limits.rate && !rows->rate_in_memory && worst != QUOTA_PREPARED_STALE)
		worst = worse(worst, prepare_rate(meter, rows, snapshot));
	return worst;
}

/*
 * Locks all rows in order, creating those that are missing: a row that we create
 * is locked until we end, so the order holds for it too.  It stops at a row that
 * somebody else has created meanwhile, since that one is not locked yet.
 */
QuotaPrepared
quota_rows_prepare(Relation buckets, QuotaMeter *meters, QuotaRows *rows, int nmeters,
				   Snapshot snapshot)
{
	QuotaPrepared worst = QUOTA_PREPARED_LOCKED;

	for (int i = 0; i < nmeters && worst != QUOTA_PREPARED_STALE; i++)
		worst = worse(worst, prepare_account(buckets, &meters[i], &rows[i], snapshot));
	if (worst != QUOTA_PREPARED_LOCKED)
		CommandCounterIncrement();
	return worst;
}

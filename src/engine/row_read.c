/*-------------------------------------------------------------------------
 *
 * row_read.c
 *		The row engine's reading: an account's rows, and what they say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "engine/expiry.h"
#include "engine/rollover.h"
#include "engine/room.h"
#include "engine/row_parts.h"

/*
 * A window that has not been charged, but has a later one that was, is an older
 * transaction's.  The later one counted it as idle, so it may have given as much
 * of what rolled in there as it could.
 */
int64
quota_passed_on_unused(const QuotaBucketRef *ref, const QuotaBucketRow *after)
{
	return Min(Min(ref->rollover_max, ref->allowance), after->state.rolled_in);
}

/*
 * Is it the next charge that fixes what rolls over?  A row can have been made
 * before the first charge, by a change of plan; and a window that has no row yet
 * can be charged, by the use that a change of plan that is due brings along.
 */
bool
quota_rollover_is_open(const QuotaBucketRef *ref, const QuotaBucketRow *row)
{
	return ref->rolls_over && !row->state.rollover_fixed && quota_total(&row->state.counts) == 0;
}

/* Old and new allowance, each for its share of the window. */
static int64
prorated(int64 old, int64 new, const QuotaDue *due)
{
	int64		length = due->into.end - due->into.start;
	int64		elapsed = Max(due->at, due->into.start) - due->into.start;

	return (int64) (((int128) old * elapsed + (int128) new * (length - elapsed)) / length);
}

static void
add_state(QuotaBucketState *state, const QuotaBucketState *more)
{
	state->counts.used = quota_add(state->counts.used, more->counts.used, "used");
	state->counts.granted = quota_add(state->counts.granted, more->counts.granted, "used");
	state->counts.overage = quota_add(state->counts.overage, more->counts.overage, "used");
	state->counts.overdrawn = quota_add(state->counts.overdrawn, more->counts.overdrawn, "used");
	state->reserved = quota_add(state->reserved, more->reserved, "reserved");
	state->rollover_fixed = state->rollover_fixed || more->rollover_fixed;
	state->rolled_in = quota_add(state->rolled_in, more->rolled_in, "rollover");
	state->rolled_out = quota_add(state->rolled_out, more->rolled_out, "rollover");
}

/*
 * What quota._keep_use() will do, to the state of the window that the change of
 * plan goes into.
 */
static void
show_due(Relation rel, const QuotaBucketRef *ref, QuotaBucketState *state,
		 const QuotaExpired *expired, int nexpired, Snapshot snapshot)
{
	const QuotaDue *due = &ref->due;
	QuotaBucketRef from = {.key = ref->key};
	QuotaBucketRow row;

	if (due->from.start != due->into.start || due->from.end != due->into.end)
	{
		from.key.start = due->from.start;
		from.key.end = due->from.end;
		quota_bucket_find(rel, &from.key, snapshot, &row);
		from.state = row.state;
		if (nexpired > 0)
			quota_leave_out_expired(&from, rel, expired, nexpired, snapshot);
		add_state(state, &from.state);
		state->is_prorated = false;
	}
	if (due->prorates)
		state->prorated = prorated(state->is_prorated ? state->prorated : due->old_allowance,
								   ref->allowance, due);
	state->is_prorated = due->prorates && state->prorated != ref->allowance;
	state->unlimited = ref->unlimited;
	state->allowance = ref->allowance;
}

static bool
goes_into(const QuotaDue *due, const QuotaBucketKey *key)
{
	return due->is_due && due->into.start == key->start && due->into.end == key->end;
}

/*
 * The window that a change of plan goes into, as that will leave it.  False if it is
 * not over when the account's window begins, or will not have been charged.  No other
 * window that was charged before the change can end later.
 */
static bool
show_due_before(Relation rel, const QuotaBucketRef *ref, const QuotaExpired *expired,
				int nexpired, Snapshot snapshot, QuotaBucketRow *before)
{
	QuotaBucketRef into = {.key = ref->key};

	if (!ref->due.is_due || ref->due.into.end > ref->key.start)
		return false;
	into.key.start = ref->due.into.start;
	into.key.end = ref->due.into.end;
	quota_bucket_find(rel, &into.key, snapshot, before);
	into.state = before->state;
	if (nexpired > 0)
		quota_leave_out_expired(&into, rel, expired, nexpired, snapshot);
	show_due(rel, ref, &into.state, expired, nexpired, snapshot);
	before->state = into.state;
	before->moved = false;
	return quota_bucket_is_charged(before);
}

/* The last charged window that the account has a row of; false if there is none. */
static bool
show_before(Relation rel, const QuotaBucketRef *ref, const QuotaExpired *expired, int nexpired,
			Snapshot snapshot, QuotaBucketRow *before)
{
	QuotaBucketRef past = {0};

	quota_bucket_before(rel, &ref->key, snapshot, before);
	if (before->tuple == NULL)
		return false;
	if (nexpired > 0)
	{
		past.key = before->key;
		past.state = before->state;
		quota_leave_out_expired(&past, rel, expired, nexpired, snapshot);
		before->state = past.state;
	}
	return true;
}

/*
 * What the first charge of a window will fix.  What expired holds have in the
 * window before is left out.
 */
static void
show_rollover(Relation rel, QuotaBucketRef *ref, const QuotaExpired *expired, int nexpired,
			  Snapshot snapshot)
{
	QuotaBucketRow before;
	QuotaBucketRow after;
	QuotaRollover rollover;
	bool		charged;

	quota_bucket_after(rel, &ref->key, snapshot, &after);
	if (after.tuple != NULL)
	{
		ref->state.rolled_out = quota_passed_on_unused(ref, &after);
		return;
	}
	charged = show_due_before(rel, ref, expired, nexpired, snapshot, &before) ||
		show_before(rel, ref, expired, nexpired, snapshot, &before);
	quota_rollover(ref, charged ? &before : NULL, &rollover);
	ref->state.rolled_in = rollover.into;
}

static void
show_cap(QuotaCapRef *cap, const QuotaCapUse *use, TimestampTz at)
{
	cap->opened = use->tuple != NULL && at < use->closes_at;
	cap->used = cap->opened ? use->used : 0;
	if (!cap->opened || !TIMESTAMP_IS_NOBEGIN(cap->key.window_start))
		return;
	/* a transaction that is older than the window counts in it all the same */
	cap->window.start = Min(use->opened_at, at);
	cap->window.end = use->closes_at;
}

/* The rows' numbers, put into ref. */
void
quota_rows_show(QuotaBucketRef *ref, const QuotaRows *rows)
{
	if (!ref->rate_only)
		ref->state = rows->bucket.state;
	for (int i = 0; i < ref->ngrants; i++)
	{
		ref->grants[i].used = rows->grants[i].used;
		ref->grants[i].change = 0;
	}
	for (int i = 0; i < ref->ncaps; i++)
		show_cap(&ref->caps[i], &rows->caps[i], ref->at);
	if (ref->rate)
		ref->rate_state = rows->rate.state;
}

static void
find_grants(QuotaBucketRef *ref, QuotaRows *rows, Snapshot snapshot)
{
	Relation	rel;

	if (ref->ngrants == 0)
		return;
	rel = quota_grant_use_open(AccessShareLock);
	rows->grants = (QuotaGrantUse *) palloc(sizeof(QuotaGrantUse) * ref->ngrants);
	for (int i = 0; i < ref->ngrants; i++)
		quota_grant_use_find(rel, ref->grants[i].grant.id, ref->grants[i].grant.period.start,
							 snapshot, &rows->grants[i]);
	table_close(rel, AccessShareLock);
}

static void
find_caps(QuotaBucketRef *ref, QuotaRows *rows, Snapshot snapshot)
{
	Relation	rel;

	if (ref->ncaps == 0)
		return;
	rel = quota_cap_use_open(AccessShareLock);
	rows->caps = (QuotaCapUse *) palloc(sizeof(QuotaCapUse) * ref->ncaps);
	for (int i = 0; i < ref->ncaps; i++)
		quota_cap_use_find(rel, &ref->caps[i].key, snapshot, &rows->caps[i]);
	table_close(rel, AccessShareLock);
}

static void
find_rate(QuotaBucketRef *ref, QuotaRows *rows, Snapshot snapshot)
{
	Relation	rel;

	if (ref->rate == NULL)
		return;
	rel = quota_rate_use_open(AccessShareLock);
	quota_rate_use_find(rel, &ref->key, snapshot, &rows->rate);
	table_close(rel, AccessShareLock);
}

/* Finds an account's rows and shows them in ref, expired holds left out. */
void
quota_rows_find(Relation rel, QuotaBucketRef *ref, QuotaRows *rows, Snapshot snapshot)
{
	QuotaExpired *expired = NULL;
	int			nexpired = 0;
	QuotaBucketRow shown;

	if (!ref->rate_only)
		quota_bucket_find(rel, &ref->key, snapshot, &rows->bucket);
	find_grants(ref, rows, snapshot);
	find_caps(ref, rows, snapshot);
	find_rate(ref, rows, snapshot);
	quota_rows_show(ref, rows);
	if (rows->bucket.state.reserved > 0 || ref->due.is_due || ref->ngrants > 0 || ref->ncaps > 0 || ref->rolls_over)
		nexpired = quota_expired_of(&ref->key, snapshot, &expired);
	rows->expired = nexpired > 0;
	if (nexpired > 0)
		quota_leave_out_expired(ref, rel, expired, nexpired, snapshot);
	if (goes_into(&ref->due, &ref->key))
		show_due(rel, ref, &ref->state, expired, nexpired, snapshot);
	shown = rows->bucket;
	shown.state = ref->state;
	if (quota_rollover_is_open(ref, &shown))
		show_rollover(rel, ref, expired, nexpired, snapshot);
}

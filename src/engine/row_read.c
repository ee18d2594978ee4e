/*-------------------------------------------------------------------------
 *
 * row_read.c
 *		The engine's reading: an account's rows, and what they say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "engine/expiry.h"
#include "engine/lease_row.h"
#include "engine/lease_take.h"
#include "engine/rollover.h"
#include "engine/row_parts.h"
#include "shared/rates.h"

/*
 * A window that has rolled over is closed, and so are those before it: an older
 * transaction counts in the newest one.
 */
static void
leave_closed_window(Relation rel, QuotaMeter *meter, Snapshot snapshot)
{
	QuotaBucketRow newest;

	quota_bucket_closing(rel, &meter->key, snapshot, &newest);
	if (newest.tuple == NULL)
		return;
	meter->key.start = newest.key.start;
	meter->key.end = newest.key.end;
}

/*
 * Is it the next charge that fixes what rolls over?  A row can have been made
 * before the first charge, by a change of plan.
 */
bool
quota_rollover_is_open(const QuotaMeter *meter, const QuotaBucketRow *row)
{
	return meter->limits.rolls_over && !quota_bucket_is_charged(&row->state);
}

/* Old and new allowance, each for its share of the window. */
static int64
prorated(int64 old, int64 new, const QuotaDue *due)
{
	int64		length = due->window.end - due->window.start;
	int64		elapsed = Max(due->at, due->window.start) - due->window.start;

	return (int64) (((int128) old * elapsed + (int128) new * (length - elapsed)) / length);
}

/* What quota_internal._set_terms() will do to the state of a window, if a due change is about it. */
static void
show_due(const QuotaMeter *meter, const QuotaWindowKey *key, QuotaBucketState *state)
{
	const QuotaDue *due = &meter->due;

	if (due->first)
		show_due(due->first, key, state);
	if (!due->is_due || due->window.start != key->start || due->window.end != key->end)
		return;
	if (due->prorates)
		state->prorated = prorated(state->is_prorated ? state->prorated : due->old_allowance,
								   meter->limits.allowance, due);
	state->is_prorated = due->prorates && state->prorated != meter->limits.allowance;
	state->unlimited = meter->limits.unlimited;
	state->allowance = meter->limits.allowance;
}

/* A reader is shown true use.  What a charge finds is decided when it has locked the row. */
static void
show_lease(Relation rel, QuotaBucketRow *row, QuotaRows *rows, LOCKMODE lockmode, Snapshot snapshot)
{
	if (row->state.lease_id == 0)
		return;
	if (lockmode == AccessShareLock)
		row->state = quota_row_shown(rel, row, snapshot);
	else
	{
		rows->leased = true;
		rows->orphaned = rows->orphaned || !quota_row_is_known(row);
	}
}

/* The last charged window that the account has a row of; false if there is none. */
static bool
show_before(Relation rel, const QuotaMeter *meter, QuotaRows *rows, const QuotaExpired *expired,
			int nexpired, LOCKMODE lockmode, Snapshot snapshot, QuotaBucketRow *before)
{
	QuotaMeter	past = {0};

	quota_bucket_before(rel, &meter->key, snapshot, before);
	if (before->tuple == NULL)
		return false;
	show_lease(rel, before, rows, lockmode, snapshot);
	if (nexpired > 0)
	{
		past.key = before->key;
		past.balance.bucket = before->state;
		quota_leave_out_expired(&past, rel, expired, nexpired, snapshot);
		before->state = past.balance.bucket;
	}
	show_due(meter, &before->key, &before->state);
	return true;
}

/*
 * What the first charge of a window will fix.  What expired holds have in the
 * window before is left out.
 */
static void
show_rollover(Relation rel, QuotaMeter *meter, QuotaRows *rows, const QuotaExpired *expired,
			  int nexpired, LOCKMODE lockmode, Snapshot snapshot)
{
	QuotaBucketRow before;
	QuotaRollover rollover;
	bool		charged;

	charged = show_before(rel, meter, rows, expired, nexpired, lockmode, snapshot, &before);
	quota_rollover(meter, charged ? &before : NULL, &rollover);
	meter->balance.bucket.rolled_in = rollover.into;
}

static void
show_cap(QuotaAccountCap *cap, const QuotaCapUse *use, TimestampTz at)
{
	cap->opened = use->tuple != NULL && at < use->closes_at;
	cap->used = cap->opened ? use->used : 0;
	cap->cleared_id = use->cleared_id;
	if (!cap->opened || !TIMESTAMP_IS_NOBEGIN(cap->key.window_start))
		return;
	cap->opened_at = use->opened_at;
	/* a transaction that is older than the window counts in it all the same */
	cap->window.start = Min(use->opened_at, at);
	cap->window.end = use->closes_at;
}

/* The rows' numbers, put into meter. */
void
quota_rows_show(QuotaMeter *meter, const QuotaRows *rows)
{
	if (!meter->limits.rate_only)
		meter->balance.bucket = rows->bucket.state;
	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		meter->balance.grants[i].used = rows->grants[i].used;
		meter->balance.grants[i].change = 0;
	}
	for (int i = 0; i < meter->balance.ncaps; i++)
		show_cap(&meter->balance.caps[i], &rows->caps[i], meter->at);
	if (meter->limits.rate)
		meter->balance.rate = rows->rate.state;
}

/*
 * A row that has been found may be locked or written later only while the table's
 * lock has been held all the time: VACUUM FULL gives its place to another row.
 */
static void
close_found(Relation rel, LOCKMODE lockmode)
{
	table_close(rel, lockmode == AccessShareLock ? lockmode : NoLock);
}

static void
find_grants(QuotaMeter *meter, QuotaRows *rows, LOCKMODE lockmode, Snapshot snapshot)
{
	Relation	rel;

	if (meter->balance.ngrants == 0)
		return;
	rel = quota_grant_use_open(lockmode);
	rows->grants = (QuotaGrantUse *) palloc(sizeof(QuotaGrantUse) * meter->balance.ngrants);
	for (int i = 0; i < meter->balance.ngrants; i++)
		quota_grant_use_find(rel, meter->balance.grants[i].grant.id, meter->balance.grants[i].grant.period.start,
							 snapshot, &rows->grants[i]);
	close_found(rel, lockmode);
}

static void
find_caps(QuotaMeter *meter, QuotaRows *rows, LOCKMODE lockmode, Snapshot snapshot)
{
	Relation	rel;

	if (meter->balance.ncaps == 0)
		return;
	rel = quota_cap_use_open(lockmode);
	rows->caps = (QuotaCapUse *) palloc(sizeof(QuotaCapUse) * meter->balance.ncaps);
	for (int i = 0; i < meter->balance.ncaps; i++)
		quota_cap_use_find(rel, &meter->key, &meter->balance.caps[i].key, snapshot, &rows->caps[i]);
	close_found(rel, lockmode);
}

static void
find_rate(QuotaMeter *meter, QuotaRows *rows, LOCKMODE lockmode, Snapshot snapshot)
{
	Relation	rel;

	if (meter->limits.rate == NULL)
		return;
	rows->rate_in_memory = quota_rates_read(&meter->key.account, meter->limits.rate, meter->clock,
											&rows->rate.state);
	if (rows->rate_in_memory)
		return;
	rel = quota_rate_use_open(lockmode);
	quota_rate_use_find(rel, &meter->key.account, snapshot, &rows->rate);
	close_found(rel, lockmode);
	/* a reader changes nothing */
	if (lockmode != AccessShareLock)
		rows->rate_in_memory = quota_rates_admit(&meter->key.account, meter->clock, &rows->rate.state);
}

void
quota_rows_find(Relation rel, QuotaMeter *meter, QuotaRows *rows, LOCKMODE lockmode,
				Snapshot snapshot)
{
	QuotaExpired *expired = NULL;
	int			nexpired = 0;
	QuotaBucketRow shown;

	if (meter->limits.rolls_over)
		leave_closed_window(rel, meter, snapshot);
	if (!meter->limits.rate_only && !quota_lease_look(rel, meter, rows, snapshot))
		quota_bucket_find(rel, &meter->key, snapshot, &rows->bucket);
	show_lease(rel, &rows->bucket, rows, lockmode, snapshot);
	if (rows->bucket.state.reserved > 0 || rows->leased || meter->has_grants || meter->balance.ngrants > 0 || meter->balance.ncaps > 0 ||
		meter->limits.rolls_over)
		nexpired = quota_expired_of(&meter->key.account, snapshot, &expired);
	rows->expired = nexpired > 0;
	if (nexpired > 0 && meter->has_grants && !meter->limits.counts_only)
		quota_add_expired_grants(meter, expired, nexpired, snapshot);
	find_grants(meter, rows, lockmode, snapshot);
	find_caps(meter, rows, lockmode, snapshot);
	find_rate(meter, rows, lockmode, snapshot);
	quota_rows_show(meter, rows);
	if (rows->leased)
		meter->balance.bucket = quota_row_seen(&rows->bucket);
	if (nexpired > 0)
		quota_leave_out_expired(meter, rel, expired, nexpired, snapshot);
	show_due(meter, &meter->key, &meter->balance.bucket);
	shown = rows->bucket;
	shown.state = meter->balance.bucket;
	if (quota_rollover_is_open(meter, &shown))
		show_rollover(rel, meter, rows, expired, nexpired, lockmode, snapshot);
}

/*-------------------------------------------------------------------------
 *
 * row.c
 *		The row engine: accounts are rows, locked by the caller's transaction.
 *
 * Right by construction: a row that is updated stays locked until its
 * transaction ends, so debits of one account queue behind each other, and abort,
 * savepoints and PREPARE TRANSACTION are PostgreSQL's own business.
 *
 * Locks, in this order: the bucket table (RowExclusiveLock, by open(), before
 * plans are looked up; who moves windows wholesale takes EXCLUSIVE), then account
 * by account in the order of the refs: the windows of expired holds, the window
 * that rolls over, the window itself, grants by id, caps, the rate.  An account
 * that is a bucket and nothing else, alone in its request, needs no lock of its
 * own: the update is the lock.  All others are locked before any is decided on,
 * since a refusal must leave every one untouched.
 *
 * A refusal is first sought without any lock, in what is committed.  A request
 * that would fit only if a transaction in flight gave something back is
 * refused, and leaves no lock behind.
 *
 * A row that is missing is created first, in the same order, and the caller told
 * to look up anew (STALE); so is it when an expired hold was given back.
 *
 * Reads use a fresh snapshot whatever the isolation level; see store/row.c.
 *
 * Caveats: a call refused after a lock was taken (because another transaction
 * took the last units meanwhile) keeps the lock until its transaction ends.  A
 * refund locks in the order of its parts' windows and grants, which around the
 * end of a period can be another order than a charge's: 40P01.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "engine/booking.h"
#include "engine/expiry.h"
#include "engine/rollover.h"
#include "engine/room.h"
#include "engine/row.h"
#include "store/hold.h"
#include "store/rate.h"
#include "store/schema.h"

/* The rows of one account; same places as in its QuotaBucketRef. */
typedef struct Rows
{
	QuotaBucketRow bucket;
	QuotaGrantUse *grants;
	QuotaCapUse *caps;
	QuotaRateUse rate;
	bool		expired;		/* are there expired holds? */
} Rows;

/* What prepare() found. */
typedef enum Prepared
{
	PREPARED_LOCKED,			/* all rows are there and locked */
	PREPARED_CHANGED,			/* some were created or given back to */
	PREPARED_STALE				/* somebody else did something to one of them */
} Prepared;

static Relation buckets = NULL;

static void
row_open(void)
{
	buckets = quota_bucket_open();
}

static void
row_close(void)
{
	/* the lock stays until the transaction ends */
	table_close(buckets, NoLock);
	buckets = NULL;
}

/*
 * A window without a row, but with a later one, is an older transaction's: the
 * later one has taken what this one could pass on, having counted it as idle.
 * What came before the account's first use was never counted.
 */
static int64
passed_on_unused(const QuotaBucketRef *ref, const QuotaBucketRow *before)
{
	if (before->tuple == NULL && TIMESTAMP_NOT_FINITE(ref->idle_since))
		return 0;
	return Min(ref->rollover_max, ref->allowance);
}

/*
 * Is it the next charge that fixes what rolls over?  A row can have been made
 * before the first charge, by a change of plan.
 */
static bool
rollover_is_open(const QuotaBucketRef *ref, const QuotaBucketRow *row)
{
	if (!ref->rolls_over)
		return false;
	return row->tuple == NULL ||
		(!row->state.rollover_fixed && !row->moved && quota_total(&row->state.counts) == 0);
}

/*
 * What the first charge of a window will fix.  What expired holds have in the
 * window before is left out.
 */
static void
show_rollover(Relation rel, QuotaBucketRef *ref, const QuotaBucketRow *row,
			  const QuotaExpired *expired, int nexpired, Snapshot snapshot)
{
	QuotaBucketRef past = {0};
	QuotaBucketRow before;
	QuotaRollover rollover;

	quota_bucket_before(rel, &ref->key, snapshot, &before);
	if (quota_bucket_has_later(rel, &ref->key, snapshot))
	{
		if (row->tuple == NULL)
			ref->state.rolled_out = passed_on_unused(ref, &before);
		return;
	}
	if (before.tuple != NULL && nexpired > 0)
	{
		past.key = before.key;
		past.state = before.state;
		quota_leave_out_expired(&past, rel, expired, nexpired, snapshot);
		before.state = past.state;
	}
	quota_rollover(ref, &before, &rollover);
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
static void
show(QuotaBucketRef *ref, const Rows *rows)
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
find_grants(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
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
find_caps(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
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
find_rate(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
{
	Relation	rel;

	if (ref->rate == NULL)
		return;
	rel = quota_rate_use_open(AccessShareLock);
	quota_rate_use_find(rel, &ref->key, snapshot, &rows->rate);
	table_close(rel, AccessShareLock);
}

/* Finds an account's rows and shows them in ref, expired holds left out. */
static void
find(Relation rel, QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
{
	QuotaExpired *expired = NULL;
	int			nexpired = 0;

	if (!ref->rate_only)
		quota_bucket_find(rel, &ref->key, snapshot, &rows->bucket);
	find_grants(ref, rows, snapshot);
	find_caps(ref, rows, snapshot);
	find_rate(ref, rows, snapshot);
	show(ref, rows);
	if (rows->bucket.state.reserved > 0 || ref->ngrants > 0 || ref->ncaps > 0 || ref->rolls_over)
		nexpired = quota_expired_of(&ref->key, snapshot, &expired);
	rows->expired = nexpired > 0;
	if (nexpired > 0)
		quota_leave_out_expired(ref, rel, expired, nexpired, snapshot);
	if (rollover_is_open(ref, &rows->bucket))
		show_rollover(rel, ref, &rows->bucket, expired, nexpired, snapshot);
}

static void
row_peek(QuotaBucketRef *refs, int nrefs, Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_BUCKET), AccessShareLock);

	for (int i = 0; i < nrefs; i++)
	{
		Rows		rows = {0};

		find(rel, &refs[i], &rows, snapshot);
		if (rows.bucket.tuple)
			heap_freetuple(rows.bucket.tuple);
		if (refs[i].rate)
			refs[i].rate_available = quota_gcra_available(refs[i].rate, &refs[i].rate_state,
														  refs[i].clock);
	}
	table_close(rel, AccessShareLock);
}

/* Sets had_room and had_rate; how much of the amount there is room for. */
static int64
measure(QuotaBucketRef *ref)
{
	int64		fits = ref->amount;

	ref->had_room = true;
	ref->had_rate = true;
	if (!ref->rate_only)
	{
		int64		room = quota_room(ref);

		ref->had_room = !quota_is_limited(ref) || room >= ref->amount;
		fits = Min(fits, room);
	}
	if (ref->rate)
	{
		ref->rate_available = quota_gcra_available(ref->rate, &ref->rate_state, ref->clock);
		ref->had_rate = ref->rate_available >= ref->amount;
		fits = Min(fits, ref->rate_available);
	}
	return fits;
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

		all_fit = all_fit && refs[i].had_room && refs[i].had_rate;
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
		if (ref->rate)
			ref->rate_state = quota_gcra_take(ref->rate, &ref->rate_state, ref->clock,
											  ref->amount);
		if (ref->rate_only)
			continue;
		quota_split(ref, ref->amount);
		/* the sums are checked, as readers add up */
		(void) quota_add(quota_shown_use(ref), ref->amount, "use");
		for (int j = 0; j < ref->ncaps; j++)
			(void) quota_add(ref->caps[j].used, ref->amount, "use");
	}
	return true;
}

/*
 * Gives back what expired holds have in an account.  Removing the part decides
 * who of several does it; all parts are removed before a bucket is locked, as
 * who closes a hold does.  What they have is read after that: who extended one
 * meanwhile may have changed it.
 */
static int
row_expire(const QuotaBucketKey *account)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TimestampTz clock = quota_clock_now();
	QuotaExpired *expired;
	int			nexpired = quota_expired_of(account, snapshot, &expired);
	int			nremoved = 0;

	UnregisterSnapshot(snapshot);
	for (int i = 0; i < nexpired; i++)
	{
		if (quota_hold_part_remove(account->prefix, account->prefix_len, account->feature_id,
								   expired[i].hold_id, clock))
			expired[nremoved++] = expired[i];
	}
	for (int i = 0; i < nremoved; i++)
	{
		QuotaExpired *e = &expired[i];
		QuotaGiving *givings;
		QuotaEntry	like = {.kind = QUOTA_ENTRY_EXPIRY,.at = quota_now()};

		snapshot = RegisterSnapshot(GetLatestSnapshot());
		quota_expired_read(account, snapshot, e);
		UnregisterSnapshot(snapshot);
		givings = (QuotaGiving *) palloc0(sizeof(QuotaGiving) * Max(e->nparts, 1));
		/* last taken first */
		for (int j = 0; j < e->nparts; j++)
		{
			givings[j].part = e->parts[e->nparts - 1 - j];
			givings[j].unreserve = givings[j].part.amount;
		}
		like.subject = e->subject;
		like.debit_id = e->hold_id;
		(void) quota_give_and_book(&quota_row_engine, givings, e->nparts, &like);
	}
	return nremoved;
}

/*
 * The window just before, which nobody used, gets a row that says what it passes
 * on, so that no older transaction spends it there.  False if somebody has made
 * that row meanwhile: then it is not idle.
 */
static bool
create_idle(const QuotaBucketRef *ref, const QuotaRollover *rollover, Snapshot snapshot)
{
	QuotaBucketState state = {.rollover_fixed = true,.unlimited = ref->unlimited,.allowance = ref->allowance};
	QuotaBucketKey idle = ref->key;
	QuotaBucketRow there;

	idle.start = rollover->idle_window.start;
	idle.end = rollover->idle_window.end;
	/* one whose use was moved away has a row */
	quota_bucket_find(buckets, &idle, snapshot, &there);
	if (there.tuple != NULL)
		return true;
	state.plan_version_id = ref->plan_version_id;
	state.rolled_in = rollover->idle_into;
	state.rolled_out = rollover->into;
	return quota_bucket_create(buckets, &idle, &state);
}

/* Makes the row, or fixes what rolls into the one that is there; true if it was us. */
static bool
fix_row(const QuotaBucketRef *ref, QuotaBucketRow *row, const QuotaBucketState *state,
		Snapshot snapshot)
{
	QuotaBucketState fixed;

	if (row->tuple == NULL)
		return quota_bucket_create(buckets, &ref->key, state);
	if (!quota_bucket_lock(buckets, row, snapshot) || !rollover_is_open(ref, row))
		return false;
	fixed = row->state;
	fixed.rollover_fixed = true;
	fixed.rolled_in = state->rolled_in;
	QuotaEnsure(quota_bucket_update(buckets, row, &fixed, InvalidSnapshot));
	return true;
}

/*
 * Fixes what rolls over into a window, making its row.  The window before is
 * locked (or, if it was idle, made) first and, when the row is ours, marked with
 * what it passed on.
 */
static bool
fix_rollover(const QuotaBucketRef *ref, QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaBucketState state = {.rollover_fixed = true,.unlimited = ref->unlimited,.allowance = ref->allowance};
	QuotaBucketRow before;
	QuotaRollover rollover;

	quota_bucket_before(buckets, &ref->key, snapshot, &before);
	if (quota_bucket_has_later(buckets, &ref->key, snapshot))
	{
		state.rolled_out = passed_on_unused(ref, &before);
		return fix_row(ref, row, &state, snapshot);
	}
	if (before.tuple != NULL && (!quota_bucket_lock(buckets, &before, snapshot) || before.moved))
		return false;
	quota_rollover(ref, &before, &rollover);
	if (rollover.idle && rollover.into > 0 && !create_idle(ref, &rollover, snapshot))
		return false;
	state.rolled_in = rollover.into;
	if (!fix_row(ref, row, &state, snapshot))
		return false;
	if (before.tuple != NULL && rollover.out_of_before > 0)
	{
		QuotaBucketState passed_on = before.state;

		passed_on.rolled_out = quota_add(passed_on.rolled_out, rollover.out_of_before, "rollover");
		QuotaEnsure(quota_bucket_update(buckets, &before, &passed_on, InvalidSnapshot));
	}
	return true;
}

static bool
create_bucket(const QuotaBucketRef *ref)
{
	QuotaBucketState state = {.unlimited = ref->unlimited,.allowance = ref->allowance};

	return quota_bucket_create(buckets, &ref->key, &state);
}

/*
 * Locks or creates the window's row.
 *
 * A mark says that another window took the use over.  If the version that the
 * look-up's own snapshot saw bears it and the look-up led here all the same, the
 * account has come back to this window since: the mark is spent.  If it has come
 * in after that snapshot, the look-up is out of date.
 */
static Prepared
prepare_bucket(QuotaBucketRef *ref, QuotaBucketRow *row, Snapshot snapshot)
{
	int64		spent = row->moved ? row->moved_id : 0;

	if (rollover_is_open(ref, row))
		return fix_rollover(ref, row, snapshot) ? PREPARED_CHANGED : PREPARED_STALE;
	if (row->tuple == NULL)
		return create_bucket(ref) ? PREPARED_CHANGED : PREPARED_STALE;
	if (!quota_bucket_lock(buckets, row, snapshot) || (row->moved && row->moved_id != spent))
		return PREPARED_STALE;
	return PREPARED_LOCKED;
}

/* In order of id, which is the same for everybody. */
static Prepared
prepare_grants(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
{
	Relation	rel = quota_grant_use_open(RowExclusiveLock);
	Prepared	result = PREPARED_LOCKED;
	int64		done = PG_INT64_MIN;

	for (int n = 0; n < ref->ngrants && result != PREPARED_STALE; n++)
	{
		const QuotaGrant *grant;
		int			next = -1;

		for (int i = 0; i < ref->ngrants; i++)
		{
			if (ref->grants[i].grant.id > done &&
				(next < 0 || ref->grants[i].grant.id < ref->grants[next].grant.id))
				next = i;
		}
		grant = &ref->grants[next].grant;
		done = grant->id;
		if (rows->grants[next].tuple == NULL)
			result = quota_grant_use_create(rel, grant->id, &grant->period) ?
				PREPARED_CHANGED : PREPARED_STALE;
		else if (!quota_grant_use_lock(rel, &rows->grants[next], snapshot))
			result = PREPARED_STALE;
		else
		{
			/* who revokes it has this row locked while doing so */
			Snapshot	now = RegisterSnapshot(GetLatestSnapshot());

			if (quota_grant_is_revoked(grant->id, now))
				result = PREPARED_STALE;
			UnregisterSnapshot(now);
		}
	}
	table_close(rel, NoLock);
	return result;
}

static Prepared
prepare_caps(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
{
	Relation	rel = quota_cap_use_open(RowExclusiveLock);
	Prepared	result = PREPARED_LOCKED;

	for (int i = 0; i < ref->ncaps && result != PREPARED_STALE; i++)
	{
		const QuotaCapRef *cap = &ref->caps[i];

		if (rows->caps[i].tuple == NULL)
			/* one that opens with the first use is closed until then */
			result = quota_cap_use_create(rel, &cap->key, cap->window.start,
										  TIMESTAMP_IS_NOBEGIN(cap->key.window_start) ?
										  cap->window.start : cap->window.end) ?
				PREPARED_CHANGED : PREPARED_STALE;
		else if (!quota_cap_use_lock(rel, &rows->caps[i], snapshot))
			result = PREPARED_STALE;
	}
	table_close(rel, NoLock);
	return result;
}

static Prepared
prepare_rate(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
{
	Relation	rel = quota_rate_use_open(RowExclusiveLock);
	Prepared	result = PREPARED_LOCKED;

	if (rows->rate.tuple == NULL)
		result = quota_rate_use_create(rel, &ref->key) ? PREPARED_CHANGED : PREPARED_STALE;
	else if (!quota_rate_use_lock(rel, &rows->rate, snapshot))
		result = PREPARED_STALE;
	table_close(rel, NoLock);
	return result;
}

static Prepared
prepare_account(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
{
	Prepared	results[4] = {PREPARED_LOCKED, PREPARED_LOCKED, PREPARED_LOCKED, PREPARED_LOCKED};
	Prepared	worst = PREPARED_LOCKED;

	/* what was found is out of date then */
	if (rows->expired && row_expire(&ref->key) > 0)
		return PREPARED_STALE;
	if (!ref->rate_only)
		results[0] = prepare_bucket(ref, &rows->bucket, snapshot);
	if (ref->ngrants > 0 && results[0] != PREPARED_STALE)
		results[1] = prepare_grants(ref, rows, snapshot);
	if (ref->ncaps > 0 && results[0] != PREPARED_STALE && results[1] != PREPARED_STALE)
		results[2] = prepare_caps(ref, rows, snapshot);
	if (ref->rate && results[0] != PREPARED_STALE && results[1] != PREPARED_STALE &&
		results[2] != PREPARED_STALE)
		results[3] = prepare_rate(ref, rows, snapshot);
	for (int i = 0; i < (int) lengthof(results); i++)
		worst = Max(worst, results[i]);
	return worst;
}

/*
 * Locks all rows in order, creating those that are missing: a row that we create
 * is locked until we end, so the order holds for it too.  It stops at a row that
 * somebody else has created meanwhile, since that one is not locked yet.
 */
static Prepared
prepare(QuotaBucketRef *refs, Rows *rows, int nrefs, Snapshot snapshot)
{
	Prepared	worst = PREPARED_LOCKED;

	for (int i = 0; i < nrefs && worst != PREPARED_STALE; i++)
	{
		Prepared	here = prepare_account(&refs[i], &rows[i], snapshot);

		worst = Max(worst, here);
	}
	if (worst != PREPARED_LOCKED)
		CommandCounterIncrement();
	return worst;
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
apply_bucket(QuotaBucketRef *ref, QuotaBucketRow *row, Snapshot snapshot)
{
	QuotaBucketState state = row->state;

	plus(&state.counts, &ref->change);
	if (ref->reserve)
		state.reserved = quota_add(state.reserved, ref->amount, "use");
	if (!ref->only_overdraws)
	{
		state.unlimited = ref->unlimited;
		state.allowance = ref->unlimited ? 0 : ref->allowance;
		state.plan_version_id = ref->plan_version_id;
	}
	if (!quota_bucket_update(buckets, row, &state, snapshot))
		return false;
	ref->state = state;
	return true;
}

static void
apply_grants(QuotaBucketRef *ref, Rows *rows)
{
	Relation	rel = quota_grant_use_open(RowExclusiveLock);

	for (int i = 0; i < ref->ngrants; i++)
	{
		QuotaGrantRef *grant = &ref->grants[i];

		if (grant->change == 0)
			continue;
		grant->used = quota_add(grant->used, grant->change, "use");
		quota_grant_use_update(rel, &rows->grants[i], grant->used);
	}
	table_close(rel, NoLock);
}

static void
apply_caps(QuotaBucketRef *ref, Rows *rows)
{
	Relation	rel;

	/* nothing is no use: it opens none */
	if (ref->ncaps == 0 || ref->amount == 0)
		return;
	rel = quota_cap_use_open(RowExclusiveLock);
	for (int i = 0; i < ref->ncaps; i++)
	{
		QuotaCapRef *cap = &ref->caps[i];
		QuotaCapUse *use = &rows->caps[i];

		cap->used = quota_add(cap->used, ref->amount, "use");
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
apply(QuotaBucketRef *ref, Rows *rows, Snapshot snapshot)
{
	if (!ref->rate_only && !apply_bucket(ref, &rows->bucket, snapshot))
		return false;
	if (ref->ngrants > 0)
		apply_grants(ref, rows);
	apply_caps(ref, rows);
	if (ref->rate)
	{
		Relation	rel = quota_rate_use_open(RowExclusiveLock);

		quota_rate_use_update(rel, &rows->rate, &ref->rate_state);
		table_close(rel, NoLock);
	}
	return true;
}

static QuotaTakeResult
row_take(QuotaBucketRef *refs, int nrefs, QuotaTakeMode mode, Snapshot snapshot)
{
	Rows	   *rows = (Rows *) palloc0(sizeof(Rows) * nrefs);
	int64		asked = refs[0].amount;
	bool		plain;

	Assert(nrefs > 0);
	for (int i = 0; i < nrefs; i++)
		find(buckets, &refs[i], &rows[i], snapshot);
	if (!decide(refs, nrefs, mode))
		return QUOTA_NO_ROOM;
	plain = nrefs == 1 && rows[0].bucket.tuple != NULL && !rows[0].expired &&
		refs[0].ngrants == 0 && refs[0].ncaps == 0 && refs[0].rate == NULL &&
		!rollover_is_open(&refs[0], &rows[0].bucket);
	if (plain && apply(&refs[0], &rows[0], snapshot))
		return QUOTA_TAKEN;

	/* several rows, or the only one has changed: lock, look, decide anew */
	if (prepare(refs, rows, nrefs, snapshot) != PREPARED_LOCKED)
		return QUOTA_STALE;
	for (int i = 0; i < nrefs; i++)
	{
		show(&refs[i], &rows[i]);
		/* the first look has clipped it */
		if (mode == QUOTA_TAKE_UP_TO)
			refs[i].amount = asked;
	}
	if (!decide(refs, nrefs, mode))
		return QUOTA_NO_ROOM;
	for (int i = 0; i < nrefs; i++)
		QuotaEnsure(apply(&refs[i], &rows[i], snapshot));
	return QUOTA_TAKEN;
}

static bool
same_window(const QuotaBucketKey *a, const QuotaBucketKey *b)
{
	return a->start == b->start && a->end == b->end && a->source_id == b->source_id &&
		a->feature_id == b->feature_id && a->prefix_len == b->prefix_len &&
		memcmp(a->prefix, b->prefix, a->prefix_len) == 0;
}

/*
 * Finds and locks the row that a debit charged, or that of the window which took
 * its use over; *key is set to it.
 */
static void
lock_for_give(QuotaBucketKey *key, int64 debit_id, QuotaBucketRow *row)
{
	for (int hop = 0; hop < QUOTA_MAX_HOPS; hop++)
	{
		/* a successor may be younger than any earlier snapshot */
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		bool		found;

		quota_bucket_find(buckets, key, snapshot, row);
		found = row->tuple != NULL && quota_bucket_lock(buckets, row, snapshot);
		UnregisterSnapshot(snapshot);
		if (!found)
		{
			/* erased: nothing is there to come back to */
			memset(row, 0, sizeof(*row));
			return;
		}
		if (!row->moved || debit_id > row->moved_id)
			return;
		key->start = row->moved_start;
		key->end = row->moved_end;
	}
	elog(ERROR, "quota: a window's successors do not end");
}

/* Gives a grant back in the period that the charge was made in; how much it had. */
static int64
give_to_grant(const QuotaPart *part)
{
	Relation	rel = quota_grant_use_open(RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	QuotaGrantUse use = {0};
	QuotaGrant	grant;
	int64		came_back = 0;

	if (quota_grant_by_id(part->grant_id, part->at, snapshot, &grant))
		quota_grant_use_find(rel, part->grant_id, grant.period.start, snapshot, &use);
	if (use.tuple != NULL && quota_grant_use_lock(rel, &use, snapshot))
	{
		came_back = Min(part->amount, use.used);
		quota_grant_use_update(rel, &use, use.used - came_back);
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
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
			part->at < use->opened_at || part->at >= use->closes_at)
			continue;
		use->used -= Min(use->used, part->amount);
		quota_cap_use_update(rel, use);
	}
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
}

/* Gives one part back to its locked bucket; sets its amount to what came back. */
static void
give_part(QuotaGiving *giving, QuotaBucketRow *row, int64 most)
{
	QuotaPart  *part = &giving->part;
	QuotaBucketState state = row->state;
	int64	   *count = quota_count_of(&state.counts, part->source);

	part->amount = Min(Min(part->amount, most), *count);
	if (part->source == QUOTA_SOURCE_GRANT)
		part->amount = give_to_grant(part);
	*count -= part->amount;
	state.reserved -= Min(state.reserved, giving->unreserve);
	if (part->amount == 0 && state.reserved == row->state.reserved)
		return;
	QuotaEnsure(quota_bucket_update(buckets, row, &state, InvalidSnapshot));
	if (part->source != QUOTA_SOURCE_CAPACITY && part->amount > 0 && !giving->leaves_caps)
		give_to_caps(part);
	/* the next part may be of the same rows */
	CommandCounterIncrement();
}

static void
row_give(QuotaGiving *givings, int ngivings, int64 debit_id)
{
	QuotaBucketRow *rows = (QuotaBucketRow *) palloc(sizeof(QuotaBucketRow) * ngivings);
	QuotaBucketRow **row_of = (QuotaBucketRow **) palloc(sizeof(QuotaBucketRow *) * ngivings);
	int64		most = PG_INT64_MAX;

	for (int i = 0; i < ngivings; i++)
	{
		row_of[i] = &rows[i];
		lock_for_give(&givings[i].part.key, debit_id, &rows[i]);
		for (int j = 0; j < i; j++)
		{
			if (same_window(&givings[j].part.key, &givings[i].part.key))
			{
				row_of[i] = row_of[j];
				break;
			}
		}
	}
	if (givings[ngivings - 1].part.source == QUOTA_SOURCE_CAPACITY)
		most = row_of[ngivings - 1]->state.counts.used;
	for (int i = 0; i < ngivings; i++)
	{
		if (row_of[i]->tuple != NULL)
			give_part(&givings[i], row_of[i], most);
		else
			givings[i].part.amount = 0;
	}
}

static void
row_locate(QuotaBucketKey *key, int64 debit_id, Snapshot snapshot)
{
	quota_follow_moves(buckets, key, debit_id, snapshot);
}

const QuotaEngine quota_row_engine = {
	.name = "row",
	.open = row_open,
	.peek = row_peek,
	.take = row_take,
	.give = row_give,
	.expire = row_expire,
	.locate = row_locate,
	.close = row_close,
};

/*-------------------------------------------------------------------------
 *
 * row.c
 *		The row engine: buckets are rows, locked by the caller's transaction.
 *
 * Right by construction: a row that is updated stays locked until its
 * transaction ends, so debits of one bucket queue behind each other, and abort,
 * savepoints and PREPARE TRANSACTION are PostgreSQL's own business.
 *
 * Locks, in this order: the bucket table (RowExclusiveLock, by open(), before
 * plans are looked up; who moves windows wholesale takes EXCLUSIVE), then rows
 * in the order of the refs.  With one bucket the update itself is the lock; with
 * several all are locked before any is decided on, since a refusal must leave
 * every one untouched.
 *
 * A refusal is first sought without any lock, in what is committed.  A request
 * that would fit only if a transaction in flight gave something back is
 * refused, and leaves no lock behind.
 *
 * Reads use a fresh snapshot whatever the isolation level; see store/row.c.
 *
 * Caveats: a call refused after a lock was taken (because another transaction
 * took the last units meanwhile) keeps the lock until its transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "base/errors.h"
#include "engine/row.h"
#include "store/schema.h"

/* A window's use is handed on once per change of plan: few hops, no cycle. */
#define MAX_HOPS	1000

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

static void
row_peek(QuotaBucketRef *refs, int nrefs, Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_BUCKET), AccessShareLock);

	for (int i = 0; i < nrefs; i++)
	{
		QuotaBucketRow row;

		quota_bucket_find(rel, &refs[i].key, snapshot, &row);
		refs[i].counts = row.state.counts;
		if (row.tuple)
			heap_freetuple(row.tuple);
	}
	table_close(rel, AccessShareLock);
}

/*
 * What is to be taken from each bucket, given what they hold: sets ref.change
 * and had_room.  False if nothing can be taken.
 */
static bool
decide(QuotaBucketRef *refs, int nrefs, QuotaTakeMode mode)
{
	bool		all_fit = true;
	int64		least = PG_INT64_MAX;

	for (int i = 0; i < nrefs; i++)
	{
		int64		room = quota_room(&refs[i]);

		refs[i].had_room = refs[i].unlimited || room >= refs[i].amount;
		all_fit = all_fit && refs[i].had_room;
		least = Min(least, Min(room, refs[i].amount));
	}
	if (!all_fit && (mode == QUOTA_TAKE_ALL || (mode == QUOTA_TAKE_UP_TO && least == 0)))
		return false;
	/* no plan is in the way, but a number cannot hold more: no refusal */
	if (mode == QUOTA_TAKE_UP_TO && least == 0)
		quota_raise_out_of_range("use");
	for (int i = 0; i < nrefs; i++)
	{
		QuotaBucketRef *ref = &refs[i];
		int64		amount = mode == QUOTA_TAKE_UP_TO ? least : ref->amount;

		/* the room first, then overdrawn */
		ref->change.used = ref->counts_only ? amount : Min(amount, quota_room(ref));
		ref->change.overdrawn = amount - ref->change.used;
		/* the sum is checked, as readers add the two */
		(void) quota_add(quota_add(ref->counts.used, ref->counts.overdrawn, "use"), amount, "use");
	}
	return true;
}

static void
find_all(QuotaBucketRef *refs, QuotaBucketRow *rows, int nrefs, Snapshot snapshot)
{
	for (int i = 0; i < nrefs; i++)
	{
		quota_bucket_find(buckets, &refs[i].key, snapshot, &rows[i]);
		refs[i].counts = rows[i].state.counts;
	}
}

/*
 * Creates the rows that are missing; true if there were any.
 *
 * A row that we create is locked until we end, so the order of the refs holds
 * here too: rows that exist are locked on the way.  It stops at a row that
 * somebody else has created meanwhile, since that one is not locked yet.
 */
static bool
create_missing(QuotaBucketRef *refs, QuotaBucketRow *rows, int nrefs, Snapshot snapshot)
{
	bool		ours = true;
	int			last = nrefs - 1;

	while (last >= 0 && rows[last].tuple != NULL)
		last--;
	if (last < 0)
		return false;
	for (int i = 0; i <= last && ours; i++)
	{
		if (rows[i].tuple == NULL)
			ours = quota_bucket_create(buckets, &refs[i].key, &rows[i].state);
		else
			ours = quota_bucket_lock(buckets, &rows[i], snapshot);
	}
	CommandCounterIncrement();
	return true;
}

/*
 * Locks the rows in order; false if one has gone or its window was superseded.
 *
 * A mark says that another window took the use over.  If the version that the
 * look-up's own snapshot saw bears it and the look-up led here all the same, the
 * account has come back to this window since: the mark is spent.  If it has come
 * in after that snapshot, the look-up is out of date.
 */
static bool
lock_all(QuotaBucketRef *refs, QuotaBucketRow *rows, int nrefs, Snapshot snapshot)
{
	for (int i = 0; i < nrefs; i++)
	{
		int64		spent = rows[i].moved ? rows[i].moved_id : 0;

		if (!quota_bucket_lock(buckets, &rows[i], snapshot))
			return false;
		if (rows[i].moved && rows[i].moved_id != spent)
			return false;
		refs[i].counts = rows[i].state.counts;
	}
	return true;
}

static QuotaCounts
plus(QuotaCounts counts, QuotaCounts change)
{
	counts.used = quota_add(counts.used, change.used, "use");
	counts.overdrawn = quota_add(counts.overdrawn, change.overdrawn, "use");
	return counts;
}

/* Writes the decided change; false if the only row changed under us. */
static bool
apply_take(QuotaBucketRef *refs, QuotaBucketRow *rows, int nrefs, Snapshot snapshot)
{
	for (int i = 0; i < nrefs; i++)
	{
		QuotaCounts counts = plus(refs[i].counts, refs[i].change);
		QuotaBucketState state = rows[i].state;

		state.counts = counts;
		if (!quota_bucket_update(buckets, &rows[i], &state, snapshot))
		{
			/* the others are locked, so this can only be an unlocked one */
			QuotaEnsure(nrefs == 1);
			return false;
		}
		refs[i].counts = counts;
		refs[i].amount = refs[i].change.used + refs[i].change.overdrawn;
	}
	return true;
}

static QuotaTakeResult
row_take(QuotaBucketRef *refs, int nrefs, QuotaTakeMode mode, Snapshot snapshot)
{
	QuotaBucketRow *rows = (QuotaBucketRow *) palloc(sizeof(QuotaBucketRow) * nrefs);

	Assert(nrefs > 0);
	find_all(refs, rows, nrefs, snapshot);
	if (!decide(refs, nrefs, mode))
		return QUOTA_NO_ROOM;
	if (create_missing(refs, rows, nrefs, snapshot))
		return QUOTA_STALE;
	if (nrefs == 1 && apply_take(refs, rows, nrefs, snapshot))
		return QUOTA_TAKEN;

	/* several rows, or the only one has changed: lock, look, decide anew */
	if (!lock_all(refs, rows, nrefs, snapshot))
		return QUOTA_STALE;
	if (!decide(refs, nrefs, mode))
		return QUOTA_NO_ROOM;
	QuotaEnsure(apply_take(refs, rows, nrefs, snapshot));
	return QUOTA_TAKEN;
}

/*
 * Finds and locks the row that a debit charged, or that of the window which took
 * its use over.
 */
static void
lock_for_give(QuotaBucketRef *ref, int64 debit_id, QuotaBucketRow *row)
{
	for (int hop = 0; hop < MAX_HOPS; hop++)
	{
		/* a successor may be younger than any earlier snapshot */
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		bool		found;

		quota_bucket_find(buckets, &ref->key, snapshot, row);
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
		ref->key.start = row->moved_start;
		ref->key.end = row->moved_end;
	}
	elog(ERROR, "quota: a window's successors do not end");
}

static void
row_give(QuotaBucketRef *refs, int nrefs, int64 debit_id)
{
	QuotaBucketRow *rows = (QuotaBucketRow *) palloc(sizeof(QuotaBucketRow) * nrefs);
	int64		most;

	for (int i = 0; i < nrefs; i++)
		lock_for_give(&refs[i], debit_id, &rows[i]);
	most = refs[nrefs - 1].counts_only ? rows[nrefs - 1].state.counts.used : PG_INT64_MAX;
	for (int i = 0; i < nrefs; i++)
	{
		QuotaBucketRef *ref = &refs[i];

		ref->counts = rows[i].state.counts;
		ref->change.used = Min(Min(ref->change.used, most), ref->counts.used);
		ref->change.overdrawn = Min(ref->change.overdrawn, ref->counts.overdrawn);
		ref->counts.used -= ref->change.used;
		ref->counts.overdrawn -= ref->change.overdrawn;
		if (ref->change.used > 0 || ref->change.overdrawn > 0)
		{
			QuotaBucketState state = rows[i].state;

			state.counts = ref->counts;
			QuotaEnsure(quota_bucket_update(buckets, &rows[i], &state, InvalidSnapshot));
		}
	}
}

const QuotaEngine quota_row_engine = {
	.name = "row",
	.open = row_open,
	.peek = row_peek,
	.take = row_take,
	.give = row_give,
	.close = row_close,
};

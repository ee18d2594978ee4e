/*-------------------------------------------------------------------------
 *
 * subscription.c
 *		Look-ups of subscriptions and overrides, one index scan each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/scan.h"
#include "store/schema.h"
#include "store/subscription.h"
#include "store/tuple.h"

static TimestampTz
time_or_noend(const Datum *values, const bool *nulls, int attnum)
{
	return nulls[attnum - 1] ? DT_NOEND : DatumGetTimestampTz(values[attnum - 1]);
}

static char *
text_or_null(const Datum *values, const bool *nulls, int attnum)
{
	return nulls[attnum - 1] ? NULL : TextDatumGetCString(values[attnum - 1]);
}

static void
read_row(HeapTuple tuple, TupleDesc desc, QuotaSubscriptionRow *row)
{
	Datum		values[Natts_subscription];
	bool		nulls[Natts_subscription];

	heap_deform_tuple(tuple, desc, values, nulls);
	row->id = DatumGetInt64(values[Anum_subscription_id - 1]);
	row->source_id = DatumGetInt64(values[Anum_subscription_source_id - 1]);
	row->plan_version_id = DatumGetInt32(values[Anum_subscription_plan_version_id - 1]);
	row->quantity = DatumGetInt64(values[Anum_subscription_quantity - 1]);
	row->status = text_or_null(values, nulls, Anum_subscription_status);
	row->paused_from = text_or_null(values, nulls, Anum_subscription_paused_from);
	row->paused_until = time_or_noend(values, nulls, Anum_subscription_paused_until);
	row->starts_at = DatumGetTimestampTz(values[Anum_subscription_starts_at - 1]);
	row->anchor_at = DatumGetTimestampTz(values[Anum_subscription_anchor_at - 1]);
	row->ends_at = time_or_noend(values, nulls, Anum_subscription_ends_at);
	row->trial_ends_at = time_or_noend(values, nulls, Anum_subscription_trial_ends_at);
	row->cancelled = !nulls[Anum_subscription_cancelled_at - 1];
	row->past_due_since = time_or_noend(values, nulls, Anum_subscription_past_due_since);
	row->timezone = text_or_null(values, nulls, Anum_subscription_timezone);
	row->next_at = time_or_noend(values, nulls, Anum_subscription_next_at);
	if (TIMESTAMP_IS_NOEND(row->next_at))
		return;
	row->next_usage = text_or_null(values, nulls, Anum_subscription_next_usage);
	row->next_version_id = DatumGetInt32(values[Anum_subscription_next_version_id - 1]);
	row->next_source_id = DatumGetInt64(values[Anum_subscription_next_source_id - 1]);
}

/* ---- what a row says at a time ---- */

/* A pause is over when its time has come, whether or not somebody has noted it. */
static void
read_status(const QuotaSubscriptionRow *row, TimestampTz at, QuotaSubscription *sub)
{
	sub->status = pstrdup(row->status);
	sub->paused_until = DT_NOEND;
	if (row->paused_from == NULL)
		return;
	sub->paused_from = pstrdup(row->paused_from);
	if (TIMESTAMP_IS_NOEND(row->paused_until))
		return;
	sub->paused_until = row->paused_until;
	if (at < sub->paused_until)
		return;
	sub->status = sub->paused_from;
	sub->paused_until = DT_NOEND;
}

/* The scheduled change of plan, if there is one, has its day. */
static void
bring_into_force(const QuotaSubscriptionRow *row, TimestampTz at, QuotaSubscription *sub)
{
	if (TIMESTAMP_IS_NOEND(row->next_at) || at < row->next_at)
		return;
	sub->due = true;
	sub->due_at = row->next_at;
	sub->due_from = sub->plan_version_id;
	sub->due_resets = (strcmp(row->next_usage, "reset") == 0);
	sub->due_prorates = (strcmp(row->next_usage, "prorate") == 0);
	sub->plan_version_id = row->next_version_id;
	/* one that comes in a trial comes at its end */
	sub->trial_ends_at = DT_NOEND;
	if (strcmp(sub->status, "trialing") == 0)
		sub->status = "active";
	if (sub->due_resets)
	{
		sub->source_id = row->next_source_id;
		sub->anchor_at = row->next_at;
	}
}

static QuotaSubscription *
from_row(const QuotaSubscriptionRow *row, TimestampTz at)
{
	QuotaSubscription *sub = (QuotaSubscription *) palloc0(sizeof(QuotaSubscription));

	sub->id = row->id;
	sub->source_id = row->source_id;
	sub->plan_version_id = row->plan_version_id;
	sub->quantity = row->quantity;
	read_status(row, at, sub);
	sub->starts_at = row->starts_at;
	sub->anchor_at = row->anchor_at;
	sub->ends_at = row->ends_at;
	sub->trial_ends_at = row->trial_ends_at;
	sub->cancelled = row->cancelled;
	sub->past_due_since = row->past_due_since;
	sub->timezone = pstrdup(row->timezone);
	bring_into_force(row, at, sub);
	return sub;
}

QuotaSubscription *
quota_subscription_of(const QuotaSubscriptionRow *rows, int nrows, TimestampTz at)
{
	for (int i = 0; i < nrows; i++)
	{
		if (at >= rows[i].starts_at && at < rows[i].ends_at)
			return from_row(&rows[i], at);
	}
	return NULL;
}

/* ---- look-ups ---- */

/* the index compares hashes only */
static bool
is_of(HeapTuple tuple, TupleDesc desc, const text *prefix)
{
	const text *subject = DatumGetTextPP(quota_attribute(tuple, desc, Anum_subscription_subject));

	return VARSIZE_ANY_EXHDR(subject) == VARSIZE_ANY_EXHDR(prefix) &&
		memcmp(VARDATA_ANY(subject), VARDATA_ANY(prefix), VARSIZE_ANY_EXHDR(prefix)) == 0;
}

/* Of a row whose other columns need not be read. */
static bool
is_tuple_in_force(HeapTuple tuple, TupleDesc desc, TimestampTz at)
{
	bool		endless;
	Datum		ends_at = heap_getattr(tuple, Anum_subscription_ends_at, desc, &endless);

	return at >= DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_subscription_starts_at)) &&
		(endless || at < DatumGetTimestampTz(ends_at));
}

/*
 * Reads rows of the level, only those in force at *at if there is one, until max are
 * there.  Not by systable_beginscan(), which takes no lossy index.
 */
static int
read_rows(const QuotaSubject *subject, int level, const TimestampTz *at, Snapshot snapshot,
		  QuotaSubscriptionRow *rows, int max)
{
	Relation	rel = table_open(quota_relid(QUOTA_SUBSCRIPTION), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	Relation	index = index_open(quota_relid(QUOTA_SUBSCRIPTION_SUBJECT_HASH), AccessShareLock);
	text	   *prefix = cstring_to_text_with_len(subject->text, subject->prefix_len[level]);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = quota_index_beginscan(rel, index, snapshot, 1);
	ScanKeyData key;
	int			n = 0;

	/* the first column of the index */
	ScanKeyInit(&key, 1, HTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(prefix));
	index_rescan(scan, &key, 1, NULL, 0);
	while (n < max && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);

		if (is_of(tuple, desc, prefix) && (at == NULL || is_tuple_in_force(tuple, desc, *at)))
			read_row(tuple, desc, &rows[n++]);
		if (should_free)
			heap_freetuple(tuple);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return n;
}

int
quota_subscription_rows(const QuotaSubject *subject, int level, Snapshot snapshot,
						QuotaSubscriptionRow *rows, int max)
{
	return read_rows(subject, level, NULL, snapshot, rows, max);
}

/*
 * A subject has few subscriptions over its life and at most one at a time, so all of
 * them are looked at.
 */
QuotaSubscription *
quota_subscription_at(const QuotaSubject *subject, int level, TimestampTz at, Snapshot snapshot)
{
	QuotaSubscriptionRow row;
	int			n = read_rows(subject, level, &at, snapshot, &row, 1);

	return quota_subscription_of(&row, n, at);
}

QuotaTerms *
quota_override_of(const QuotaSubject *subject, int level, const QuotaFeature *feature,
				  Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_SUBJECT_OVERRIDE), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	QuotaTerms *terms = NULL;
	QuotaScan	scan;
	HeapTuple	tuple;

	if (quota_scan_is_vain(rel))
	{
		table_close(rel, AccessShareLock);
		return NULL;
	}
	quota_scan_init(&scan, rel);
	quota_scan_text(&scan, Anum_subject_override_subject, subject->text, subject->prefix_len[level]);
	quota_scan_int4(&scan, Anum_subject_override_feature_id, feature->id);
	quota_scan_begin(&scan, quota_relid(QUOTA_SUBJECT_OVERRIDE_PKEY), snapshot);
	tuple = quota_scan_next(&scan);
	if (tuple != NULL)
	{
		Datum		set_at = quota_attribute(tuple, desc, Anum_subject_override_set_at);

		terms = quota_terms_from_tuple(tuple, desc, Anum_subject_override_terms,
									   Anum_subject_override_members, feature->kind);
		if (terms->anchor == QUOTA_ANCHOR_SUBSCRIPTION)
			terms->anchor_at = DatumGetTimestampTz(set_at);
		if (terms->members != NULL && terms->members->anchor == QUOTA_ANCHOR_SUBSCRIPTION)
			terms->members->anchor_at = DatumGetTimestampTz(set_at);
	}
	quota_scan_end(&scan);
	table_close(rel, AccessShareLock);
	return terms;
}

bool
quota_has_override(const QuotaSubject *subject, int level, Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_SUBJECT_OVERRIDE), AccessShareLock);
	QuotaScan	scan;
	bool		has;

	quota_scan_init(&scan, rel);
	quota_scan_text(&scan, Anum_subject_override_subject, subject->text, subject->prefix_len[level]);
	has = quota_scan_one(&scan, quota_relid(QUOTA_SUBJECT_OVERRIDE_PKEY), snapshot) != NULL;
	table_close(rel, AccessShareLock);
	return has;
}

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
time_or_noend(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? DT_NOEND : DatumGetTimestampTz(value);
}

/* A pause is over when its time has come, whether or not somebody has noted it. */
static void
read_status(const Datum *values, const bool *nulls, TimestampTz at, QuotaSubscription *sub)
{
	sub->status = TextDatumGetCString(values[Anum_subscription_status - 1]);
	sub->paused_until = DT_NOEND;
	if (nulls[Anum_subscription_paused_from - 1])
		return;
	sub->paused_from = TextDatumGetCString(values[Anum_subscription_paused_from - 1]);
	if (nulls[Anum_subscription_paused_until - 1])
		return;
	sub->paused_until = DatumGetTimestampTz(values[Anum_subscription_paused_until - 1]);
	if (at < sub->paused_until)
		return;
	sub->status = sub->paused_from;
	sub->paused_until = DT_NOEND;
}

/* The scheduled change of plan, if there is one, has its day. */
static void
bring_into_force(const Datum *values, const bool *nulls, TimestampTz at, QuotaSubscription *sub)
{
	TimestampTz next_at;
	char	   *usage;

	if (nulls[Anum_subscription_next_at - 1])
		return;
	next_at = DatumGetTimestampTz(values[Anum_subscription_next_at - 1]);
	if (at < next_at)
		return;
	usage = TextDatumGetCString(values[Anum_subscription_next_usage - 1]);
	sub->due = true;
	sub->due_at = next_at;
	sub->due_from = sub->plan_version_id;
	sub->due_resets = (strcmp(usage, "reset") == 0);
	sub->due_prorates = (strcmp(usage, "prorate") == 0);
	sub->plan_version_id = DatumGetInt32(values[Anum_subscription_next_version_id - 1]);
	/* one that comes in a trial comes at its end */
	sub->trial_ends_at = DT_NOEND;
	if (strcmp(sub->status, "trialing") == 0)
		sub->status = "active";
	if (sub->due_resets)
	{
		sub->source_id = DatumGetInt64(values[Anum_subscription_next_source_id - 1]);
		sub->anchor_at = next_at;
	}
}

static QuotaSubscription *
from_tuple(HeapTuple tuple, TupleDesc desc, TimestampTz at)
{
	QuotaSubscription *sub = (QuotaSubscription *) palloc0(sizeof(QuotaSubscription));
	Datum		values[Natts_subscription];
	bool		nulls[Natts_subscription];

	heap_deform_tuple(tuple, desc, values, nulls);
	sub->id = DatumGetInt64(values[Anum_subscription_id - 1]);
	sub->source_id = DatumGetInt64(values[Anum_subscription_source_id - 1]);
	sub->plan_version_id = DatumGetInt32(values[Anum_subscription_plan_version_id - 1]);
	sub->quantity = DatumGetInt64(values[Anum_subscription_quantity - 1]);
	read_status(values, nulls, at, sub);
	sub->starts_at = DatumGetTimestampTz(values[Anum_subscription_starts_at - 1]);
	sub->anchor_at = DatumGetTimestampTz(values[Anum_subscription_anchor_at - 1]);
	sub->ends_at = nulls[Anum_subscription_ends_at - 1] ? DT_NOEND :
		DatumGetTimestampTz(values[Anum_subscription_ends_at - 1]);
	sub->trial_ends_at = nulls[Anum_subscription_trial_ends_at - 1] ? DT_NOEND :
		DatumGetTimestampTz(values[Anum_subscription_trial_ends_at - 1]);
	sub->cancelled = !nulls[Anum_subscription_cancelled_at - 1];
	sub->past_due_since = nulls[Anum_subscription_past_due_since - 1] ? DT_NOEND :
		DatumGetTimestampTz(values[Anum_subscription_past_due_since - 1]);
	sub->timezone = TextDatumGetCString(values[Anum_subscription_timezone - 1]);
	bring_into_force(values, nulls, at, sub);
	return sub;
}

/* Is it a subscription of that prefix, in force at "at"? */
static bool
fits(HeapTuple tuple, TupleDesc desc, const text *prefix, TimestampTz at)
{
	const text *subject = DatumGetTextPP(quota_attribute(tuple, desc, Anum_subscription_subject));

	/* the index compares hashes only */
	return VARSIZE_ANY_EXHDR(subject) == VARSIZE_ANY_EXHDR(prefix) &&
		memcmp(VARDATA_ANY(subject), VARDATA_ANY(prefix), VARSIZE_ANY_EXHDR(prefix)) == 0 &&
		at >= DatumGetTimestampTz(quota_attribute(tuple, desc, Anum_subscription_starts_at)) &&
		at < time_or_noend(tuple, desc, Anum_subscription_ends_at);
}

/*
 * A subject has few subscriptions over its life and at most one at a time, so
 * all of them are looked at.  Not by systable_beginscan(), which takes no lossy
 * index.
 */
QuotaSubscription *
quota_subscription_at(const QuotaSubject *subject, int level, TimestampTz at, Snapshot snapshot)
{
	Relation	rel = table_open(quota_relid(QUOTA_SUBSCRIPTION), AccessShareLock);
	Relation	index = index_open(quota_relid(QUOTA_SUBSCRIPTION_SUBJECT_HASH), AccessShareLock);
	text	   *prefix = cstring_to_text_with_len(subject->text, subject->prefix_len[level]);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = quota_index_beginscan(rel, index, snapshot, 1);
	QuotaSubscription *found = NULL;
	ScanKeyData key;

	/* the first column of the index */
	ScanKeyInit(&key, 1, HTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(prefix));
	index_rescan(scan, &key, 1, NULL, 0);
	while (found == NULL && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool		should_free;
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);

		if (fits(tuple, RelationGetDescr(rel), prefix, at))
			found = from_tuple(tuple, RelationGetDescr(rel), at);
		if (should_free)
			heap_freetuple(tuple);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return found;
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

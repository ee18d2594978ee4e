/*-------------------------------------------------------------------------
 *
 * expiry.c
 *		Holds that have expired and have not been given back yet.
 *
 * Expiry is a predicate, not an event: from expires_at on a hold's room is free.
 * Readers leave it out of what they read; the next charge of the account gives it
 * back in truth (row.c), or maintain() does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "engine/expiry.h"
#include "store/hold.h"

int
quota_expired_of(const QuotaBucketKey *account, Snapshot snapshot, QuotaExpired **expired)
{
	int64	   *hold_ids;
	int			n;

	n = quota_hold_parts_expired(account->prefix, account->prefix_len, account->feature_id,
								 quota_clock_now(), snapshot, &hold_ids);
	if (n == 0)
		return 0;
	*expired = (QuotaExpired *) palloc(sizeof(QuotaExpired) * n);
	for (int i = 0; i < n; i++)
	{
		QuotaExpired *e = &(*expired)[i];
		QuotaEntry *entries;
		int			nentries = quota_ledger_of_debit(hold_ids[i], snapshot, &entries);

		e->hold_id = hold_ids[i];
		e->subject = nentries > 0 ? entries[0].subject : "";
		e->nparts = quota_parts_of(entries, nentries, account->prefix, account->prefix_len,
								   &e->parts);
	}
	return n;
}

/* Is the part's use in the window of ref, there from the start or moved there? */
static bool
lies_in(const QuotaPart *part, const QuotaBucketRef *ref, int64 hold_id, Relation buckets,
		Snapshot snapshot)
{
	QuotaBucketKey key = part->key;
	QuotaBucketRow row;

	for (int hop = 0; hop < QUOTA_MAX_HOPS; hop++)
	{
		if (key.source_id != ref->key.source_id)
			return false;
		if (key.start == ref->key.start && key.end == ref->key.end)
			return true;
		quota_bucket_find(buckets, &key, snapshot, &row);
		if (!row.moved || hold_id > row.moved_id)
			return false;
		key.start = row.moved_start;
		key.end = row.moved_end;
	}
	return false;
}

static void
subtract(int64 *number, int64 amount)
{
	*number -= Min(*number, amount);
}

static void
leave_out(QuotaBucketRef *ref, const QuotaPart *part, bool in_window)
{
	if (in_window)
	{
		subtract(quota_count_of(&ref->state.counts, part->source), part->amount);
		subtract(&ref->state.reserved, part->amount);
	}
	for (int i = 0; i < ref->ngrants; i++)
	{
		QuotaGrantRef *grant = &ref->grants[i];

		if (part->source == QUOTA_SOURCE_GRANT && part->grant_id == grant->grant.id &&
			part->at >= grant->grant.period.start && part->at < grant->grant.period.end)
			subtract(&grant->used, part->amount);
	}
	for (int i = 0; i < ref->ncaps; i++)
	{
		QuotaCapRef *cap = &ref->caps[i];

		if (cap->opened && part->key.source_id == ref->key.source_id &&
			part->at >= cap->window.start && part->at < cap->window.end)
			subtract(&cap->used, part->amount);
	}
}

void
quota_leave_out_expired(QuotaBucketRef *ref, Relation buckets, const QuotaExpired *expired,
						int nexpired, Snapshot snapshot)
{
	for (int i = 0; i < nexpired; i++)
	{
		for (int j = 0; j < expired[i].nparts; j++)
		{
			const QuotaPart *part = &expired[i].parts[j];

			leave_out(ref, part, lies_in(part, ref, expired[i].hold_id, buckets, snapshot));
		}
	}
}

/*-------------------------------------------------------------------------
 *
 * expiry.c
 *		Holds that have expired and have not been given back yet.
 *
 * Expiry is a predicate, not an event: from expires_at on a hold's room is free.
 * Readers leave it out of what they read; the next charge that it could concern gives
 * it back in truth (row_prepare.c), or maintain() does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "engine/expiry.h"
#include "store/hold.h"

void
quota_expired_read(const QuotaAccountKey *account, Snapshot snapshot, QuotaExpired *expired)
{
	QuotaEntry *entries;
	int			nentries = quota_ledger_of_debit(expired->hold_id, snapshot, &entries);

	expired->subject = nentries > 0 ? entries[0].subject : NULL;
	expired->levels = nentries > 0 ? entries[0].levels : 0;
	expired->nparts = quota_parts_of(entries, nentries, account, &expired->parts);
}

/* The holds that expire by then. */
static int
expired_by(const QuotaAccountKey *account, TimestampTz then, Snapshot snapshot, QuotaExpired **expired)
{
	QuotaHoldPart *parts;
	int			n;

	n = quota_hold_parts_expired(account, then, snapshot, &parts);
	if (n == 0)
		return 0;
	*expired = (QuotaExpired *) palloc(sizeof(QuotaExpired) * n);
	for (int i = 0; i < n; i++)
	{
		(*expired)[i].hold_id = parts[i].hold_id;
		(*expired)[i].expires_at = parts[i].expires_at;
		quota_expired_read(account, snapshot, &(*expired)[i]);
	}
	return n;
}

int
quota_expired_of(const QuotaAccountKey *account, Snapshot snapshot, QuotaExpired **expired)
{
	return expired_by(account, quota_clock_now(), snapshot, expired);
}

/* Is the part's use in the account's window, there from the start or moved there? */
static bool
lies_in(const QuotaPart *part, const QuotaWindowKey *window, int64 hold_id, Relation buckets,
		Snapshot snapshot)
{
	QuotaBucketRow row;

	if (part->key.source_id != window->source_id)
		return false;
	quota_bucket_follow(buckets, &part->key, Max(hold_id, part->entry_id), snapshot, &row);
	return row.key.start == window->start && row.key.end == window->end;
}

int64
quota_reserved_in(const QuotaWindowKey *window, Relation buckets, Snapshot snapshot)
{
	QuotaExpired *holds = NULL;
	int			nholds = expired_by(&window->account, DT_NOEND, snapshot, &holds);
	int64		reserved = 0;

	for (int i = 0; i < nholds; i++)
	{
		for (int j = 0; j < holds[i].nparts; j++)
		{
			if (lies_in(&holds[i].parts[j], window, holds[i].hold_id, buckets, snapshot))
				reserved = quota_add(reserved, holds[i].parts[j].amount, "use");
		}
	}
	return reserved;
}

static void
subtract(int64 *number, int64 amount)
{
	*number -= Min(*number, amount);
}

/* Have caps counted the part? */
static bool
is_counted(const QuotaPart *part, Snapshot snapshot)
{
	QuotaGrant	grant;

	return part->source != QUOTA_SOURCE_GRANT ||
		!quota_grant_by_id(part->grant_id, part->at, snapshot, &grant) || !grant.beyond_caps;
}

static void
leave_out(QuotaMeter *meter, const QuotaPart *part, bool in_window, Snapshot snapshot)
{
	if (in_window)
	{
		subtract(quota_count_of(&meter->balance.bucket.counts, part->source), part->amount);
		subtract(&meter->balance.bucket.reserved, part->amount);
	}
	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		QuotaAccountGrant *grant = &meter->balance.grants[i];

		if (part->source == QUOTA_SOURCE_GRANT && part->grant_id == grant->grant.id &&
			part->at >= grant->grant.period.start && part->at < grant->grant.period.end)
			subtract(&grant->used, part->amount);
	}
	for (int i = 0; i < meter->balance.ncaps && is_counted(part, snapshot); i++)
	{
		QuotaAccountCap *cap = &meter->balance.caps[i];

		if (cap->opened && part->key.source_id == meter->key.source_id &&
			part->at >= cap->window.start && part->at < cap->window.end &&
			part->entry_id > cap->cleared_id)
			subtract(&cap->used, part->amount);
	}
}

static bool
has_grant(const QuotaMeter *meter, int64 id)
{
	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		if (meter->balance.grants[i].grant.id == id)
			return true;
	}
	return false;
}

/* Keeps the order; the array may be another meter's, too, so it is not changed. */
static void
add_grant(QuotaMeter *meter, const QuotaGrant *grant)
{
	QuotaAccountGrant *grants = (QuotaAccountGrant *) palloc0(sizeof(QuotaAccountGrant) * (meter->balance.ngrants + 1));
	int			place = 0;

	while (place < meter->balance.ngrants && quota_compare_grants(&meter->balance.grants[place].grant, grant) < 0)
		place++;
	if (meter->balance.ngrants > 0)
	{
		memcpy(grants, meter->balance.grants, sizeof(QuotaAccountGrant) * place);
		memcpy(&grants[place + 1], &meter->balance.grants[place], sizeof(QuotaAccountGrant) * (meter->balance.ngrants - place));
	}
	grants[place].grant = *grant;
	meter->balance.grants = grants;
	meter->balance.ngrants++;
}

void
quota_add_expired_grants(QuotaMeter *meter, const QuotaExpired *expired, int nexpired,
						 Snapshot snapshot)
{
	for (int i = 0; i < nexpired; i++)
	{
		for (int j = 0; j < expired[i].nparts; j++)
		{
			const QuotaPart *part = &expired[i].parts[j];
			QuotaGrant	grant;

			if (part->source == QUOTA_SOURCE_GRANT && !has_grant(meter, part->grant_id) &&
				quota_grant_by_id(part->grant_id, meter->at, snapshot, &grant) && !grant.revoked &&
				meter->at >= grant.period.start && meter->at < grant.period.end)
				add_grant(meter, &grant);
		}
	}
}

void
quota_leave_out_expired(QuotaMeter *meter, Relation buckets, const QuotaExpired *expired,
						int nexpired, Snapshot snapshot)
{
	for (int i = 0; i < nexpired; i++)
	{
		for (int j = 0; j < expired[i].nparts; j++)
		{
			const QuotaPart *part = &expired[i].parts[j];

			leave_out(meter, part, lies_in(part, &meter->key, expired[i].hold_id, buckets, snapshot),
					  snapshot);
		}
	}
}

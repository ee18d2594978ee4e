/*-------------------------------------------------------------------------
 *
 * room.c
 *		How much room an account has and where it is taken from.
 *
 * Use beyond the allowance that nobody sold (overdrawn, or what a lowered limit
 * leaves) is a deficit: grants and overage cover it first, in their order,
 * without being burned for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/errors.h"
#include "engine/room.h"

int64
quota_clamp(int128 value)
{
	return value <= 0 ? 0 : value >= PG_INT64_MAX ? PG_INT64_MAX : (int64) value;
}

int64
quota_total(const QuotaCounts *counts)
{
	return quota_add(quota_add(counts->used, counts->granted, "use"),
					 quota_add(counts->overage, counts->overdrawn, "use"), "use");
}

/* The share of a window that a change of plan has prorated is its allowance. */
static int64
allowance_of(const QuotaBucketState *bucket, int64 allowance)
{
	return bucket->is_prorated ? bucket->prorated : allowance;
}

int128
quota_allowance_balance(const QuotaBucketState *bucket, int64 allowance)
{
	return (int128) allowance_of(bucket, allowance) + bucket->rolled_in - bucket->rolled_out -
		bucket->counts.used - bucket->counts.overdrawn;
}

static int128
allowance_balance(const QuotaBucketRef *ref)
{
	return quota_allowance_balance(&ref->balance.bucket, ref->limits.allowance);
}

static int64
grant_left(const QuotaGrantRef *grant)
{
	return Max(grant->grant.amount - grant->used, 0);
}

static int128
grants_left(const QuotaBucketRef *ref)
{
	int128		left = 0;

	for (int i = 0; i < ref->balance.ngrants; i++)
		left += grant_left(&ref->balance.grants[i]);
	return left;
}

static int64
overage_left(const QuotaBucketRef *ref)
{
	return Max(ref->limits.overage_limit - ref->balance.bucket.counts.overage, 0);
}

static bool
nothing_limits(const QuotaBucketRef *ref)
{
	return ref->limits.unlimited || ref->limits.overage_limit == PG_INT64_MAX;
}

int64
quota_allowance_left(const QuotaBucketRef *ref)
{
	return ref->limits.unlimited ? PG_INT64_MAX : quota_clamp(allowance_balance(ref));
}

/* What grants beyond caps have left once the deficit is covered. */
static int128
beyond_caps_left(const QuotaBucketRef *ref)
{
	int64		deficit = ref->limits.unlimited ? 0 : quota_clamp(-allowance_balance(ref));
	int128		left = 0;

	for (int i = 0; i < ref->balance.ngrants; i++)
	{
		const QuotaGrantRef *grant = &ref->balance.grants[i];
		int64		covered = Min(deficit, grant_left(grant));

		deficit -= covered;
		if (grant->grant.beyond_caps)
			left += grant_left(grant) - covered;
	}
	return left;
}

/* Allowance, grants and overage together; infinite is PG_INT64_MAX. */
static int128
sources_left(const QuotaBucketRef *ref)
{
	return nothing_limits(ref) ? PG_INT64_MAX :
		quota_clamp(allowance_balance(ref) + grants_left(ref) + overage_left(ref));
}

int64
quota_room_before_caps(const QuotaBucketRef *ref)
{
	return nothing_limits(ref) ? PG_INT64_MAX : quota_clamp(sources_left(ref) - beyond_caps_left(ref));
}

int64
quota_cap_room(const QuotaCapRef *cap)
{
	return Max(cap->ceiling - cap->used, 0);
}

/* What all caps let through. */
static int64
caps_room(const QuotaBucketRef *ref)
{
	int64		room = PG_INT64_MAX;

	for (int i = 0; i < ref->balance.ncaps; i++)
		room = Min(room, quota_cap_room(&ref->balance.caps[i]));
	return room;
}

int64
quota_room(const QuotaBucketRef *ref)
{
	int64		number = PG_INT64_MAX - quota_total(&ref->balance.bucket.counts);
	int128		room = sources_left(ref);

	if (ref->balance.ncaps > 0)
		room = Min(quota_room_before_caps(ref), caps_room(ref)) + beyond_caps_left(ref);
	return Min(number, quota_clamp(room));
}

int64
quota_rate_room(const QuotaBucketRef *ref)
{
	return ref->limits.rate == NULL ? PG_INT64_MAX :
		quota_gcra_available(ref->limits.rate, &ref->balance.rate, ref->clock);
}

bool
quota_is_limited(const QuotaBucketRef *ref)
{
	return !nothing_limits(ref) || ref->balance.ncaps > 0;
}

int64
quota_shown_allowance(const QuotaBucketRef *ref)
{
	const QuotaBucketState *bucket = &ref->balance.bucket;

	return quota_clamp((int128) allowance_of(bucket, ref->limits.allowance) + bucket->rolled_in +
					   bucket->counts.granted + grants_left(ref));
}

int64
quota_shown_use(const QuotaBucketRef *ref)
{
	return quota_add(quota_total(&ref->balance.bucket.counts), ref->balance.bucket.rolled_out, "use");
}

/* One pass through the sources in their order; returns what is still missing. */
static int64
take_in_order(QuotaBucketRef *ref, int64 amount, int64 caps_let)
{
	QuotaCounts *change = &ref->outcome.change;
	int64		deficit = ref->limits.unlimited ? 0 : quota_clamp(-allowance_balance(ref));
	int64		missing = amount;
	int64		here;

	here = ref->limits.counts_only ? missing : quota_allowance_left(ref) - change->used;
	here = Min(Min(here, missing), caps_let);
	change->used += here;
	caps_let -= here;
	missing -= here;
	for (int i = 0; i < ref->balance.ngrants; i++)
	{
		QuotaGrantRef *grant = &ref->balance.grants[i];
		int64		covered = Min(deficit, grant_left(grant));

		deficit -= covered;
		here = Min(missing, grant_left(grant) - covered - grant->change);
		if (!grant->grant.beyond_caps)
		{
			here = Min(here, caps_let);
			caps_let -= here;
		}
		else
			ref->outcome.capped -= here;
		grant->change += here;
		change->granted += here;
		missing -= here;
	}
	here = ref->limits.overage_limit == PG_INT64_MAX ? missing :
		Max(overage_left(ref) - deficit, 0) - change->overage;
	here = Min(Min(here, missing), caps_let);
	change->overage += here;
	return missing - here;
}

void
quota_split(QuotaBucketRef *ref, int64 amount)
{
	int64		missing = amount;

	memset(&ref->outcome.change, 0, sizeof(ref->outcome.change));
	for (int i = 0; i < ref->balance.ngrants; i++)
		ref->balance.grants[i].change = 0;
	ref->outcome.capped = amount;
	if (!ref->limits.overdraw_only)
	{
		missing = take_in_order(ref, missing, caps_room(ref));
		if (missing > 0 && ref->balance.ncaps > 0)
			missing = take_in_order(ref, missing, PG_INT64_MAX);
	}
	ref->outcome.change.overdrawn = missing;
}

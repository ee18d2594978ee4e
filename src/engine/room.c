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
allowance_balance(const QuotaMeter *meter)
{
	return quota_allowance_balance(&meter->balance.bucket, meter->limits.allowance);
}

static int64
grant_left(const QuotaAccountGrant *grant)
{
	return Max(grant->grant.amount - grant->used, 0);
}

static int128
grants_left(const QuotaMeter *meter)
{
	int128		left = 0;

	for (int i = 0; i < meter->balance.ngrants; i++)
		left += grant_left(&meter->balance.grants[i]);
	return left;
}

static int64
overage_left(const QuotaMeter *meter)
{
	return Max(meter->limits.overage_limit - meter->balance.bucket.counts.overage, 0);
}

static bool
nothing_limits(const QuotaMeter *meter)
{
	return meter->limits.unlimited || meter->limits.overage_limit == PG_INT64_MAX;
}

int64
quota_allowance_left(const QuotaMeter *meter)
{
	return meter->limits.unlimited ? PG_INT64_MAX : quota_clamp(allowance_balance(meter));
}

/* What grants beyond caps have left once the deficit is covered. */
static int128
beyond_caps_left(const QuotaMeter *meter)
{
	int64		deficit = meter->limits.unlimited ? 0 : quota_clamp(-allowance_balance(meter));
	int128		left = 0;

	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		const QuotaAccountGrant *grant = &meter->balance.grants[i];
		int64		covered = Min(deficit, grant_left(grant));

		deficit -= covered;
		if (grant->grant.beyond_caps)
			left += grant_left(grant) - covered;
	}
	return left;
}

/* Allowance, grants and overage together; infinite is PG_INT64_MAX. */
static int128
sources_left(const QuotaMeter *meter)
{
	return nothing_limits(meter) ? PG_INT64_MAX :
		quota_clamp(allowance_balance(meter) + grants_left(meter) + overage_left(meter));
}

int64
quota_room_before_caps(const QuotaMeter *meter)
{
	return nothing_limits(meter) ? PG_INT64_MAX : quota_clamp(sources_left(meter) - beyond_caps_left(meter));
}

int64
quota_cap_room(const QuotaAccountCap *cap)
{
	return Max(cap->ceiling - cap->used, 0);
}

/* What all caps let through. */
static int64
caps_room(const QuotaMeter *meter)
{
	int64		room = PG_INT64_MAX;

	for (int i = 0; i < meter->balance.ncaps; i++)
		room = Min(room, quota_cap_room(&meter->balance.caps[i]));
	return room;
}

int64
quota_room(const QuotaMeter *meter)
{
	int64		number = PG_INT64_MAX - quota_total(&meter->balance.bucket.counts);
	int128		room = sources_left(meter);

	if (meter->balance.ncaps > 0)
		room = Min(quota_room_before_caps(meter), caps_room(meter)) + beyond_caps_left(meter);
	return Min(number, quota_clamp(room));
}

int64
quota_rate_room(const QuotaMeter *meter)
{
	return meter->limits.rate == NULL ? PG_INT64_MAX :
		quota_gcra_available(meter->limits.rate, &meter->balance.rate, meter->clock);
}

bool
quota_is_limited(const QuotaMeter *meter)
{
	return !nothing_limits(meter) || meter->balance.ncaps > 0;
}

int64
quota_shown_allowance(const QuotaMeter *meter)
{
	const QuotaBucketState *bucket = &meter->balance.bucket;

	return quota_clamp((int128) allowance_of(bucket, meter->limits.allowance) + bucket->rolled_in +
					   bucket->counts.granted + grants_left(meter));
}

int64
quota_shown_use(const QuotaMeter *meter)
{
	return quota_add(quota_total(&meter->balance.bucket.counts), meter->balance.bucket.rolled_out, "use");
}

/* One pass through the sources in their order; returns what is still missing. */
static int64
take_in_order(QuotaMeter *meter, int64 amount, int64 caps_let)
{
	QuotaCounts *change = &meter->outcome.change;
	int64		deficit = meter->limits.unlimited ? 0 : quota_clamp(-allowance_balance(meter));
	int64		missing = amount;
	int64		here;

	here = meter->limits.counts_only ? missing : quota_allowance_left(meter) - change->used;
	here = Min(Min(here, missing), caps_let);
	change->used += here;
	caps_let -= here;
	missing -= here;
	for (int i = 0; i < meter->balance.ngrants; i++)
	{
		QuotaAccountGrant *grant = &meter->balance.grants[i];
		int64		covered = Min(deficit, grant_left(grant));

		deficit -= covered;
		here = Min(missing, grant_left(grant) - covered - grant->change);
		if (!grant->grant.beyond_caps)
		{
			here = Min(here, caps_let);
			caps_let -= here;
		}
		else
			meter->outcome.capped -= here;
		grant->change += here;
		change->granted += here;
		missing -= here;
	}
	here = meter->limits.overage_limit == PG_INT64_MAX ? missing :
		Max(overage_left(meter) - deficit, 0) - change->overage;
	here = Min(Min(here, missing), caps_let);
	change->overage += here;
	return missing - here;
}

void
quota_split(QuotaMeter *meter, int64 amount)
{
	int64		missing = amount;

	memset(&meter->outcome.change, 0, sizeof(meter->outcome.change));
	for (int i = 0; i < meter->balance.ngrants; i++)
		meter->balance.grants[i].change = 0;
	meter->outcome.capped = amount;
	if (!meter->limits.overdraw_only)
	{
		missing = take_in_order(meter, missing, caps_room(meter));
		if (missing > 0 && meter->balance.ncaps > 0)
			missing = take_in_order(meter, missing, PG_INT64_MAX);
	}
	meter->outcome.change.overdrawn = missing;
}

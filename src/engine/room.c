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

static int64
clamp(int128 value)
{
	return value <= 0 ? 0 : value >= PG_INT64_MAX ? PG_INT64_MAX : (int64) value;
}

int64
quota_total(const QuotaCounts *counts)
{
	return quota_add(quota_add(counts->used, counts->granted, "use"),
					 quota_add(counts->overage, counts->overdrawn, "use"), "use");
}

/* The allowance less what was taken of it; negative: a deficit. */
static int128
balance(const QuotaBucketRef *ref)
{
	const QuotaBucketState *state = &ref->state;
	int64		allowance = state->is_prorated ? state->prorated : ref->allowance;

	return (int128) allowance + state->rolled_in - state->rolled_out -
		state->counts.used - state->counts.overdrawn;
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

	for (int i = 0; i < ref->ngrants; i++)
		left += grant_left(&ref->grants[i]);
	return left;
}

static int64
overage_left(const QuotaBucketRef *ref)
{
	return Max(ref->overage_limit - ref->state.counts.overage, 0);
}

static bool
nothing_limits(const QuotaBucketRef *ref)
{
	return ref->unlimited || ref->overage_limit == PG_INT64_MAX;
}

int64
quota_allowance_left(const QuotaBucketRef *ref)
{
	return ref->unlimited ? PG_INT64_MAX : clamp(balance(ref));
}

int64
quota_bucket_room(const QuotaBucketRef *ref)
{
	int64		number = PG_INT64_MAX - quota_total(&ref->state.counts);

	if (nothing_limits(ref))
		return number;
	return Min(number, clamp(balance(ref) + grants_left(ref) + overage_left(ref)));
}

int64
quota_cap_room(const QuotaCapRef *cap)
{
	return Max(cap->ceiling - cap->used, 0);
}

int64
quota_room(const QuotaBucketRef *ref)
{
	int64		room = quota_bucket_room(ref);

	for (int i = 0; i < ref->ncaps; i++)
		room = Min(room, quota_cap_room(&ref->caps[i]));
	return room;
}

bool
quota_is_limited(const QuotaBucketRef *ref)
{
	return !nothing_limits(ref) || ref->ncaps > 0;
}

int64
quota_shown_allowance(const QuotaBucketRef *ref)
{
	const QuotaBucketState *state = &ref->state;
	int64		allowance = state->is_prorated ? state->prorated : ref->allowance;

	return clamp((int128) allowance + state->rolled_in + state->counts.granted + grants_left(ref));
}

int64
quota_shown_use(const QuotaBucketRef *ref)
{
	return quota_add(quota_total(&ref->state.counts), ref->state.rolled_out, "use");
}

void
quota_split(QuotaBucketRef *ref, int64 amount)
{
	QuotaCounts *change = &ref->change;
	int64		left = amount;
	int64		deficit;

	memset(change, 0, sizeof(*change));
	if (ref->overdraw_only)
	{
		change->overdrawn = amount;
		return;
	}
	change->used = ref->counts_only ? left : Min(left, quota_allowance_left(ref));
	left -= change->used;
	deficit = ref->unlimited ? 0 : clamp(-balance(ref));
	for (int i = 0; i < ref->ngrants; i++)
	{
		QuotaGrantRef *grant = &ref->grants[i];
		int64		available = grant_left(grant);
		int64		covered = Min(deficit, available);

		deficit -= covered;
		grant->change = Min(left, available - covered);
		change->granted += grant->change;
		left -= grant->change;
	}
	if (ref->overage_limit == PG_INT64_MAX)
		change->overage = left;
	else
		change->overage = Min(left, Max(overage_left(ref) - deficit, 0));
	change->overdrawn = left - change->overage;
}

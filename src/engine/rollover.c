/*-------------------------------------------------------------------------
 *
 * rollover.c
 *		What rolls over into a window.
 *
 * A window passes on what it has left, at most max.  A window without any use has
 * its whole allowance left and what rolled over into it, so after m of them it is
 * min(max, r + m * allowance): however long nothing happened, one multiplication.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "engine/rollover.h"
#include "engine/room.h"

/* What the window has left of its allowance; an unlimited one everything. */
static int64
left_of(const QuotaBucketState *state)
{
	if (state->unlimited && !state->is_prorated)
		return PG_INT64_MAX;
	return quota_clamp(quota_allowance_balance(state, state->allowance));
}

/* What is left after n windows without use. */
static int64
after_idle(const QuotaMeter *meter, int64 first, int64 n)
{
	int128		left = (int128) first + (int128) n * meter->limits.allowance;

	return left >= meter->limits.rollover_max ? meter->limits.rollover_max : (int64) left;
}

void
quota_rollover(const QuotaMeter *meter, const QuotaBucketRow *before, QuotaRollover *rollover)
{
	TimestampTz since = before ? before->key.end : meter->limits.idle_since;
	int64		nidle;

	memset(rollover, 0, sizeof(*rollover));
	if (before)
		rollover->out_of_before = Min(meter->limits.rollover_max, left_of(&before->state));
	if (TIMESTAMP_NOT_FINITE(since) || since >= meter->key.start)
	{
		rollover->into = rollover->out_of_before;
		return;
	}
	nidle = quota_series_window(&meter->limits.series, meter->key.start).number -
		quota_series_window(&meter->limits.series, since).number;
	rollover->into = after_idle(meter, rollover->out_of_before, nidle);
}

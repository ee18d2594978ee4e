/*-------------------------------------------------------------------------
 *
 * gcra.c
 *		The generic cell rate algorithm in exact integers.
 *
 * A unit takes per_us / limit microseconds, which is no whole number.  So the
 * backlog is reckoned in 1 / limit microseconds: a unit adds per_us to it, a
 * microsecond takes limit away, and the burst allows burst * per_us.  128 bits
 * hold the products of any two bigints.
 *
 * A call that is let through beyond the burst (observed) makes the backlog the
 * burst; the rest is forgotten.  Only the true count of work that is done makes it
 * more: that is a debt, and passes with time as any backlog does.  Another rate
 * with more than its burst begins afresh, or a better plan would first have to
 * wait for the old one's time.  The same rate also finds more with a smaller burst
 * or after the clock went back: what is used stays used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/gcra.h"

static bool
is_of_rate(const QuotaGcra *state, const QuotaRate *rate)
{
	return state->divisor == rate->limit && state->per_us == rate->per_us;
}

/* The backlog in 1 / limit microseconds; a fraction of another limit is rounded up. */
static int128
backlog(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now)
{
	int128		fraction = state->fraction;
	int128		sum;

	if (TIMESTAMP_IS_NOBEGIN(state->tat) || state->tat < now)
		return 0;
	if (state->divisor != rate->limit)
		fraction = (fraction * rate->limit + state->divisor - 1) / state->divisor;
	sum = ((int128) state->tat - now) * rate->limit + fraction;
	if (!is_of_rate(state, rate) && sum > (int128) rate->burst * rate->per_us)
		return 0;
	return sum;
}

int64
quota_gcra_available(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now)
{
	int128		room = (int128) rate->burst * rate->per_us - backlog(rate, state, now);

	return room <= 0 ? 0 : (int64) (room / rate->per_us);
}

static QuotaGcra
with_backlog(const QuotaRate *rate, TimestampTz now, int128 backlog)
{
	QuotaGcra	state;
	int128		tat = (int128) now + backlog / rate->limit;

	state.tat = (TimestampTz) Min(tat, END_TIMESTAMP);
	state.fraction = (int64) (backlog % rate->limit);
	state.divisor = rate->limit;
	state.per_us = rate->per_us;
	return state;
}

QuotaGcra
quota_gcra_take(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now, int64 n)
{
	int128		before = backlog(rate, state, now);
	int128		full = Max(before, (int128) rate->burst * rate->per_us);
	QuotaGcra	after;

	after = with_backlog(rate, now, Min(before + (int128) n * rate->per_us, full));
	if (after.tat >= END_TIMESTAMP)
		quota_raise_out_of_range("rate");
	return after;
}

QuotaGcra
quota_gcra_correct(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now, int64 n)
{
	int128		before = backlog(rate, state, now);
	QuotaGcra	corrected = with_backlog(rate, now, Max(before + (int128) n * rate->per_us, 0));

	/* it is a take that begins afresh with another rate */
	if (n < 0 && before == 0)
		return *state;
	/* work that is done is not refused: as far as time goes */
	if (corrected.tat >= END_TIMESTAMP)
		corrected.tat = END_TIMESTAMP - 1;
	return corrected;
}

QuotaGcra
quota_gcra_undo(const QuotaRate *rate, const QuotaGcra *state, const QuotaGcra *after,
				TimestampTz now, int64 n)
{
	int128		left = Min((int128) n * rate->per_us, backlog(rate, after, now));

	if (!is_of_rate(state, rate))
		return *state;
	return with_backlog(rate, now, Max(backlog(rate, state, now) - left, 0));
}

int64
quota_gcra_wait_us(const QuotaRate *rate, const QuotaGcra *state, TimestampTz now, int64 n)
{
	int128		excess;

	if (n > rate->burst)
		return -1;
	excess = backlog(rate, state, now) - (int128) (rate->burst - n) * rate->per_us;
	return excess <= 0 ? 0 : (int64) ((excess + rate->limit - 1) / rate->limit);
}

/*-------------------------------------------------------------------------
 *
 * lease_draw.c
 *		Whether a row leases more than it does, and how much.
 *
 * A lease lies between two thresholds that are told of: use without holds has reached
 * the one below, use with holds and all that is leased stays under the one above.  So no
 * session that takes from it has to ask whether it passes one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "engine/lease_draw.h"
#include "engine/room.h"
#include "store/lease.h"

#define FIRST_DRAW		256		/* times what is asked for */
#define LEAST_DRAW		4
/*
 * A draw lasts a second, or some times as long as it lately took from a draw to its
 * commit: the next one is made when half is left.
 */
#define DRAW_LASTS_US	USECS_PER_SEC
#define LASTS_COMMITS	4
/* so that the last units are not leased, but there for whoever comes */
#define SHARE_OF_ROOM	4

/* no threshold lies below: may_give goes up and down all the same, and never so far */
#define FAR				(PG_INT64_MAX / 2)

bool
quota_can_lease(const QuotaMeter *meter)
{
	return quota_leases_exist() && quota_leases_on() && !IsolationUsesXactSnapshot() &&
		!meter->limits.rate_only && !meter->limits.overdraw_only && meter->balance.ncaps == 0 &&
		meter->amount > 0;
}

QuotaLeaseTerms
quota_lease_terms(const QuotaMeter *meter)
{
	QuotaLeaseTerms terms = {
		.plan_version_id = meter->limits.plan_version_id,
		.unlimited = meter->limits.unlimited,
		.allowance = meter->limits.allowance,
		.overage_limit = meter->limits.overage_limit,
		.shown_allowance = quota_shown_allowance(meter)
	};

	return terms;
}

/* Overage comes last, and only where nothing can come before it does it stay so. */
bool
quota_leases_overage(const QuotaMeter *meter)
{
	return !meter->limits.unlimited && !meter->limits.counts_only &&
		quota_shown_allowance(meter) == 0 && meter->balance.ngrants == 0;
}

bool
quota_lease_is_source(const QuotaMeter *meter, bool overage)
{
	const QuotaCounts *change = &meter->outcome.change;

	return (overage ? change->overage : change->used) == meter->amount;
}

int64
quota_lease_source_left(const QuotaMeter *meter, const QuotaBucketState *row)
{
	int64		numbers = PG_INT64_MAX - quota_total(&row->counts) - row->rolled_out;

	if (quota_leases_overage(meter))
		return Min(numbers, Max(meter->limits.overage_limit - row->counts.overage, 0));
	return meter->limits.unlimited ? numbers :
		Min(numbers, quota_clamp(quota_allowance_balance(row, meter->limits.allowance)));
}

/*
 * Sets the thresholds around the account's use: how low and how high the lease may lie.
 * What others have in flight must not lie on both sides of one: false.
 */
static bool
set_gap(const QuotaMeter *meter, const QuotaBucketState *row, QuotaLeaseEntry *entry)
{
	const QuotaLines *lines = &meter->limits.lines;
	int128		allowance = quota_shown_allowance(meter);
	int64		most = quota_total(&row->counts) + row->rolled_out - (row->reserved + entry->held + entry->holding);
	int64		least = most - row->leased + entry->taken - entry->giving;

	entry->may_give = FAR;
	entry->ceiling = PG_INT64_MAX;
	for (int i = 0; i < lines->npercents + lines->nremainders && !meter->limits.unlimited; i++)
	{
		int128		line = i < lines->npercents ? (allowance * lines->percents[i] + 99) / 100 :
			allowance - lines->remainders[i - lines->npercents];

		if (line > most)
			entry->ceiling = Min(entry->ceiling, (int64) Min(line, PG_INT64_MAX));
		else if (line > least)
			return false;
		else
			entry->may_give = Min(entry->may_give, (int64) Min(least - line, FAR));
	}
	return true;
}

/* How much to draw if there is room for it: what was taken since the last draw says how fast. */
static int64
wish(const QuotaMeter *meter, const QuotaLeaseEntry *entry, TimestampTz now)
{
	int64		ask = Min(meter->amount, PG_INT64_MAX / FIRST_DRAW);
	int128		taken = quota_lease_spent(entry) - entry->spent_when_drawn;
	int64		lasts_us = Max(DRAW_LASTS_US, LASTS_COMMITS * entry->longest_us);

	if (quota_leases_eager())
		return Min(ask, PG_INT64_MAX / 2) * 2;
	if (entry->drawn == 0)
		return FIRST_DRAW * ask;
	return Max(quota_clamp(taken * lasts_us / Max(now - entry->drawn_at, 1000)), FIRST_DRAW * ask);
}

static int64
how_much(const QuotaMeter *meter, const QuotaBucketState *row, const QuotaLeaseEntry *entry,
		 TimestampTz now)
{
	int64		share = quota_leases_eager() ? 1 : SHARE_OF_ROOM;
	int64		least = quota_leases_eager() ? 1 : Min(meter->amount, PG_INT64_MAX / LEAST_DRAW) * LEAST_DRAW;
	int64		use = quota_total(&row->counts) + row->rolled_out;
	int64		most = quota_lease_source_left(meter, row) / share;

	/* what straddles one with its holds is beyond the ceiling already */
	if (entry->ceiling < PG_INT64_MAX)
		most = Min(most, entry->ceiling - 1 - use);
	most = Min(most, wish(meter, entry, now));
	return most < least ? 0 : most;
}

void
quota_lease_draw(const QuotaMeter *meter, QuotaBucketState *row)
{
	QuotaWindowKey window = meter->key;
	QuotaPlaceKey key = quota_lease_key(&window);
	QuotaLeaseEntry entry;
	QuotaLeaseShare nothing = {0};
	bool		found = quota_leases_read(&key, &entry) && entry.lease == row->lease_id && row->lease_id != 0;
	TimestampTz now = GetCurrentTimestamp();
	QuotaLeaseTerms terms = quota_lease_terms(meter);
	int64		n;

	if (!found)
		memset(&entry, 0, sizeof(entry));

	/*
	 * A lease that is over, was drawn under other terms, or has come below its threshold, is
	 * left to run out; and of the sessions that have queued for the row, the first has drawn
	 * for all.  The gap is that in which the lease was opened, as the draw may be undone.
	 */
	if ((row->lease_id != 0 && !found) ||
		(found && (entry.unknown || entry.may_give < 0 || !quota_same_lease_terms(&entry.terms, &terms) ||
				   quota_lease_recallable(&entry, &nothing, PG_INT64_MAX) >= entry.drawn / 2)))
		return;
	n = set_gap(meter, row, &entry) ? how_much(meter, row, &entry, now) : 0;
	if (n == 0)
		return;
	if (!found)
	{
		quota_lease_next(&entry.lease, &row->lease_since);
		entry.terms = terms;
		entry.opened_at = now;
		row->leases_overage = quota_leases_overage(meter);
		row->lease_id = entry.lease;
	}
	*quota_lease_count_of(row) += n;
	row->leased += n;
	entry.row = *row;
	entry.drawn = n;
	entry.drawn_at = now;
	if (found)
		quota_leases_draw(&key, &entry);
	else if (!quota_leases_open(&key, &entry))
	{
		*row = quota_lease_recalled(row, n);
		row->lease_id = row->lease_since = 0;
		row->leases_overage = false;
	}
}

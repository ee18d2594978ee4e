/*-------------------------------------------------------------------------
 *
 * lease_entry.c
 *		What shared memory knows of an account's lease: arithmetic.
 *
 * test/model/leases explores the same in every interleaving.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "shared/lease_entry.h"
#include "store/lease.h"

int64
quota_lease_spent(const QuotaLeaseEntry *entry)
{
	return entry->taken + entry->busy + entry->lost;
}

/* A recall takes its units away at once, a draw brings them with the commit. */
int64
quota_lease_left(const QuotaLeaseEntry *entry)
{
	return Max(Min(entry->row.leased, entry->wanted) - quota_lease_spent(entry), 0);
}

/* Use that is not leased, and a part of what is. */
static QuotaBucketState
without_lease(const QuotaBucketState *row, int64 spent, int64 held)
{
	QuotaBucketState state = *row;

	*quota_lease_count_of(&state) += spent - row->leased;
	state.reserved = Max(row->reserved + held, 0);
	state.leased = 0;
	state.lease_id = state.lease_since = 0;
	state.leases_overage = false;
	return state;
}

QuotaBucketState
quota_lease_seen(const QuotaLeaseEntry *entry, const QuotaBucketState *row,
				 const QuotaLeaseShare *own)
{
	return without_lease(row, quota_lease_spent(entry) - own->given,
						 entry->held + entry->holding - own->unheld);
}

bool
quota_lease_take(QuotaLeaseEntry *entry, int64 n, int64 held)
{
	if (entry->closing || quota_lease_left(entry) < n)
		return false;
	entry->busy += n;
	entry->holding += held;
	return true;
}

static int64
beside_lease(const QuotaBucketState *row)
{
	return (row->leases_overage ? row->counts.overage : row->counts.used) - row->leased;
}

void
quota_lease_sink(QuotaLeaseEntry *entry, const QuotaBucketState *row, int64 n)
{
	entry->floor = Min(entry->floor, beside_lease(row) - n);
}

/* Nobody, not even the giver, can take it again before that is certain. */
bool
quota_lease_give(QuotaLeaseEntry *entry, int64 n, int64 unheld, int64 spared)
{
	if (entry->closing || entry->taken - entry->giving + Min(entry->floor, 0) < n || entry->may_give < spared)
		return false;
	entry->giving += n;
	entry->may_give -= spared;
	if (unheld > 0)
		entry->settling++;
	return true;
}

void
quota_lease_commit(QuotaLeaseEntry *entry, const QuotaLeaseShare *share)
{
	entry->busy -= share->taken;
	entry->giving -= share->given;
	entry->taken += share->taken - share->given;
	entry->holding -= share->held;
	entry->held += share->held - share->unheld;
	entry->settling -= share->settled;
}

void
quota_lease_abort(QuotaLeaseEntry *entry, const QuotaLeaseShare *share)
{
	entry->busy -= share->taken;
	entry->giving -= share->given;
	entry->holding -= share->held;
	entry->settling -= share->settled;
	entry->may_give += share->spared;
}

/* Nobody will be told what becomes of it; so long it is taken, and not given back. */
void
quota_lease_prepare(QuotaLeaseEntry *entry, const QuotaLeaseShare *share)
{
	entry->busy -= share->taken;
	entry->lost += share->taken;
	entry->holding -= share->held;
	entry->held += share->held;
	entry->settling -= share->settled;
	entry->unknown = true;
}

QuotaLeaseWrite
quota_lease_write(QuotaLeaseEntry *entry, int64 wanted, bool closing, uint64 writer)
{
	QuotaLeaseWrite before = {entry->wanted, entry->writer, entry->closing};

	entry->wanted = wanted;
	entry->closing = closing;
	entry->writer = writer;
	return before;
}

bool
quota_lease_publish(QuotaLeaseEntry *entry, uint64 writer, const QuotaBucketState *row,
					TimestampTz now)
{
	if (entry->writer != writer)
		return false;
	if (row->leased > entry->row.leased)
		entry->longest_us = Max(now - entry->drawn_at, entry->longest_us - entry->longest_us / 8);
	entry->row = *row;
	entry->floor = beside_lease(row);
	entry->wanted = row->leased;
	entry->writer = 0;
	return entry->closing;
}

void
quota_lease_unwrite(QuotaLeaseEntry *entry, uint64 writer, const QuotaLeaseWrite *before)
{
	if (entry->writer != writer)
		return;
	entry->wanted = before->wanted;
	entry->closing = before->closing;
	entry->writer = before->writer;
}

bool
quota_lease_read_over(QuotaLeaseEntry *entry, const QuotaBucketState *row)
{
	if (entry->lease != row->lease_id)
		return false;
	entry->row = *row;
	entry->floor = beside_lease(row);
	entry->wanted = row->leased;
	entry->closing = false;
	entry->writer = 0;
	return true;
}

int64
quota_lease_recallable(const QuotaLeaseEntry *entry, const QuotaLeaseShare *own, int64 n)
{
	return Min(n, Max(entry->wanted - quota_lease_spent(entry) + own->given, 0));
}

bool
quota_lease_is_quiet(const QuotaLeaseEntry *entry, const QuotaLeaseShare *own)
{
	return entry->busy == own->taken && entry->giving == own->given &&
		entry->settling == own->settled && !entry->unknown;
}

QuotaBucketState
quota_lease_closed(const QuotaLeaseEntry *entry, const QuotaBucketState *row,
				   const QuotaLeaseShare *own)
{
	return without_lease(row, entry->taken + own->taken - own->given,
						 entry->held + own->held - own->unheld);
}

QuotaBucketState
quota_lease_sure(const QuotaLeaseEntry *entry, const QuotaBucketState *row,
				 const QuotaLeaseShare *own)
{
	return without_lease(row, entry->taken - entry->giving + own->taken,
						 entry->held + own->held - own->unheld);
}

QuotaBucketState
quota_lease_recalled(const QuotaBucketState *row, int64 n)
{
	QuotaBucketState state = *row;

	*quota_lease_count_of(&state) -= n;
	state.leased -= n;
	return state;
}

bool
quota_same_lease_terms(const QuotaLeaseTerms *a, const QuotaLeaseTerms *b)
{
	return a->plan_version_id == b->plan_version_id && a->unlimited == b->unlimited &&
		a->allowance == b->allowance && a->overage_limit == b->overage_limit &&
		a->shown_allowance == b->shown_allowance;
}

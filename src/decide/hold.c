/*-------------------------------------------------------------------------
 *
 * hold.c
 *		Holds: room reserved for work whose cost is not yet known; extending them.
 *
 * Everything that a hold has taken is in the ledger under its id.  What it still
 * has is counted as used, and as reserved, in its buckets until it is closed or
 * expires.  Readers leave out what expired holds have, and the next charge of the
 * account gives it back (engine), or the call that closes the hold does (settle.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "base/errors.h"
#include "base/settings.h"
#include "decide/open_hold.h"

/* More of the hold, as any charge; what it took from is noted under its id. */
static void
grow(QuotaOpenHold *hold, int64 amount)
{
	QuotaItem	item = {0};
	QuotaReservation reserve = {
		.ttl_us = hold->row.ttl_us,
		.hold_id = hold->row.id,
		.expires_at = hold->row.expires_at,
		.levels = hold->debit.entries[0].levels
	};
	QuotaRequest request = {
		.subject = hold->debit.subject,
		.items = &item,
		.nitems = 1,
		.on_refusal = QUOTA_RAISE,
		.reserve = &reserve
	};

	item.feature = hold->debit.feature->name;
	item.amount = amount;
	quota_charge(&request);
	/* observed where nothing is entitled any more: nothing was charged */
	hold->row.reserved = quota_add(hold->row.reserved, item.charged, "amount");
	quota_hold_read(hold);
}

/*
 * All its parts expire when the hold does.  One that is gone has expired by
 * somebody's clock, and what it had may be anybody's by now.
 */
static void
extend_parts(const QuotaOpenHold *hold, TimestampTz was)
{
	QuotaWindowKey keys[QUOTA_MAX_LEVELS];
	int			n = quota_hold_accounts(hold, keys, NULL);

	for (int i = 0; i < n; i++)
	{
		if (!quota_hold_part_extend(&keys[i].account, hold->row.id, was, hold->row.expires_at))
			quota_raise_hold_closed(hold->row.id, "has expired");
	}
	CommandCounterIncrement();
}

void
quota_hold_extend(int64 id, int64 ttl_us, int64 amount, QuotaHoldOutcome *outcome)
{
	QuotaOpenHold hold;
	TimestampTz was;
	int64		less = 0;

	memset(outcome, 0, sizeof(*outcome));
	quota_open_hold(id, &hold);
	was = hold.row.expires_at;
	if (hold.expired || hold.row.expiry_seen)
		quota_raise_hold_closed(id, "has expired");
	if (ttl_us > 0)
		hold.row.ttl_us = ttl_us;
	hold.row.expires_at = quota_hold_expiry(quota_clock_now(), hold.row.ttl_us);
	/* first, so that it does not expire while it grows */
	extend_parts(&hold, was);
	if (amount > hold.row.reserved)
		grow(&hold, amount - hold.row.reserved);
	else if (amount > 0 && amount < hold.row.reserved)
	{
		less = hold.row.reserved - amount;
		quota_hold_give(&hold, QUOTA_GIVE_AMOUNT, less, QUOTA_UNRESERVE_GIVEN, QUOTA_ENTRY_RELEASE,
						NULL, true);
		hold.row.reserved = amount;
	}
	quota_hold_update(&hold.row);
	outcome->reserved = hold.row.reserved;
	outcome->expires_at = hold.row.expires_at;
	quota_hold_correct_rates(&hold, QUOTA_GIVE_AMOUNT, less, &outcome->verdict);
}

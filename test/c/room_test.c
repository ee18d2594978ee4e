#include "unit.h"

#include "engine/room.h"

#define MOST PG_INT64_MAX

/* An account with what the engine would have read. */
typedef struct Account
{
	QuotaMeter	meter;
	QuotaAccountGrant grants[3];
	QuotaAccountCap caps[2];
} Account;

static void
limit(Account *account, int64 allowance, int64 overage)
{
	memset(account, 0, sizeof(*account));
	account->meter.limits.allowance = allowance;
	account->meter.limits.overage_limit = overage;
	account->meter.balance.grants = account->grants;
	account->meter.balance.caps = account->caps;
}

static void
add_grant(Account *account, int64 amount, int64 used, bool beyond_caps)
{
	QuotaAccountGrant *grant = &account->grants[account->meter.balance.ngrants++];

	grant->grant.amount = amount;
	grant->grant.beyond_caps = beyond_caps;
	grant->used = used;
}

static void
add_cap(Account *account, int64 ceiling, int64 used)
{
	QuotaAccountCap *cap = &account->caps[account->meter.balance.ncaps++];

	cap->ceiling = ceiling;
	cap->used = used;
}

/* What a split of the amount takes from where. */
#define EXPECT_SPLIT(account, amount, allowance, grants, sold, beyond) \
	do { \
		const QuotaCounts *change_ = &(account)->meter.outcome.change; \
		quota_split(&(account)->meter, (amount)); \
		EXPECT_INT(change_->used, allowance); \
		EXPECT_INT(change_->granted, grants); \
		EXPECT_INT(change_->overage, sold); \
		EXPECT_INT(change_->overdrawn, beyond); \
	} while (0)

static void
allowance_grants_overage(void)
{
	Account		account;

	limit(&account, 10, 5);
	account.meter.balance.bucket.counts.used = 4;
	add_grant(&account, 8, 3, false);
	add_grant(&account, 3, 0, false);
	EXPECT_INT(quota_room(&account.meter), 19);
	EXPECT_INT(quota_allowance_left(&account.meter), 6);
	EXPECT_SPLIT(&account, 6, 6, 0, 0, 0);
	EXPECT_SPLIT(&account, 12, 6, 6, 0, 0);
	EXPECT_INT(account.grants[0].change, 5);
	EXPECT_INT(account.grants[1].change, 1);
	EXPECT_SPLIT(&account, 19, 6, 8, 5, 0);
	EXPECT_SPLIT(&account, 20, 6, 8, 5, 1);
	EXPECT_INT(account.meter.outcome.capped, 20);
	/* each split begins anew */
	EXPECT_SPLIT(&account, 1, 1, 0, 0, 0);
	EXPECT_INT(account.grants[0].change, 0);
}

static void
a_deficit_is_covered_first(void)
{
	Account		account;

	/* 5 beyond the allowance: the first grant and 2 of the second cover it */
	limit(&account, 10, 5);
	account.meter.balance.bucket.counts.used = 8;
	account.meter.balance.bucket.counts.overdrawn = 7;
	add_grant(&account, 3, 0, false);
	add_grant(&account, 4, 0, false);
	EXPECT_INT(quota_allowance_left(&account.meter), 0);
	EXPECT_INT(quota_room(&account.meter), 7);
	EXPECT_SPLIT(&account, 3, 0, 2, 1, 0);
	EXPECT_INT(account.grants[0].change, 0);
	EXPECT_INT(account.grants[1].change, 2);
	EXPECT_SPLIT(&account, 8, 0, 2, 5, 1);
	/* more than the grants: overage covers the rest */
	account.meter.balance.bucket.counts.overdrawn = 12;
	EXPECT_INT(quota_room(&account.meter), 2);
	EXPECT_SPLIT(&account, 3, 0, 0, 2, 1);
	/* more than there is: no room, not less than none */
	account.meter.balance.bucket.counts.overdrawn = 100;
	EXPECT_INT(quota_room(&account.meter), 0);
	EXPECT_SPLIT(&account, 1, 0, 0, 0, 1);
	/* a limit that was lowered leaves one as well; sold is sold */
	limit(&account, 1, 5);
	account.meter.balance.bucket.counts.used = 4;
	account.meter.balance.bucket.counts.overage = 1;
	EXPECT_INT(quota_room(&account.meter), 1);
}

static void
what_caps_let_through(void)
{
	Account		account;

	limit(&account, 10, 5);
	add_cap(&account, 9, 2);
	add_cap(&account, 3, 0);
	EXPECT_INT(quota_room(&account.meter), 3);
	EXPECT_INT(quota_room_before_caps(&account.meter), 15);
	EXPECT_SPLIT(&account, 3, 3, 0, 0, 0);
	/* what is taken all the same comes from the same sources, and counts */
	EXPECT_SPLIT(&account, 5, 5, 0, 0, 0);
	EXPECT_INT(account.meter.outcome.capped, 5);
	EXPECT_SPLIT(&account, 16, 10, 0, 5, 1);
	/* a cap that is over its limit is no debt */
	account.caps[1].used = 100;
	EXPECT_INT(quota_cap_room(&account.caps[1]), 0);
	EXPECT_INT(quota_room(&account.meter), 0);
}

static void
grants_beyond_caps(void)
{
	Account		account;

	limit(&account, 10, 0);
	add_cap(&account, 3, 0);
	add_grant(&account, 4, 0, true);
	EXPECT_INT(quota_room(&account.meter), 7);
	EXPECT_INT(quota_room_before_caps(&account.meter), 10);
	EXPECT_SPLIT(&account, 6, 3, 3, 0, 0);
	EXPECT_INT(account.meter.outcome.capped, 3);
	EXPECT_SPLIT(&account, 8, 4, 4, 0, 0);
	EXPECT_INT(account.meter.outcome.capped, 4);
	/* an ordinary grant is stopped, the one behind it is not */
	limit(&account, 0, 0);
	add_cap(&account, 3, 0);
	add_grant(&account, 5, 0, false);
	add_grant(&account, 4, 0, true);
	EXPECT_INT(quota_room(&account.meter), 7);
	EXPECT_SPLIT(&account, 7, 0, 7, 0, 0);
	EXPECT_INT(account.grants[0].change, 3);
	EXPECT_INT(account.grants[1].change, 4);
	EXPECT_INT(account.meter.outcome.capped, 3);
	/* what covers a deficit gives nothing */
	account.meter.balance.bucket.counts.overdrawn = 7;
	EXPECT_INT(quota_room(&account.meter), 2);
}

static void
what_has_no_limit(void)
{
	Account		account;

	limit(&account, 0, 0);
	account.meter.limits.unlimited = true;
	account.meter.balance.bucket.counts.used = 7;
	EXPECT_TRUE(!quota_is_limited(&account.meter));
	EXPECT_INT(quota_room(&account.meter), MOST - 7);
	EXPECT_SPLIT(&account, MOST - 7, MOST - 7, 0, 0, 0);
	/* overage without limit comes after everything else */
	limit(&account, 10, MOST);
	add_grant(&account, 3, 0, false);
	EXPECT_TRUE(!quota_is_limited(&account.meter));
	EXPECT_SPLIT(&account, 20, 10, 3, 7, 0);
	/* a cap limits either */
	add_cap(&account, 12, 0);
	EXPECT_TRUE(quota_is_limited(&account.meter));
	EXPECT_INT(quota_room(&account.meter), 12);
	EXPECT_SPLIT(&account, 20, 10, 3, 7, 0);
}

static void
accounts_of_their_own_kind(void)
{
	Account		account;

	/* a capacity counts all that there is */
	limit(&account, 10, 0);
	account.meter.limits.counts_only = true;
	account.meter.balance.bucket.counts.used = 8;
	EXPECT_INT(quota_room(&account.meter), 2);
	EXPECT_SPLIT(&account, 5, 5, 0, 0, 0);
	/* where there is no account any more, nothing gives */
	limit(&account, 10, 5);
	account.meter.limits.overdraw_only = true;
	EXPECT_SPLIT(&account, 5, 0, 0, 0, 5);
}

static void
what_is_shown(void)
{
	Account		account;
	QuotaBucketState *bucket = &account.meter.balance.bucket;

	limit(&account, 10, 5);
	bucket->rolled_in = 3;
	bucket->rolled_out = 2;
	bucket->counts = (QuotaCounts) {.used = 4,.granted = 6,.overage = 1,.overdrawn = 0};
	add_grant(&account, 9, 7, false);
	EXPECT_INT(quota_shown_allowance(&account.meter), 10 + 3 + 6 + 2);
	EXPECT_INT(quota_shown_use(&account.meter), 11 + 2);
	EXPECT_INT(quota_allowance_left(&account.meter), 7);
	/* the share of a change of plan is the limit */
	bucket->is_prorated = true;
	bucket->prorated = 6;
	EXPECT_INT(quota_shown_allowance(&account.meter), 6 + 3 + 6 + 2);
	EXPECT_INT(quota_allowance_left(&account.meter), 3);
}

static void
up_to_the_largest_number(void)
{
	Account		account;
	QuotaBucketState *bucket = &account.meter.balance.bucket;

	limit(&account, MOST, 0);
	bucket->rolled_in = MOST;
	add_grant(&account, MOST, 0, false);
	add_grant(&account, MOST, 0, true);
	EXPECT_INT(quota_allowance_left(&account.meter), MOST);
	EXPECT_INT(quota_shown_allowance(&account.meter), MOST);
	EXPECT_INT(quota_room(&account.meter), MOST);
	EXPECT_SPLIT(&account, MOST, MOST, 0, 0, 0);
	/* no more than the counts can hold */
	bucket->counts.used = MOST - 1;
	EXPECT_INT(quota_room(&account.meter), 1);
	bucket->counts.used = MOST;
	EXPECT_INT(quota_room(&account.meter), 0);
	bucket->counts.granted = 1;
	EXPECT_ERROR(quota_total(&bucket->counts), ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE);
	/* a deficit can be larger than any number */
	limit(&account, 0, MOST - 1);
	bucket->counts.used = MOST;
	bucket->rolled_out = MOST;
	EXPECT_INT(quota_allowance_left(&account.meter), 0);
	EXPECT_ERROR(quota_shown_use(&account.meter), ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE);
	EXPECT_INT(quota_clamp(quota_allowance_balance(bucket, 0)), 0);
	EXPECT_INT(quota_clamp(-quota_allowance_balance(bucket, 0)), MOST);
}

const UnitCase room_cases[] = {
	{"allowance, then grants in their order, then overage", allowance_grants_overage},
	{"a deficit is covered first, and burns nothing", a_deficit_is_covered_first},
	{"caps stop what they count", what_caps_let_through},
	{"grants beyond caps", grants_beyond_caps},
	{"what has no limit, and what limits it nevertheless", what_has_no_limit},
	{"a capacity, and an account that is none any more", accounts_of_their_own_kind},
	{"what is shown", what_is_shown},
	{"up to 2^63 - 1", up_to_the_largest_number},
	{NULL}
};

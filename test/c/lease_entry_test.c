#include "unit.h"

#include "shared/lease_entry.h"

static const QuotaLeaseShare others = {0};

/* Of 100 used in the row 40 are leased, of which 10 have been taken. */
static QuotaLeaseEntry
forty_leased(void)
{
	QuotaLeaseEntry entry = {
		.lease = 7,
		.row = {.counts.used = 100,.lease_id = 7,.leased = 40},
		.wanted = 40,
		.taken = 10,
		.may_give = 1000
	};

	return entry;
}

static QuotaLeaseEntry
after_take(int64 n)
{
	QuotaLeaseEntry entry = forty_leased();

	EXPECT_TRUE(quota_lease_take(&entry, n, 0));
	return entry;
}

static QuotaBucketState
row_with(int64 used, int64 leased)
{
	QuotaBucketState row = {.counts.used = used,.lease_id = 7,.leased = leased};

	return row;
}

static void
takes_what_is_left(void)
{
	QuotaLeaseEntry entry = forty_leased();

	EXPECT_INT(quota_lease_left(&entry), 30);
	EXPECT_TRUE(!quota_lease_take(&entry, 31, 0));
	EXPECT_INT(quota_lease_left(&entry), 30);
	EXPECT_TRUE(quota_lease_take(&entry, 30, 0));
	EXPECT_INT(quota_lease_left(&entry), 0);
	EXPECT_TRUE(!quota_lease_take(&entry, 1, 0));
}

static void
an_abort_brings_back_and_a_commit_does_not(void)
{
	QuotaLeaseEntry entry = after_take(20);
	QuotaLeaseShare share = {.taken = 20};

	quota_lease_abort(&entry, &share);
	EXPECT_INT(quota_lease_left(&entry), 30);
	EXPECT_TRUE(quota_lease_take(&entry, 20, 0));
	quota_lease_commit(&entry, &share);
	EXPECT_INT(quota_lease_left(&entry), 10);
	EXPECT_INT(entry.taken, 30);
	EXPECT_INT(entry.busy, 0);
}

static void
what_a_prepared_transaction_took_stays_taken(void)
{
	QuotaLeaseEntry entry = after_take(20);
	QuotaLeaseShare share = {.taken = 20};
	QuotaLeaseShare none = {0};

	quota_lease_prepare(&entry, &share);
	EXPECT_INT(quota_lease_left(&entry), 10);
	EXPECT_TRUE(entry.unknown);
	/* it may be rolled back: nobody may refund it */
	EXPECT_TRUE(!quota_lease_give(&entry, 11, 0, 11));
	EXPECT_TRUE(!quota_lease_is_quiet(&entry, &none));
}

static void
what_is_given_back_is_there_after_the_commit(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseShare none = {0};
	QuotaLeaseShare share = {.given = 4,.spared = 4};

	EXPECT_TRUE(quota_lease_give(&entry, 4, 0, 4));
	EXPECT_INT(quota_lease_left(&entry), 30);
	EXPECT_TRUE(!quota_lease_is_quiet(&entry, &none));
	EXPECT_TRUE(quota_lease_is_quiet(&entry, &share));
	quota_lease_commit(&entry, &share);
	EXPECT_INT(quota_lease_left(&entry), 34);
	EXPECT_INT(entry.may_give, 996);
}

static void
a_refund_that_is_undone_gives_nothing(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseShare share = {.given = 4,.spared = 4};

	EXPECT_TRUE(quota_lease_give(&entry, 4, 0, 4));
	quota_lease_abort(&entry, &share);
	EXPECT_INT(quota_lease_left(&entry), 30);
	EXPECT_INT(entry.may_give, 1000);
	EXPECT_INT(entry.giving, 0);
}

static void
a_prepared_refund_gives_nothing_yet(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseShare share = {.given = 4,.spared = 4};

	EXPECT_TRUE(quota_lease_give(&entry, 4, 0, 4));
	quota_lease_prepare(&entry, &share);
	EXPECT_INT(quota_lease_left(&entry), 30);
	EXPECT_INT(entry.giving, 4);
	EXPECT_TRUE(!quota_lease_give(&entry, 7, 0, 7));
}

static void
gives_no_more_than_was_taken(void)
{
	QuotaLeaseEntry entry = after_take(20);

	EXPECT_TRUE(!quota_lease_give(&entry, 11, 0, 11));
	EXPECT_TRUE(quota_lease_give(&entry, 6, 0, 6));
	EXPECT_TRUE(!quota_lease_give(&entry, 5, 0, 5));
	EXPECT_TRUE(quota_lease_give(&entry, 4, 0, 4));
}

/* More can be refunded than is used, where support has said that less was. */
static void
gives_nothing_that_the_row_gives(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaBucketState row = entry.row;

	entry.floor = 60;
	quota_lease_sink(&entry, &row, 64);
	quota_lease_sink(&entry, &row, 0);
	EXPECT_TRUE(!quota_lease_give(&entry, 7, 0, 7));
	EXPECT_TRUE(quota_lease_give(&entry, 6, 0, 6));
	row.counts.used = 42;
	EXPECT_TRUE(quota_lease_read_over(&entry, &row));
	EXPECT_TRUE(!quota_lease_give(&entry, 5, 0, 5));
	EXPECT_TRUE(quota_lease_give(&entry, 4, 0, 4));
}

static void
gives_down_to_a_threshold_and_not_below(void)
{
	QuotaLeaseEntry entry = forty_leased();

	entry.may_give = 5;
	EXPECT_TRUE(!quota_lease_give(&entry, 6, 0, 6));
	EXPECT_TRUE(quota_lease_give(&entry, 6, 6, 0));
	EXPECT_TRUE(quota_lease_give(&entry, 4, 0, 4));
	EXPECT_INT(entry.may_give, 1);
}

static void
a_hold_is_reserved_until_it_is_settled(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseShare reserves = {.taken = 8,.held = 8};
	QuotaLeaseShare settles = {.given = 3,.unheld = 8,.settled = 1};

	EXPECT_TRUE(quota_lease_take(&entry, 8, 8));
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).reserved, 8);
	quota_lease_commit(&entry, &reserves);
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).reserved, 8);
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).counts.used, 78);
	EXPECT_TRUE(quota_lease_give(&entry, 3, 8, 0));
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).reserved, 8);
	quota_lease_commit(&entry, &settles);
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).reserved, 0);
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).counts.used, 75);
}

/* what a hold keeps becomes use only now, which a threshold may lie below */
static void
a_settle_that_keeps_all_is_in_flight(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseShare none = {0};
	QuotaLeaseShare settles = {.unheld = 8,.settled = 1};

	EXPECT_TRUE(quota_lease_give(&entry, 0, 8, 0));
	EXPECT_TRUE(!quota_lease_is_quiet(&entry, &none));
	EXPECT_TRUE(quota_lease_is_quiet(&entry, &settles));
	quota_lease_commit(&entry, &settles);
	EXPECT_TRUE(quota_lease_is_quiet(&entry, &none));
}

static void
a_draw_is_there_after_the_commit(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaBucketState more = row_with(160, 100);

	(void) quota_lease_write(&entry, 100, false, 1);
	EXPECT_INT(quota_lease_left(&entry), 30);
	EXPECT_TRUE(!quota_lease_publish(&entry, 1, &more, 0));
	EXPECT_INT(quota_lease_left(&entry), 90);
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).counts.used, 70);
}

static void
a_recall_takes_away_at_once(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseShare none = {0};
	QuotaLeaseWrite before;

	EXPECT_INT(quota_lease_recallable(&entry, &none, 12), 12);
	EXPECT_INT(quota_lease_recallable(&entry, &none, PG_INT64_MAX), 30);
	before = quota_lease_write(&entry, 28, false, 1);
	EXPECT_INT(quota_lease_left(&entry), 18);
	quota_lease_unwrite(&entry, 1, &before);
	EXPECT_INT(quota_lease_left(&entry), 30);
}

static void
ones_own_draw_and_refund_are_room_for_oneself(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseShare own = {.given = 4};

	(void) quota_lease_write(&entry, 50, false, 1);
	EXPECT_TRUE(quota_lease_give(&entry, 4, 0, 4));
	EXPECT_INT(quota_lease_recallable(&entry, &own, PG_INT64_MAX), 44);
}

static void
a_savepoint_puts_back_what_was_written_before_it(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseWrite first = quota_lease_write(&entry, 60, false, 1);
	QuotaLeaseWrite second = quota_lease_write(&entry, 0, true, 2);

	EXPECT_TRUE(!quota_lease_take(&entry, 1, 0));
	quota_lease_unwrite(&entry, 2, &second);
	EXPECT_INT(entry.wanted, 60);
	EXPECT_INT(entry.writer, 1);
	EXPECT_TRUE(!entry.closing);
	quota_lease_unwrite(&entry, 1, &first);
	EXPECT_INT(entry.wanted, 40);
	EXPECT_INT(entry.writer, 0);
}

static void
a_late_callback_finds_another_writer(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaLeaseWrite before = quota_lease_write(&entry, 0, true, 1);
	QuotaBucketState row = row_with(90, 20);

	EXPECT_TRUE(quota_lease_read_over(&entry, &row));
	(void) quota_lease_write(&entry, 50, false, 2);
	EXPECT_TRUE(!quota_lease_publish(&entry, 1, &row, 0));
	quota_lease_unwrite(&entry, 1, &before);
	EXPECT_INT(entry.wanted, 50);
	EXPECT_INT(entry.writer, 2);
}

static void
the_locked_row_is_read_over_what_was_written(void)
{
	QuotaLeaseEntry entry = forty_leased();
	QuotaBucketState row = row_with(95, 35);
	QuotaBucketState other = {.counts.used = 95,.lease_id = 8,.leased = 35};

	(void) quota_lease_write(&entry, 0, true, 1);
	EXPECT_TRUE(quota_lease_read_over(&entry, &row));
	EXPECT_INT(quota_lease_left(&entry), 25);
	EXPECT_TRUE(!entry.closing);
	EXPECT_TRUE(!quota_lease_read_over(&entry, &other));
}

static void
a_closed_lease_gives_and_takes_nothing(void)
{
	QuotaLeaseEntry entry = forty_leased();

	(void) quota_lease_write(&entry, 40, true, 1);
	EXPECT_TRUE(!quota_lease_take(&entry, 1, 0));
	EXPECT_TRUE(!quota_lease_give(&entry, 1, 0, 1));
}

static void
closing_leaves_what_was_taken(void)
{
	QuotaLeaseEntry entry = after_take(6);
	QuotaLeaseShare none = {0};
	QuotaLeaseShare own = {.taken = 6,.held = 2};
	QuotaBucketState closed;

	entry.held = 5;
	entry.row.reserved = -1;
	EXPECT_TRUE(!quota_lease_is_quiet(&entry, &none));
	EXPECT_TRUE(quota_lease_is_quiet(&entry, &own));
	closed = quota_lease_closed(&entry, &entry.row, &own);
	EXPECT_INT(closed.counts.used, 76);
	EXPECT_INT(closed.reserved, 6);
	EXPECT_INT(closed.leased, 0);
	EXPECT_INT(closed.lease_id, 0);
}

static void
what_is_sure_counts_no_take_in_flight_but_every_refund(void)
{
	QuotaLeaseEntry entry = after_take(6);
	QuotaLeaseShare none = {0};
	QuotaLeaseShare own = {.taken = 6};

	EXPECT_TRUE(quota_lease_give(&entry, 3, 0, 3));
	EXPECT_INT(quota_lease_sure(&entry, &entry.row, &none).counts.used, 67);
	EXPECT_INT(quota_lease_sure(&entry, &entry.row, &own).counts.used, 73);
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).counts.used, 76);
}

static void
overage_can_be_what_is_leased(void)
{
	QuotaLeaseEntry entry = forty_leased();

	entry.row.leases_overage = true;
	entry.row.counts.overage = 60;
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).counts.overage, 30);
	EXPECT_INT(quota_lease_seen(&entry, &entry.row, &others).counts.used, 100);
	EXPECT_INT(quota_lease_recalled(&entry.row, 5).counts.overage, 55);
}

static void
terms_are_the_same_or_of_no_use(void)
{
	QuotaLeaseTerms a = {1, false, 100, 5, 120};
	QuotaLeaseTerms b = a;

	EXPECT_TRUE(quota_same_lease_terms(&a, &b));
	b.shown_allowance = 121;
	EXPECT_TRUE(!quota_same_lease_terms(&a, &b));
	b = a;
	b.plan_version_id = 2;
	EXPECT_TRUE(!quota_same_lease_terms(&a, &b));
}

const UnitCase lease_entry_cases[] = {
	{"a lease gives what is left of it and no more", takes_what_is_left},
	{"an abort brings back what was taken, a commit does not", an_abort_brings_back_and_a_commit_does_not},
	{"what a prepared transaction took stays taken", what_a_prepared_transaction_took_stays_taken},
	{"what is given back can be taken after the commit", what_is_given_back_is_there_after_the_commit},
	{"a refund that is undone gives nothing", a_refund_that_is_undone_gives_nothing},
	{"a prepared refund gives nothing yet", a_prepared_refund_gives_nothing_yet},
	{"a lease gets back no more than was taken", gives_no_more_than_was_taken},
	{"nor what the row is about to give", gives_nothing_that_the_row_gives},
	{"debits are given back down to a threshold, holds below it", gives_down_to_a_threshold_and_not_below},
	{"a hold is reserved until its settle has committed", a_hold_is_reserved_until_it_is_settled},
	{"a settle that keeps all is in flight", a_settle_that_keeps_all_is_in_flight},
	{"a draw is there after the commit", a_draw_is_there_after_the_commit},
	{"a recall takes away at once, and comes back when it is undone", a_recall_takes_away_at_once},
	{"one's own draw and refund are room for oneself", ones_own_draw_and_refund_are_room_for_oneself},
	{"a savepoint puts back what was written before it", a_savepoint_puts_back_what_was_written_before_it},
	{"a late callback finds another writer", a_late_callback_finds_another_writer},
	{"the locked row is read over what a writer said", the_locked_row_is_read_over_what_was_written},
	{"a lease that is closing gives and takes nothing", a_closed_lease_gives_and_takes_nothing},
	{"closing leaves what was taken, one's own included", closing_leaves_what_was_taken},
	{"what is sure counts no take in flight, but every refund", what_is_sure_counts_no_take_in_flight_but_every_refund},
	{"overage can be what is leased", overage_can_be_what_is_leased},
	{"other terms are of no use", terms_are_the_same_or_of_no_use},
	{NULL}
};

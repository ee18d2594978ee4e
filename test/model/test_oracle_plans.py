"""The oracle by examples computed by hand: overage, rollover, caps, changes of plan, grace."""

import pytest
from oracle.times import HOUR
from story import Story, day, metered


def test_overage_is_taken_last_and_counts_as_used():
    story = Story(metered(10, overage={"limit": 5}))
    story.debit(12)
    assert story.numbers() == (10, 12, 3)
    assert story.status("overage") == 2
    assert story.take(4) == "quota_exceeded"
    assert story.check("retry_after", amount=15) is not None  # fits allowance + overage of a new month
    assert story.check("retry_after", amount=16) is None


def test_overage_without_limit_does_not_bind():
    story = Story(metered(10, overage=True))
    story.debit(1000)
    assert story.numbers() == (10, 1000, None)
    assert story.status("overage") == 990


def test_rollover_adds_up_to_the_max():
    story = Story(metered(10, rollover={"max": 15}))
    story.debit(4)
    story.at("2024-02-01")
    assert story.numbers() == (16, 0, 16)
    story.debit(1)
    story.at("2024-03-01")
    assert story.numbers() == (25, 0, 25)  # min(15, 16 - 1)
    story.at("2034-03-01")
    assert story.numbers() == (25, 0, 25)


def test_rollover_is_fixed_by_the_first_charge_and_used_where_it_left():
    story = Story(metered(10, rollover={"max": 6}))
    first = story.debit(9)
    story.at("2024-02-01")
    assert story.left() == 11
    story.one("refund", id=first, amount=2)
    assert story.left() == 13
    story.debit(1)
    story.one("refund", id=first)
    assert story.left() == 12  # fixed at 3
    story.at("2024-01-31")
    assert story.numbers() == (13, 1, 12)  # January is closed


def test_idle_periods_count_from_the_start_or_the_first_charge():
    story = Story(metered(10, rollover={"max": 100}), metered(10, rollover={"max": 100}))
    assert story.left() == 10
    story.at("2024-06-15")
    assert story.left() == 10  # nobody knows the subject before its first charge
    story.debit(10)
    story.at("2024-09-15")
    assert story.left() == 30  # July, August, September
    story.one("subscribe", "beta", plan="pro", starts_at=day("2024-05-20"))
    assert story.left("beta") == 50  # May to September


def test_what_was_charged_before_rollover_came_rolls_nothing_in():
    story = Story(metered(10))
    story.debit(1)
    story.at("2024-02-02")
    story.debit(1)
    story.catalog(metered(10, rollover={"max": 100}))
    assert story.numbers() == (10, 1, 9)
    story.at("2024-03-02")
    assert story.numbers() == (19, 0, 19)


def test_a_fixed_cap_binds_beside_the_month():
    story = Story(metered(100, caps=[{"limit": 10, "per": "day"}]))
    first = story.debit(10)
    assert story.numbers() == (100, 10, 0)
    assert story.check("resets_at") == day("2024-01-11")
    assert story.check("retry_after") == 12 * HOUR
    assert story.check("retry_after", amount=11) is None
    story.at("2024-01-11T01:00")
    assert story.left() == 10
    story.debit(8)
    story.one("refund", id=first, amount=5)  # of yesterday
    assert story.numbers() == (100, 13, 2)


def test_a_first_use_cap_opens_with_a_charge():
    story = Story(metered(100, caps=[{"limit": 10, "per": "5 hours", "window": "first_use"}]))
    assert story.check("resets_at") is None
    story.debit(4)
    assert story.check("resets_at") == day("2024-01-10T17:00")
    story.at("11:00")  # older than the window: counts in it
    assert story.left() == 6
    story.debit(6)
    story.at("17:00")
    assert (story.left(), story.check("resets_at")) == (10, None)


def test_grants_do_not_extend_a_cap():
    story = Story(metered(5, caps=[{"limit": 7, "per": "day"}]))
    story.one("credit", "acme", "tokens", amount=50)
    assert story.numbers() == (55, 0, 7)


def test_prorate_by_time_passed():
    story = Story({}, metered(31, anchor="subscription", rollover={"max": 4}))
    story.at("2024-01-01")
    story.one("subscribe", "acme", plan="pro")
    story.catalog({}, metered(310, anchor="subscription"))
    story.at("2024-01-11")  # 10 of 31 days
    story.one("change_plan", "acme", plan="pro", usage="prorate")
    assert story.numbers() == (10 + 210, 0, 220)
    story.at("2024-02-01")
    assert story.left() == 310


def test_reset_starts_anew_at_once():
    story = Story({}, metered(10, anchor="subscription"))
    story.one("subscribe", "acme", plan="pro")
    story.debit(7)
    story.at("2024-01-20")
    story.one("change_plan", "acme", plan="pro", usage="reset")
    assert story.numbers() == (10, 0, 10)
    assert story.check("resets_at") == day("2024-02-20")


def test_a_scheduled_change_has_the_version_of_its_call():
    story = Story(metered(1), metered(10))
    story.one("subscribe", "acme", plan="pro")
    story.debit(6)
    story.catalog(metered(1), metered(20))
    story.one("change_plan", "acme", plan="pro", effective="period_end")
    story.catalog(metered(1), metered(30))
    story.at("2024-02-10T11:59")
    assert story.left() == 10
    story.debit(3)
    story.at("2024-02-10T12:00")
    assert story.numbers() == (20, 3, 17)


def test_keep_moves_every_part_to_the_new_window():
    story = Story({}, metered(10, overage={"limit": 9}))
    story.one("subscribe", "acme", plan="pro")
    story.one("credit", "acme", "tokens", amount=3)
    number = story.debit(15)
    story.catalog({}, metered(20, "week", overage={"limit": 9}))
    story.one("change_plan", "acme", plan="pro")
    assert story.numbers() == (23, 15, 17)  # allowance 20 - 10, overage 9 - 2
    story.one("refund", id=number, amount=4)  # overage 2, grant 2
    assert (story.numbers(), story.status("overage")) == ((23, 11, 21), 0)


def test_past_due_is_active_within_its_grace():
    story = Story({}, metered(10), grace="7 days")
    story.one("subscribe", "acme", plan="pro")
    story.call("set_status", "acme", status="past_due")
    story.at("2024-01-17T11:59")
    assert story.take(1) == "ok"
    story.at("2024-01-17T12:00")
    assert story.take(1) == "subscription_inactive"


@pytest.mark.parametrize("status, reasons", [
    ("active", ["ok", "quota_exceeded"]),
    ("paused", ["subscription_inactive"] * 2),
])
def test_observe_takes_what_was_asked(status, reasons):
    story = Story(pro=metered(10, rate={"limit": 4, "per": "1 hour"}))
    story.call("subscribe", "acme", plan="pro")
    story.call("set_status", "acme", status=status)
    story.world.settings["enforcement"] = "observe"
    answers = [story.one("try_debit", "acme", "tokens", amount=30, up_to=True) for _ in reasons]
    assert [(answer[1], answer[3]) for answer in answers] == [(reason, 30) for reason in reasons]


def test_members_have_what_the_level_above_gives_them():
    each = {"allowance": 4, "period": "month"}
    story = Story(metered(20, members=each), metered(100, members=each))
    assert story.numbers("acme/al") == (4, 0, 4)  # of the default plan, though nobody knows it
    story.debit(3, "acme/al")
    assert (story.take(2, "acme/al"), story.take(2, "acme/al/phone")) == ("quota_exceeded",) * 2
    assert (story.numbers("acme/bo"), story.left()) == ((4, 0, 4), 17)
    story.one("override", "acme/al", "tokens", entitlement={"allowance": 9, "period": "month"})
    assert story.numbers("acme/al") == (9, 3, 6)
    story.one("subscribe", "acme", plan="pro")
    story.one("override", "acme/al", "tokens", entitlement=None)
    assert story.numbers("acme/al") == (4, 0, 4)  # a new subscription begins at 0
    story.debit(3, "acme/al")
    story.catalog({}, metered(100, members={"allowance": 6, "period": "month"}))
    story.one("change_plan", "acme", plan="pro")
    assert story.numbers("acme/al") == (6, 3, 3)
    story.catalog({}, metered(100, members={"allowance": 6, "period": "day"}))
    story.one("change_plan", "acme", plan="pro")
    assert story.numbers("acme/al") == (6, 0, 6)  # another period: from 0
    story.one("subscribe", "acme/cy", plan="free")
    assert story.left("acme/cy") == 6  # its own plan gives nothing

"""The oracle by examples computed by hand: holds and rates."""

from story import Story, day, metered

LIMIT_THREE_A_SECOND = {"limit": 3, "per": "1 second"}


def reserve(story, amount, subject="acme", feature="tokens", **more):
    return story.one("reserve", subject, feature, amount=amount, **more)[0]


def test_a_hold_counts_until_it_expires():
    story = Story(metered(10))
    assert story.one("reserve", "acme", "tokens", amount=6)[1:] == (6, 4, day("2024-01-10T12:05"))
    assert (story.status("reserved"), story.numbers()) == (6, (10, 6, 4))
    assert story.fails("reserve", "acme", "tokens", amount=5) == "QT402"
    assert story.one("reserve", "acme", "tokens", amount=5, up_to=True)[1] == 4
    story.at("12:05")
    assert (story.status("reserved"), story.left()) == (0, 10)


def test_settle_gives_back_or_takes_more():
    story = Story(metered(10))
    less, more = reserve(story, 4), reserve(story, 2)
    assert story.one("settle", id=less, amount=1) == (less, 1, 0, 7)
    assert story.one("settle", id=more, amount=11) == (more, 11, 2, 0)
    assert story.numbers() == (10, 12, 0)
    assert story.fails("settle", id=more, amount=1) == "QT410"
    assert story.one("refund", id=more)[1:] == (11, 9)


def test_a_late_settle_is_a_charge_of_now():
    story = Story(metered(10))
    hold = reserve(story, 8, ttl="1 hour")
    story.at("2024-02-01")
    story.debit(9)
    assert story.one("settle", id=hold, amount=8) == (hold, 8, 7, 0)
    assert story.numbers() == (10, 17, 0)
    story.at("2024-01-31")
    assert story.numbers() == (10, 0, 10)


def test_a_settle_again_answers_as_the_first():
    story = Story(metered(10))
    hold, other = reserve(story, 4), reserve(story, 2)
    assert story.one("settle", id=hold, amount=11) == (hold, 11, 3, 0)
    story.one("refund", id=hold)
    assert story.one("settle", id=hold, amount=11) == (hold, 11, 3, 8)
    assert story.fails("settle", id=hold, amount=4) == "QT410"
    assert story.fails("release", id=hold) == "QT410"
    assert story.one("release", id=other) == (2, 10)
    assert story.one("release", id=other) == (0, 10)
    assert story.one("settle", id=other, amount=0) == (other, 0, 0, 10)
    assert story.fails("settle", id=other, amount=2) == "QT410"


def test_a_rate_has_the_true_count_of_a_hold():
    story = Story(metered(1000, rate={"limit": 1, "per": "1 second", "burst": 100}))
    hold = reserve(story, 90)
    assert story.fails("reserve", "acme", "tokens", amount=11) == "QT429"
    story.one("settle", id=hold, amount=10)
    hold = reserve(story, 90, ttl="1 minute")
    story.at("12:01:30")
    assert story.fails("reserve", "acme", "tokens", amount=91) == "QT429"  # it keeps what it took
    story.one("settle", id=hold, amount=200)  # 10 + 200 in 90 seconds: 120 ahead
    assert story.fails("debit", "acme", "tokens", amount=1) == "QT429"
    story.at("12:01:50")
    assert story.fails("debit", "acme", "tokens", amount=1) == "QT429"
    story.at("12:01:51")
    story.debit(1)


def test_a_hold_settles_in_the_period_it_was_reserved_in():
    story = Story(metered(10))
    story.at("2024-01-31T23:58")
    hold = reserve(story, 10)
    story.at("2024-02-01")
    assert story.one("settle", id=hold, amount=12) == (hold, 12, 0, 8)
    story.at("2024-01-31T23:59")
    assert story.left() == 0


def test_extend_grows_shrinks_and_renews():
    story = Story(metered(10))
    hold = reserve(story, 4)
    story.at("12:04")
    assert story.one("extend", id=hold) == (4, 6, day("2024-01-10T12:09"))
    assert story.one("extend", id=hold, amount=9, ttl="1 hour") == (9, 1, day("2024-01-10T13:04"))
    assert story.fails("extend", id=hold, amount=11) == "QT402"
    assert story.one("extend", id=hold, amount=2) == (2, 8, day("2024-01-10T13:04"))
    assert story.one("release", id=hold) == (2, 10)
    assert story.fails("extend", id=hold) == "QT410"


def test_release_after_expiry_closes():
    story = Story(metered(10))
    hold = reserve(story, 4)
    story.at("12:05")
    assert story.fails("extend", id=hold) == "QT410"
    assert story.fails("refund", id=hold) == "22023"
    assert story.one("release", id=hold) == (0, 10)
    assert story.fails("settle", id=hold, amount=1) == "QT410"


def test_holds_of_capacity():
    story = Story({"seats": {"allowance": 5}})
    hold = reserve(story, 3, feature="seats")
    assert story.numbers("acme", "seats") == (5, 3, 2)
    assert story.one("settle", id=hold, amount=7) == (hold, 7, 2, 0)
    late = reserve(Story({"seats": {"allowance": 5}}), 3, feature="seats")
    assert late == hold
    assert story.fails("give_back", "acme", "seats", amount=8) == "22023"


def test_holds_restore_the_caps_of_their_charge():
    story = Story(metered(100, caps=[{"limit": 10, "per": "hour"}]))
    hold = reserve(story, 6, ttl="2 hours")
    assert story.left() == 4
    story.one("settle", id=hold, amount=2)
    assert story.left() == 8
    story.at("12:59")
    hold = reserve(story, 8)
    story.at("13:00")
    story.one("settle", id=hold, amount=2)
    assert story.left() == 10


def test_set_usage_leaves_holds():
    story = Story(metered(10))
    story.debit(3)
    hold = reserve(story, 4)
    story.one("set_usage", "acme", "tokens", used=1)
    assert story.numbers() == (10, 5, 5)
    assert story.one("release", id=hold) == (4, 9)


def test_a_rate_is_exact():
    story = Story({"api": {"rate": LIMIT_THREE_A_SECOND}})
    api = ("acme", "api")
    assert [story.one("throttle", *api)[:2] for _ in range(4)] == [(True, 2), (True, 1), (True, 0), (False, 0)]
    assert story.check("resets_at", *api) == day("2024-01-10T12:00:01")
    assert story.one("throttle", *api, cost=4) == (False, 0, None)
    story.at("12:00:00.333333")
    assert story.take(1, *api) == "rate_limited"
    story.at("12:00:00.333334")
    assert story.take(1, *api) == "ok"
    assert story.check("retry_after", *api) == 333333
    assert story.check("retry_after", *api, amount=2) == 666666
    assert story.check("resets_at", *api) == day("2024-01-10T12:00:01.333334")  # rounded up


def test_a_rate_limits_what_is_metered():
    story = Story(metered(100, rate=LIMIT_THREE_A_SECOND | {"burst": 5}))
    story.one("debit", "acme", "tokens", amount=4)
    assert story.numbers() == (100, 4, 96)
    assert story.take(2) == "rate_limited"
    assert story.one("try_debit", "acme", "tokens", amount=50, up_to=True)[:4:3] == (True, 1)
    assert story.fails("debit", "acme", "tokens", amount=97) == "QT402"
    assert story.fails("debit", "acme", "tokens", amount=1) == "QT429"

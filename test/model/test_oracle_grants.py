"""The oracle by examples computed by hand: grants, overdrawn, set_usage."""

from story import Story, day, metered


def credit(story, amount, subject="acme", feature="tokens", **more):
    return story.one("credit", subject, feature, amount=amount, **more)[0]


def test_grants_follow_the_allowance_in_their_order():
    story = Story(metered(10))
    late = credit(story, 5, expires_at=day("2024-03-01"))
    soon = credit(story, 5, expires_at=day("2024-02-01"))
    first = credit(story, 5, priority=1)
    number = story.debit(17)
    assert story.numbers() == (25, 17, 8)
    assert story.one("revoke", grant_id=first) == (0,)
    assert story.one("revoke", grant_id=soon) == (3,)
    assert story.numbers() == (22, 17, 5)
    story.one("refund", id=number, amount=3)  # soon 2 (revoked: restores nothing), first 1
    assert story.numbers() == (19, 14, 5)
    assert story.one("revoke", grant_id=late) == (5,)


def test_a_recurring_grant_lapses_each_period():
    story = Story(metered(0))
    grant = credit(story, 5, every="day", expires_at=day("2024-01-12T06:00"))
    story.debit(3)
    story.at("2024-01-11T12:00")
    assert story.numbers() == (8, 3, 5)
    listed = story.one("me", "acme")[0]["grants"]
    assert [(g["used"], g["effective_at"], g["expires_at"]) for g in listed] == [
        (0, day("2024-01-11T12:00"), day("2024-01-12T06:00"))
    ]
    story.at("2024-01-12T06:00")
    assert story.numbers() == (3, 3, 0)
    assert story.one("revoke", grant_id=grant) == (0,)


def test_grants_alone_make_an_account():
    story = Story()
    assert story.take(1) == "not_entitled"
    credit(story, 5, "acme/eng", expires_at=day("2024-02-01"))
    assert story.numbers("acme/eng/alice") == (5, 0, 5)
    assert story.status("plan", "acme/eng") is None
    assert story.take(1) == "not_entitled"
    story.debit(5, "acme/eng/alice")
    assert story.take(1, "acme/eng") == "quota_exceeded"
    assert story.check("retry_after", "acme/eng") is None
    story.at("2024-02-01")
    assert story.take(1, "acme/eng") == "not_entitled"


def test_a_prefix_without_the_account_gets_no_grant():
    story = Story(metered(10))
    assert story.fails("credit", "acme/eng", "tokens", amount=1) == "22023"
    assert story.fails("credit", "acme", "api", amount=1) == "22023"
    assert story.fails("credit", "acme", "tokens", amount=1, expires_at=day("2024-01-10T12:00")) == "22023"


def test_capacity_grants_are_not_burned():
    story = Story({"seats": {"allowance": 2}})
    credit(story, 3, feature="seats", expires_at=day("2024-02-01"))
    story.debit(4, feature="seats")
    assert story.numbers(feature="seats") == (5, 4, 1)
    story.at("2024-02-01")
    assert story.numbers(feature="seats") == (2, 4, 0)


def test_overdrawn_is_covered_by_later_grants_without_burning_them():
    story = Story(metered(10))
    story.world.settings["enforcement"] = "observe"
    story.debit(14)
    assert story.numbers() == (10, 14, 0)
    grant = credit(story, 6)
    assert story.numbers() == (16, 14, 2)
    assert story.one("revoke", grant_id=grant) == (6,)
    story.at("2024-02-01")
    assert story.numbers() == (10, 0, 10)


def test_overage_that_was_sold_is_not_paid_back_by_a_grant():
    story = Story(metered(10, overage={"limit": 5}))
    story.debit(15)
    credit(story, 4)
    assert story.numbers() == (14, 15, 4)


def test_set_usage_gives_back_in_reverse_and_takes_as_settle():
    story = Story(metered(10, overage={"limit": 2}))
    grant = credit(story, 3)
    number = story.debit(15)
    correction, left = story.one("set_usage", "acme", "tokens", used=11)
    assert (left, story.status("overage"), story.numbers()) == (4, 0, (13, 11, 4))
    assert story.one("refund", id=number)[1:] == (15, 15)  # 10 + 1, the rest is not there
    assert story.one("set_usage", "acme", "tokens", used=20) == (correction + 2, 0)
    assert story.numbers() == (13, 20, 0)  # 5 overdrawn
    assert story.one("set_usage", "acme", "tokens", used=20) == (None, 0)
    assert story.one("revoke", grant_id=grant) == (0,)
    assert story.fails("set_usage", "acme/eng", "tokens", used=1) == "QT403"


def test_keys_of_grants():
    story = Story(metered(10))
    first = story.one("credit", "acme", "tokens", amount=5, key="k")
    assert story.one("credit", "acme", "tokens", amount=5, key="k") == first == (first[0], 15)
    assert story.fails("credit", "acme", "tokens", amount=6, key="k") == "QT409"
    assert story.fails("debit", "acme", "tokens", amount=5, key="k") == "QT409"


def test_a_grant_beyond_caps_is_neither_counted_nor_stopped():
    story = Story(metered(100, caps=[{"limit": 30, "per": "day"}]))
    credit(story, 10, priority=1)
    credit(story, 40, beyond_caps=True)
    assert story.left() == 70  # min(110, 30) + 40
    story.debit(35)  # 30 of the allowance, 5 beyond
    assert story.left() == 35
    number = story.debit(35)
    assert story.take(1) == "quota_exceeded"
    story.one("refund", id=number, amount=10)  # the cap stays full
    assert story.left() == 10
    story.at("2024-01-11T12:00")
    assert story.left() == 40
    assert story.fails("credit", "acme", "seats", amount=1, beyond_caps=True) == "22023"

"""The oracle by examples computed by hand: quantities, amend, migrate, preview."""

from story import Story, day, metered

SEATS = metered(10, times_quantity=True)


def subscribed(pro=None, **more):
    story = Story(metered(5), SEATS if pro is None else pro)
    story.one("subscribe", "acme", plan="pro", **more)
    return story


def test_a_quantity_multiplies_allowance_overage_caps_and_rollover():
    story = subscribed(metered(
        10, overage={"limit": 2}, rollover={"max": 4}, caps=[{"limit": 7, "per": "day"}], times_quantity=True), quantity=3)
    assert story.numbers() == story.numbers("acme/eng") == (30, 0, 21)
    story.debit(21)
    assert story.take(1) == "quota_exceeded"
    story.at("2024-02-01")
    assert story.numbers() == (39, 0, 21)  # 9 of at most 12
    story.debit(21)
    story.at("2024-02-02")
    story.debit(18)
    story.at("2024-02-03")
    assert [story.take(7), story.take(6)] == ["quota_exceeded", "ok"]


def test_neither_rates_nor_null_are_multiplied():
    story = subscribed(metered(
        100, rate={"limit": 5, "per": "1 minute"}, times_quantity=True) | {"seats": {"allowance": None, "times_quantity": True}},
        quantity=3)
    assert story.numbers("acme", "seats") == (None, 0, None)
    assert [story.take(6), story.take(5), story.take(1)] == ["rate_limited", "ok", "rate_limited"]
    assert story.numbers() == (300, 5, 295)


def test_without_a_subscription_the_quantity_is_one():
    story = Story(SEATS)
    assert story.numbers() == (10, 0, 10)


def test_an_override_below_has_the_quantity_of_the_subscription_that_it_depends_on():
    story = subscribed(quantity=3)
    story.call("override", "acme/eng", "tokens", entitlement=SEATS["tokens"] | {"allowance": 4})
    story.debit(5, "acme/eng")
    assert story.numbers("acme/eng") == (12, 5, 7)
    story.call("amend", "acme", changes={"quantity": 1})
    assert story.numbers("acme/eng") == (4, 5, 0)
    assert story.numbers() == (10, 5, 5)


def test_fewer_seats_take_nothing_back():
    story = subscribed(quantity=3)
    story.debit(25)
    story.call("amend", "acme", changes={"quantity": 2})
    assert story.numbers() == (20, 25, 0)
    story.call("amend", "acme", changes={"quantity": None})
    assert story.numbers() == (10, 25, 0)
    story.call("amend", "acme", changes={"quantity": 3})
    assert story.numbers() == (30, 25, 5)


def test_a_quantity_that_is_too_large():
    story = subscribed(metered(2**61, times_quantity=True), quantity=3)
    assert story.fails("amend", "acme", changes={"quantity": 4}) == "22003"
    assert story.fails("subscribe", "beta", plan="pro", quantity=4) == "22003"
    story.one("subscribe", "gamma", plan="free", quantity=4)
    assert story.fails("change_plan", "gamma", plan="pro") == "22003"
    assert story.one("migrate", plan="pro") == (0,)


def test_prorate_compares_the_products():
    story = Story({}, metered(31, anchor="subscription", times_quantity=True))
    story.at("2024-01-01")
    story.one("subscribe", "acme", plan="pro", quantity=2)
    story.catalog({}, metered(310, anchor="subscription"))
    story.at("2024-01-11")  # 10 of 31 days
    story.one("change_plan", "acme", plan="pro", usage="prorate")
    assert story.numbers() == (2 * 10 + 210, 0, 230)
    story.call("amend", "acme", changes={"quantity": 3})  # as keep: the share ends
    assert story.numbers() == (310, 0, 310)


def test_another_zone_takes_the_use_over():
    story = subscribed(quantity=1)
    story.at("2024-01-31T20:00")
    story.debit(4)
    story.call("amend", "acme", changes={"timezone": "Asia/Tokyo"})  # there it is February
    assert story.numbers() == (10, 4, 6)
    assert story.check("resets_at") == day("2024-02-29T15:00")
    story.call("amend", "acme", changes={"timezone": None})
    assert (story.numbers(), story.check("resets_at")) == ((10, 4, 6), day("2024-02-01"))


def test_the_end_that_was_asked_for_comes_in_place_of_a_scheduled_one():
    story = subscribed()
    story.call("cancel", "acme")
    story.call("amend", "acme", changes={"ends_at": day("2024-06-01")})
    assert story.one("me", "acme")[0]["plan"]["cancel_at"] == day("2024-06-01")
    story.call("change_plan", "acme", plan="pro")
    assert story.one("me", "acme")[0]["plan"]["cancel_at"] == day("2024-06-01")
    story.one("subscribe", "acme", plan="free", starts_at=day("2024-06-01"))
    assert story.fails("amend", "acme", changes={"ends_at": day("2024-06-02")}) == "23P01"
    assert story.fails("amend", "acme", changes={"ends_at": None}) == "23P01"
    assert story.fails("amend", "acme", changes={"ends_at": day("2024-01-10T12:00")}) == "22023"
    assert story.fails("amend", "acme", changes={"trial_ends_at": day("2024-02-01")}) == "22023"
    assert story.fails("amend", "acme", changes={"plan": "free"}) == "22023"
    assert story.fails("amend", "beta", changes={}) == "QT404"


def test_a_trial_ends_another_day():
    story = subscribed(trial="14 days", ends_at=day("2024-06-01"))
    story.call("amend", "acme", changes={"trial_ends_at": day("2024-02-20")})
    story.call("change_plan", "acme", plan="free", effective="period_end")
    story.call("amend", "acme", changes={"trial_ends_at": day("2024-02-10")})  # the change goes along
    story.at("2024-02-09")
    assert story.one("me", "acme")[0]["plan"]["trial_ends_at"] == day("2024-02-10")
    story.at("2024-02-10")
    assert story.one("me", "acme")[0]["plan"]["name"] == "free"
    assert story.one("me", "acme")[0]["plan"]["cancel_at"] == day("2024-06-01")


def test_null_ends_a_trial_as_set_status_active():
    story = subscribed(trial="14 days", ends_at=day("2024-06-01"))
    story.call("amend", "acme", changes={"trial_ends_at": None})
    plan = story.one("me", "acme")[0]["plan"]
    assert (plan["status"], plan["trial_ends_at"], plan["cancel_at"]) == ("active", None, day("2024-06-01"))


def test_migrate_keeps_what_is_scheduled():
    story = subscribed()
    story.one("subscribe", "beta", plan="pro", trial="14 days")
    story.one("subscribe", "gamma", plan="pro", starts_at=day("2024-03-01"))
    story.one("subscribe", "delta", plan="free")
    story.call("cancel", "acme")
    story.debit(4)
    story.catalog(metered(5), metered(20, "week"))
    assert story.one("migrate", plan="pro", max_subjects=100) == (3,)
    assert story.one("migrate", plan="pro") == (0,)
    assert story.numbers() == (20, 4, 16)
    assert story.one("me", "acme")[0]["plan"]["cancel_at"] == day("2024-02-10T12:00")
    assert story.one("me", "beta")[0]["plan"]["trial_ends_at"] == day("2024-01-24T12:00")
    story.at("2024-03-01")
    assert story.numbers("gamma") == (20, 0, 20)
    assert story.fails("migrate", plan="nothing") == "QT404"
    assert story.fails("migrate", plan="pro", max_subjects=0) == "22023"


def test_preview_says_whether_a_smaller_plan_fits():
    story = subscribed(metered(100) | {"seats": {"allowance": 10}, "api": {"rate": {"limit": 3, "per": "1 second"}}})
    story.debit(6)
    story.debit(2, feature="seats")
    assert story.call("preview", "acme", plan="free") == [
        ("api", "rate", 0, 0, 0, None, False),
        ("seats", "capacity", 0, 0, 0, None, False),
        ("tokens", "metered", 5, 6, 0, None, False),
    ]
    assert story.call("preview", "acme", plan="free", usage="reset")[2] == ("tokens", "metered", 5, 0, 5, None, True)
    assert story.call("preview", "acme", plan="pro")[2] == ("tokens", "metered", 100, 6, 94, None, True)
    assert story.call("preview", "beta", plan="pro")[2] == ("tokens", "metered", 100, 0, 100, None, True)
    assert story.numbers() == (100, 6, 94)
    assert story.fails("preview", "acme", plan="nothing") == "QT404"
    assert story.fails("preview", "acme", plan="free", usage="often") == "22023"

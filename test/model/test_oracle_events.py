"""The oracle by examples computed by hand: events of thresholds."""

from story import Story, metered


def told(story):
    """(subject, threshold, allowance, use) of every threshold that was told."""
    return [
        (event.subject, event.data.get("percent") or {"remaining": event.data["remaining"]}, event.data["allowance"], event.data["used"])
        for event in story.world.events.values() if event.type == "threshold_reached"
    ]


def test_a_line_is_told_by_what_crosses_it():
    story = Story(metered(100, notify=[50, {"remaining": 20}]))
    story.debit(49)
    assert told(story) == []
    story.debit(1, "acme/ann")
    assert told(story) == [("acme", 50, 100, 50)]
    last = story.debit(30)
    story.call("refund", id=last)
    story.debit(30)
    assert told(story)[1:] == [("acme", {"remaining": 20}, 100, 80)] * 2


def test_what_is_reserved_is_no_use_until_it_is_settled():
    story = Story(metered(100, notify=[50]))
    hold = story.one("reserve", "acme", "tokens", amount=60)[0]
    story.debit(10)
    assert told(story) == []
    story.call("settle", id=hold, amount=40)
    assert told(story) == [("acme", 50, 100, 50)]


def test_other_limits_and_the_end_of_a_grant_cross_lines_too():
    story = Story(metered(100, notify=[50]), metered(200, notify=[80]))
    grant = story.one("credit", "acme", "tokens", amount=100)[0]
    story.debit(60)
    story.call("revoke", grant_id=grant, amount=80)
    assert told(story) == [("acme", 50, 120, 60)]
    story.call("credit", "zoe", "tokens", amount=100, expires_at=story.world.now + 3_600_000_000)
    story.debit(60, "zoe")
    story.at("13:00")
    story.debit(1, "zoe")
    assert told(story)[1:] == [("zoe", 50, 100, 61)]
    story.call("override", "zoe", "tokens", entitlement={"allowance": 70, "period": "month", "notify": [80]})
    assert told(story)[2:] == [("zoe", 80, 70, 61)]

"""The oracle by examples computed by hand: explain, usage."""

from story import Story, day, metered


def explained(story, amount, feature="tokens"):
    """(source, available, takes, verdict) of each step."""
    return [(row[2], *row[4:]) for row in story.call("explain", "acme", feature, amount=amount)]


def test_explain_says_where_it_would_come_from():
    story = Story(metered(10, overage={"limit": 5}, caps=[{"limit": 12, "per": "day"}]))
    story.call("credit", "acme", "tokens", amount=4, beyond_caps=True)
    story.debit(3)
    assert explained(story, 14) == [
        ("plan", None, None, "ok"), ("allowance", 7, 7, "ok"), ("grant", 4, 4, "ok"), ("overage", 5, 3, "ok"),
        ("cap", 9, 10, "quota_exceeded"), ("decision", 13, 0, "quota_exceeded"),
    ]


def test_explain_of_a_capacity_takes_what_there_is():
    story = Story({"seats": {"allowance": 3}})
    story.debit(2, feature="seats")
    assert explained(story, 5, "seats") == [
        ("plan", None, None, "ok"), ("capacity", 1, 1, "ok"), ("decision", 1, 0, "quota_exceeded")]


def test_usage_counts_each_debit_once_where_it_was_booked():
    story = Story(metered(100))
    first = story.debit(10)
    story.debit(5, "acme/ann")
    story.at("2024-01-11T00:30")
    story.call("refund", id=first, amount=4)
    since = day("2024-01-01")
    assert story.call("usage", "acme", "tokens", since=since) == [
        (day("2024-01-10"), 15, 2), (day("2024-01-11"), -4, 0)]
    assert story.call("usage", "acme/ann", "tokens", since=since) == [(day("2024-01-10"), 5, 1)]
    assert story.call("usage", "acme", "tokens", since=since, timezone="America/New_York") == [
        (day("2024-01-10T05:00"), 11, 2)]
    assert story.call("usage", "acme", "tokens", since=since, until=day("2024-01-11"), step="month") == [
        (day("2024-01-01"), 15, 2)]

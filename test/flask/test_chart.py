"""The chart of days: every day has its column, and a bar is as high as its amount."""

import re
from collections import namedtuple
from datetime import date, datetime, timezone

from docapp import chart

Row = namedtuple("Row", "bucket used")


def draw(*amounts, ceiling=None):
    points = [chart.Point(date(2026, 3, n + 1), amount) for n, amount in enumerate(amounts)]
    return chart.draw(points, lambda point: f"<{point.day:%-d}>: {point.amount}", ceiling)


def bars(drawn):
    """(kind, y, height) of each bar."""
    found = re.findall(r'<rect class="(taken|given)" x="[\d.]+" y="([\d.]+)" width="8" height="([\d.]+)"', drawn.svg)
    return [(kind, float(y), float(height)) for kind, y, height in found]


def test_every_day_is_there_and_days_without_use_are_empty():
    rows = [Row(datetime(2026, 2, 27, tzinfo=timezone.utc), 5), Row(datetime(2026, 3, 1, tzinfo=timezone.utc), -2)]
    points = chart.days_of(rows, date(2026, 2, 27), date(2026, 3, 2))
    assert [(point.day.day, point.amount) for point in points] == [(27, 5), (28, 0), (1, -2), (2, 0)]


def test_bars_are_as_high_as_their_amounts():
    drawn = draw(50, 0, 100)
    assert bars(drawn) == [("taken", 50, 50), ("taken", 100, 0), ("taken", 0, 100)]
    assert (drawn.highest, drawn.total) == (100, 150)
    assert drawn.svg.count('class="column"') == 3 and 'viewBox="0 0 30 100"' in drawn.svg


def test_what_came_back_hangs_below_the_line():
    drawn = draw(75, -25)
    assert bars(drawn) == [("taken", 0, 75), ("given", 75, 25)]
    assert '<line class="base" x1="0" x2="20" y1="75.00" y2="75.00"/>' in drawn.svg
    assert drawn.total == 50


def test_nothing_at_all_is_drawn_too():
    assert bars(draw(0, 0)) == [("taken", 100, 0), ("taken", 100, 0)]
    assert draw().highest == 0


def test_a_ceiling_shows_where_it_is_near():
    assert '<line class="ceiling" x1="0" x2="10" y1="0.00" y2="0.00"/>' in draw(50, ceiling=200).svg
    assert bars(draw(50, ceiling=200)) == [("taken", 75, 25)]
    assert "ceiling" not in draw(50, ceiling=201).svg and "ceiling" not in draw(0, ceiling=5).svg


def test_what_a_bar_says_is_text():
    assert "<title>&lt;1&gt;: 7</title>" in draw(7).svg

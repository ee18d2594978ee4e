"""A chart of days as SVG, drawn on the server: bars without a script, without a style of their own.

The drawing has no text, so that it can be as wide as there is room; what it says is beside it, in HTML, and each bar
has its day and amount as a title.  templates/chart.html puts the two together.
"""

from collections import namedtuple
from datetime import timedelta

from markupsafe import Markup, escape

from . import clock

Point = namedtuple("Point", "day amount")
Chart = namedtuple("Chart", "svg points highest total")

_HEIGHT, _STEP, _GAP = 100, 10, 2


def days_of(rows, since, until):
    """Rows (bucket, used, ...) of quota.usage by days -> a Point for every day of [since, until], 0 where nothing was
    booked.  Both are dates in UTC."""
    booked = {row.bucket.date(): row.used for row in rows}
    every = (since + timedelta(days=n) for n in range((until - since).days + 1))
    return [Point(day, booked.get(day, 0)) for day in every]


def draw(points, told, ceiling=None):
    """A Chart of Points.  told(point) is what a bar says; `ceiling`, an amount, is drawn as a line where it is near
    enough to the bars to mean something.  What came back on balance goes below the base line."""
    highest = max((point.amount for point in points), default=0)
    lowest = min(0, min((point.amount for point in points), default=0))
    line = ceiling if ceiling and highest and ceiling <= 4 * highest else None
    top = max(highest, line or 0, 1)
    scale = _HEIGHT / (top - lowest)
    base = top * scale
    width = _STEP * max(len(points), 1)
    parts = [_bar(number, point, base, scale, told) for number, point in enumerate(points)]
    parts.append(f'<line class="base" x1="0" x2="{width}" y1="{base:.2f}" y2="{base:.2f}"/>')
    if line:
        y = base - line * scale
        parts.append(f'<line class="ceiling" x1="0" x2="{width}" y1="{y:.2f}" y2="{y:.2f}"/>')
    svg = f'<svg class="bars" viewBox="0 0 {width} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'
    return Chart(Markup(svg), points, highest, sum(point.amount for point in points))


def _bar(number, point, base, scale, told):
    height = abs(point.amount) * scale
    y = base - height if point.amount > 0 else base
    kind = "given" if point.amount < 0 else "taken"
    # the whole column answers to the pointer, however small the bar
    return (
        f'<g><title>{escape(told(point))}</title><rect class="column" x="{number * _STEP}" y="0" width="{_STEP}" height="{_HEIGHT}"/>'
        f'<rect class="{kind}" x="{number * _STEP + _GAP / 2:g}" y="{y:.2f}" width="{_STEP - _GAP}" height="{height:.2f}"/></g>'
    )


def span(days):
    """(since, until) of the last `days` days in UTC, dates, today included."""
    until = clock.now().date()
    return until - timedelta(days=days - 1), until

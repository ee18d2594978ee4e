"""Instants, periods and windows (API.md, rule 7 and 'Catalog JSON').

An instant is an int: microseconds since 1970-01-01 00:00 UTC.
"""

import re
from calendar import monthrange
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONTH_ROUGHLY = 2_629_746 * SECOND


def instant(text):
    """Of an ISO text with offset (a text without one is UTC)."""
    moment = datetime.fromisoformat(text)
    return of_datetime(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))


def of_datetime(moment):
    """Of an aware datetime; None stays None."""
    if moment is None:
        return None
    return _micros(moment.astimezone(timezone.utc).replace(tzinfo=None) - EPOCH)


def text_of(at):
    """ISO text in UTC; None stays None."""
    if at is None:
        return None
    return (EPOCH + timedelta(microseconds=at)).isoformat(sep=" ") + "+00"


def truncated(at, step, zone):
    """Where the hour, day, week (from Monday) or month of a zone begins that holds an instant."""
    wall = to_local(at, zone)
    if step == "hour":
        return at - (wall.minute * MINUTE + wall.second * SECOND + wall.microsecond)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    back = {"day": 0, "week": wall.weekday(), "month": wall.day - 1}[step]
    return from_local(midnight - timedelta(days=back), zone)


def _micros(delta):
    return (delta.days * 86400 + delta.seconds) * SECOND + delta.microseconds


@lru_cache(maxsize=None)
def zone_of(name):
    return ZoneInfo(name)


def to_local(at, zone):
    """The wall clock (naive datetime) of a zone at an instant."""
    utc = (EPOCH + timedelta(microseconds=at)).replace(tzinfo=timezone.utc)
    return utc.astimezone(zone_of(zone)).replace(tzinfo=None)


def from_local(wall, zone):
    """The instant of a wall clock time, read as PostgreSQL's AT TIME ZONE does:
    a missing time with the offset before the gap, a double one as the second.
    Both are the smaller of the two offsets."""
    tz = zone_of(zone)
    offsets = [wall.replace(tzinfo=tz, fold=fold).utcoffset() for fold in (0, 1)]
    return _micros(wall - min(offsets) - EPOCH)


class Period(NamedTuple):
    """Months and days are counted on the wall clock, micros elapse."""

    months: int
    days: int
    micros: int


_UNITS = {
    "year": Period(12, 0, 0),
    "quarter": Period(3, 0, 0),
    "month": Period(1, 0, 0),
    "week": Period(0, 7, 0),
    "day": Period(0, 1, 0),
    "hour": Period(0, 0, HOUR),
    "minute": Period(0, 0, MINUTE),
    "second": Period(0, 0, SECOND),
}


@lru_cache(maxsize=None)
def period_of(text):
    """Of a period's name or an interval text such as '1 month 15 days'; None: lifetime."""
    if text is None:
        return None
    if text in _UNITS:
        return _UNITS[text]
    total = Period(0, 0, 0)
    for count, unit in re.findall(r"(\d+) ([a-z]+?)s?\b", text):
        total = Period(*(t + int(count) * u for t, u in zip(total, _UNITS[unit])))
    return total


def elapsed(text):
    """Microseconds of an interval text without months: a day has 24 hours."""
    period = period_of(text)
    assert period.months == 0, text
    return period.days * DAY + period.micros


def _add_months(wall, months):
    index = wall.year * 12 + wall.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return wall.replace(year=year, month=month, day=min(wall.day, monthrange(year, month)[1]))


def add(at, period, times, zone):
    """at + times × period."""
    if times == 0:
        return at
    if period.months or period.days:
        wall = _add_months(to_local(at, zone), times * period.months)
        at = from_local(wall + timedelta(days=times * period.days), zone)
    return at + times * period.micros


def window(anchor, period, zone, at):
    """[start, end) of the window that holds at.  A time before the anchor counts
    as the anchor.  Empty windows are skipped, for the last boundary not after
    `at` is taken."""
    at = max(at, anchor)
    step = period.months * MONTH_ROUGHLY + period.days * DAY + period.micros
    n = (at - anchor) // step
    while add(anchor, period, n, zone) > at:
        n -= 1
    while add(anchor, period, n + 1, zone) <= at:
        n += 1
    return add(anchor, period, n, zone), add(anchor, period, n + 1, zone)


def calendar_anchor(text, zone):
    """Where natural boundaries count from: Monday 2000-01-03 for weeks and for
    intervals without months, 2000-01-01 for those with months."""
    period = period_of(text)
    first = 1 if period.months else 3
    return from_local(datetime(2000, 1, first), zone)


def calendar_window(text, zone, at):
    """The natural window.  Hours elapse (rule 7): where a zone moved by half an
    hour since 2000, they begin at half past on its wall clock."""
    return window(calendar_anchor(text, zone), period_of(text), zone, at)

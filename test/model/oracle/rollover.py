"""What rolls over from one period into the next, which closes it (API.md, rule 8)."""

from typing import NamedTuple, Optional

from .world import Bucket


class Rollover(NamedTuple):
    """What the first charge of a window fixes."""

    into: int  # units
    last: Optional[tuple]  # the last charged window before
    out: int  # units that leave it


def rolled(world, account):
    """Units that the account's window has from the periods before, and units that have
    left it: as its first charge fixed them, or as that would be now."""
    bucket = world.buckets.get(account.window, Bucket())
    if not bucket.open or not _rolls_over(account):
        return bucket.rolled_in or 0, bucket.rolled_out
    return _reckon(world, account).into, 0


def _rolls_over(account):
    return account.entitlement.rollover is not None and account.start is not None


def fix(world, account):
    """The first charge of a window: what rolled in is fixed, and counts as used in the
    periods that it left."""
    bucket = world.buckets.get(account.window, Bucket(limit=account.entitlement.allowance))
    if bucket.open and _rolls_over(account):
        rollover = _reckon(world, account)
        if rollover.last is not None:
            last = world.buckets[rollover.last]
            world.buckets[rollover.last] = last._replace(
                rolled_in=last.rolled_in or 0, rolled_out=last.rolled_out + rollover.out)
        bucket = bucket._replace(rolled_in=rollover.into)
    world.buckets[account.window] = bucket


def _reckon(world, account):
    last = _last_charged(world, account)
    if last is None:
        units, since = 0, account.subscription and account.subscription.anchor_at
    else:
        units, since = _left(world.buckets[last], account.entitlement.rollover), last[4]
    if since is None or since >= account.start or account.window_at(since)[0] >= account.start:
        return Rollover(units, last, units)
    return Rollover(_after_idle(account, units, since, account.start), last, units)


def _left(bucket, most):
    if bucket.limit is None:
        return most
    left = bucket.limit + (bucket.rolled_in or 0) - bucket.allowance - bucket.overdrawn - bucket.rolled_out
    return min(most, max(0, left))


def _after_idle(account, units, since, until):
    """After the periods from the one that holds `since` to `until`, in which nothing was charged."""
    most, allowance = account.entitlement.rollover, account.entitlement.allowance
    start, end = account.window_at(since)
    while start < until and units < most and allowance:
        units = min(most, units + allowance)
        start, end = account.window_at(end)
    return units


def _charged(world, window):
    """Keys of the account's windows in which something happened that was not moved away since."""
    return [
        key for key, bucket in world.buckets.items()
        if key[:3] == window[:3] and (bucket.used or (bucket.rolled_in is not None and key not in world.moved))
    ]


def _last_charged(world, account):
    """The last that ended before this one, or None."""
    ended = [w for w in _charged(world, account.window) if w[4] is not None and w[4] <= account.start]
    return max(ended, key=lambda w: (w[4], w[3] or 0), default=None)


def closing(world, window):
    """The newest window that something rolled over into and that begins when this one ends,
    or later: it has closed this one; or None."""
    coming = [
        w for w in _charged(world, window) if w[3] is not None and w[3] >= window[4]
        and world.buckets[w].rolled_in is not None
    ]
    return max(coming, key=lambda w: (w[3], w[4] if w[4] is not None else 10**18), default=None)

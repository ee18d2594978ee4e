"""What rolls over from one period into the next (API.md, rule 8)."""

from .world import Bucket


def rolled_in(world, account):
    """Units that the account's window has from the periods before: as its first
    charge fixed them, or as that would be now."""
    bucket = world.buckets.get(account.window, Bucket())
    most = account.entitlement.rollover
    if bucket.first_at is not None:
        return bucket.rolled_in or 0
    if most is None or account.start is None:
        return 0
    last = _last_charged(world, account)
    if last is None:
        return _idle(account, most, 0, _beginning(world, account), None)
    return _idle(account, most, _left(world.buckets[last], most), last[4], last[4])


def _left(bucket, most):
    if bucket.limit is None:
        return most
    left = bucket.limit + (bucket.rolled_in or 0) - bucket.allowance - bucket.overdrawn - bucket.rolled_out
    return min(most, max(0, left))


def _idle(account, most, units, at, charged_until):
    """After the periods from `at` to the account's present one, in which nothing was charged."""
    allowance = account.entitlement.allowance
    while at is not None and at < account.start and units < most:
        start, at = account.window_at(at)
        if start >= account.start or (allowance == 0 and at < account.start):
            break
        if charged_until is None or start >= charged_until:
            units = most if allowance is None else min(most, units + allowance)
    return units


def _buckets(world, account):
    return [
        (window, bucket)
        for window, bucket in world.buckets.items()
        if window[:3] == account.window[:3] and bucket.first_at is not None
    ]


def _last_charged(world, account):
    """Key of the last charged window that ended before this one, or None."""
    ended = [
        window for window, _ in _buckets(world, account)
        if window[4] is not None and window[4] <= account.start and window not in world.moved
    ]
    return max(ended, key=lambda window: window[4], default=None)


def _beginning(world, account):
    """Since when idle periods count: the subscription's start, else the first charge."""
    if account.subscription:
        return account.subscription.anchor_at
    return min((bucket.first_at for _, bucket in _buckets(world, account)), default=None)


def fix(world, account):
    """The first charge of a window: what rolled in is fixed, and counts as used in the period it left."""
    bucket = world.buckets.get(account.window, Bucket())
    if bucket.first_at is not None:
        return
    if account.entitlement.rollover is not None and account.start is not None:
        units = rolled_in(world, account)
        bucket = bucket._replace(rolled_in=units)
        start, end = account.window_at(account.start - 1)
        if units and end == account.start:
            before = (*account.window[:3], start, end)
            old = world.buckets.get(before, Bucket(limit=account.entitlement.allowance))
            world.buckets[before] = old._replace(rolled_out=old.rolled_out + units)
    world.buckets[account.window] = bucket._replace(first_at=world.now)

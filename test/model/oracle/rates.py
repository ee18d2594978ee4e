"""Rates: a leaky bucket (GCRA), in exact fractions of a microsecond.

For each account the time at which its burst is full again is kept: each unit
puts it off by one interval, and what enforce allows is never more than a burst ahead.
The true count of a hold can put it off further."""

from .errors import Fault

END_OF_TIME = 9_224_318_016_000_000_000  # of PostgreSQL's timestamps, year 294277


def full_at(world, account):
    """More than the burst can only be another rate's backlog: with another limit or time it begins afresh."""
    rate = account.entitlement.rate
    full, taken = world.rates.get((account.prefix, account.feature), (world.now, None))
    if rate is not None and taken != (rate.limit, rate.per) and full - world.now > rate.burst * rate.interval:
        return world.now
    return max(full, world.now)


def available(world, account):
    """Units that the rate gives now; None: there is no rate."""
    rate = account.entitlement.rate
    if rate is None:
        return None
    ahead = full_at(world, account) - world.now
    return max(0, rate.burst - _ceil(ahead / rate.interval))


def wait(world, account, cost):
    """Microseconds until the rate has room for cost: 0 now, None never."""
    rate = account.entitlement.rate
    if rate is None:
        return 0
    if cost > rate.burst:
        return None
    return max(0, full_at(world, account) + (cost - rate.burst) * rate.interval - world.now)


def take(world, account, cost):
    """What observe lets through beyond the burst is forgotten."""
    rate = account.entitlement.rate
    if rate is not None:
        before = full_at(world, account)
        full = min(before + cost * rate.interval, max(before, world.now + rate.burst * rate.interval))
        if full >= END_OF_TIME:
            raise Fault("22003", "rate out of range")
        world.rates[account.prefix, account.feature] = full, (rate.limit, rate.per)


def correct(world, account, more):
    """The true count of a hold: so many units more than were taken, or fewer."""
    rate = account.entitlement.rate
    # time has brought all back already: nothing more comes back
    if rate is not None and more and (more > 0 or full_at(world, account) > world.now):
        full = max(world.now, full_at(world, account) + more * rate.interval)
        world.rates[account.prefix, account.feature] = min(full, END_OF_TIME - 1), (rate.limit, rate.per)


def _ceil(number):
    return -(-number // 1)


def instant_full(world, account):
    """When the burst is full again, in whole microseconds."""
    return int(_ceil(full_at(world, account)))


def slowest(world, found, cost):
    """(account, wait) of the level that has to wait longest, ties: the deepest; or (None, 0)."""
    worst, longest = None, 0
    for account in found:
        pause = wait(world, account, cost)
        if pause is None or (pause > 0 and longest is not None and pause >= longest):
            worst, longest = account, pause
    return worst, longest


def clip(world, found):
    """The most that all rates give now; None: nothing limits."""
    given = [units for units in (available(world, account) for account in found) if units is not None]
    return min(given, default=None)

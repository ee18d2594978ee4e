"""Caps: further windows of an entitlement, each with a limit of its own."""

from typing import NamedTuple, Optional

from . import times
from .errors import fits
from .world import CapUse


class State(NamedTuple):
    """A cap of an account, now."""

    limit: int  # units
    left: int
    end: Optional[int]  # None: a first_use cap that is not open
    key: tuple
    opened_at: int  # of the window, if it is opened by a charge now
    closes_at: int


def states(world, account):
    """Of every cap of the account's entitlement."""
    return [_state(world, account, cap) for cap in account.entitlement.caps]


def _state(world, account, cap):
    period = times.period_of(cap.per)
    if not cap.first_use:
        start, end = account.window_at(world.now, cap.per)
        key = (*account.window[:3], period, start)
        used = world.caps[key].used if key in world.caps else 0
        return State(cap.limit, max(0, cap.limit - used), end, key, start, end)
    key = (*account.window[:3], period, "first use")
    use = world.caps.get(key)
    if use is None or use.closes_at <= world.now:
        zone = account.subscription.zone if account.subscription else "UTC"
        return State(cap.limit, cap.limit, None, key, world.now, times.add(world.now, period, 1, zone))
    return State(
        cap.limit, max(0, cap.limit - use.used), use.closes_at, key, min(use.opened_at, world.now), use.closes_at
    )


def count(world, account, amount):
    """A charge counts whole in every cap, beyond its limit if need be."""
    for key, state in {state.key: state for state in states(world, account)}.items():
        use = world.caps.get(key)
        used = use.used if use and use.closes_at == state.closes_at else 0
        world.caps[key] = CapUse(state.opened_at, state.closes_at, fits(used + amount))


def restore(world, part, amount):
    """What comes back of a part lowers the caps in whose window it was charged."""
    owner = part.account, part.window[1], part.counted
    for key, use in list(world.caps.items()):
        if key[:3] == owner and use.opened_at <= part.at < use.closes_at:
            world.caps[key] = use._replace(used=max(0, use.used - amount))

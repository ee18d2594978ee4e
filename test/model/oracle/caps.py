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


def states(world, account, at=None):
    """Of every cap of the account's entitlement; with a time those whose present window contains it."""
    found = [_state(world, account, cap) for cap in account.entitlement.caps]
    return [state for state in found if at is None or _contains(world, state, at)]


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


def count(world, account, amount, at=None):
    """A charge counts whole in every cap, beyond its limit if need be."""
    for key, state in {state.key: state for state in states(world, account, at)}.items():
        use = world.caps.get(key)
        used = use.used if use and use.closes_at == state.closes_at else 0
        world.caps[key] = CapUse(state.opened_at, state.closes_at, fits(used + amount), use.cleared if use else 0)


def _contains(world, state, at):
    if at == world.now:  # as a charge's: it opens a first use, or counts in the window that is open, though that began later
        return True
    if state.end is None:
        return False
    opened_at = world.caps[state.key].opened_at if state.key[-1] == "first use" else state.opened_at
    return opened_at <= at < state.closes_at


def restore(world, index, amount):
    """What comes back of a part lowers the caps in whose window it was charged."""
    part = world.parts[index]
    owner = part.account, part.window[1], part.counted
    for key, use in list(world.caps.items()):
        if key[:3] == owner and use.opened_at <= part.at < use.closes_at and index >= use.cleared:
            world.caps[key] = use._replace(used=max(0, use.used - amount))


def clear(world, account):
    """They count from 0, one that opens with the first use being closed; how many had counted something."""
    cleared = 0
    for key, state in {state.key: state for state in states(world, account)}.items():
        use = world.caps.get(key)
        if use is None or use.closes_at <= world.now:
            continue
        cleared += use.used > 0
        closes_at = world.now if key[-1] == "first use" else use.closes_at
        world.caps[key] = CapUse(use.opened_at, closes_at, 0, len(world.parts))
    return cleared

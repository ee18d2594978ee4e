"""How a debit is decided (API.md, same heading): level that binds, refusal."""

from typing import NamedTuple, Optional

from . import rates, times
from .accounts import accounts, active_from
from .rooms import Level, level_of

NO_ROOM = "quota_exceeded"
INACTIVE = "subscription_inactive"
NOT_ENTITLED = "not_entitled"
TOO_FAST = "rate_limited"
SQLSTATES = {NO_ROOM: "QT402", INACTIVE: "QT402", NOT_ENTITLED: "QT403", TOO_FAST: "QT429"}


class Verdict(NamedTuple):
    """The answer to 'may this be debited?', as check() gives it."""

    reason: str  # ok or why not
    allowance: Optional[int] = 0
    used: Optional[int] = 0
    remaining: Optional[int] = 0
    plan: Optional[str] = None
    start: Optional[int] = None
    resets_at: Optional[int] = None
    retry_after: Optional[int] = None  # microseconds
    blocked_by: Optional[str] = None
    accounts: tuple = ()
    room: Optional[int] = 0  # what is left whatever status and rate
    rate: Optional[int] = None  # the most that the rates give now; None: nothing limits
    overage: int = 0
    level: Optional[Level] = None  # the one that binds

    @property
    def allowed(self):
        return self.reason == "ok"


def binding(levels):
    """The level with the least remaining; ties: the deepest."""
    best = None
    for level in levels:
        if best is None or best.remaining is None or (
            level.remaining is not None and level.remaining <= best.remaining
        ):
            best = level
    return best


def decide(world, subject, feature, amount):
    """Verdict on a debit."""
    found = accounts(world, subject, feature)
    kind = world.features[feature].kind
    if kind in ("boolean", "static"):
        return _decide_value(world, found, kind)
    if not found:
        return Verdict(NOT_ENTITLED)
    levels = [_rate_level(world, a) if kind == "rate" else level_of(world, a) for a in found]
    least = binding(levels)
    verdict = Verdict(
        "ok", least.allowance, least.used, least.remaining, least.account.plan, least.account.start, least.resets_at,
        None, None, tuple(found), least.remaining, rates.clip(world, found), least.overage, least,
    )
    sleeping = [a for a in found if not a.active]
    if sleeping:
        return verdict._replace(reason=INACTIVE, remaining=0, blocked_by=sleeping[0].prefix, retry_after=_wait(world, sleeping[0]))
    if kind != "rate" and least.remaining is not None and amount > least.remaining:
        retry_after = None
        if least.resets_at is not None and (least.fits is None or amount <= least.fits):
            retry_after = least.resets_at - world.now
        return verdict._replace(reason=NO_ROOM, blocked_by=least.account.prefix, retry_after=retry_after)
    slow, wait = rates.slowest(world, found, amount)
    if slow:
        return verdict._replace(reason=TOO_FAST, blocked_by=slow.prefix, retry_after=None if wait is None else int(-(-wait // 1)))
    return verdict


def _wait(world, sleeping):
    until = active_from(world, sleeping.subscription)
    return None if until is None else until - world.now


def _rate_level(world, account):
    burst, now = account.entitlement.rate.burst, rates.available(world, account)
    return Level(account, burst, burst - now, now, 0, rates.instant_full(world, account), None)


def _decide_value(world, found, kind):
    """Boolean and static: the deepest level that defines the feature wins."""
    if not found or (kind == "boolean" and found[-1].entitlement.value is not True):
        return Verdict(NOT_ENTITLED)
    sleeping = [a for a in found if not a.active]
    if sleeping:
        return Verdict(INACTIVE, None, 0, 0, found[-1].plan, blocked_by=sleeping[0].prefix, retry_after=_wait(world, sleeping[0]))
    return Verdict("ok", None, 0, None, found[-1].plan, room=None)


def whole_seconds(micros):
    """Rounded up; None stays None."""
    return None if micros is None else int(-(-micros // times.SECOND))

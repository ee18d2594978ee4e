"""How a debit is decided (API.md, same heading): room, level that binds, refusal."""

from typing import NamedTuple, Optional

from . import times
from .accounts import accounts
from .world import Bucket

NO_ROOM = "quota_exceeded"
INACTIVE = "subscription_inactive"
NOT_ENTITLED = "not_entitled"
SQLSTATES = {NO_ROOM: "QT402", INACTIVE: "QT402", NOT_ENTITLED: "QT403"}


class Level(NamedTuple):
    """What one account has. remaining None: unlimited."""

    account: object
    allowance: Optional[int]
    used: int
    remaining: Optional[int]


class Verdict(NamedTuple):
    """The answer to 'may this be debited?', as check() gives it."""

    reason: str  # ok or why not
    allowance: Optional[int]
    used: Optional[int]
    remaining: Optional[int]
    plan: Optional[str]
    start: Optional[int]
    resets_at: Optional[int]
    retry_after: Optional[int]  # seconds, rounded up
    blocked_by: Optional[str]
    levels: tuple
    room: Optional[int]  # what is left whatever the status

    @property
    def allowed(self):
        return self.reason == "ok"


def bucket_of(world, account, feature):
    return world.buckets.get(account.window_key(feature), Bucket())


def level_of(world, account, feature):
    allowance = account.entitlement.allowance
    if world.features[feature].kind == "capacity":
        used = world.capacity.get((account.prefix, feature), 0)
    else:
        used = bucket_of(world, account, feature).used
    remaining = None if allowance is None else max(0, allowance - used)
    return Level(account, allowance, used, remaining)


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
    """Verdict on a debit of a metered, capacity or boolean feature."""
    found = accounts(world, subject, feature)
    kind = world.features[feature].kind
    if kind in ("boolean", "static"):
        return _decide_value(found, kind)
    if not found:
        return Verdict(NOT_ENTITLED, 0, 0, 0, None, None, None, None, None, (), 0)
    levels = tuple(level_of(world, account, feature) for account in found)
    least = binding(levels)
    reason, remaining, blocked_by, retry_after = "ok", least.remaining, None, None
    sleeping = [a for a in found if not a.active]
    if sleeping:
        reason, remaining, blocked_by = INACTIVE, 0, sleeping[0].prefix
    elif remaining is not None and amount > remaining:
        reason, blocked_by = NO_ROOM, least.account.prefix
        if least.account.end is not None and amount <= least.account.entitlement.allowance:
            retry_after = whole_seconds(least.account.end - world.now)
    return Verdict(
        reason, least.allowance, least.used, remaining, least.account.plan,
        least.account.start, least.account.end, retry_after, blocked_by, levels, least.remaining,
    )


def _decide_value(found, kind):
    """Boolean and static: the deepest level that defines the feature wins."""
    if not found or (kind == "boolean" and found[-1].entitlement.value is not True):
        return Verdict(NOT_ENTITLED, 0, 0, 0, None, None, None, None, None, (), 0)
    sleeping = [a for a in found if not a.active]
    if sleeping:
        return Verdict(INACTIVE, None, 0, 0, found[-1].plan, None, None, None, sleeping[0].prefix, (), 0)
    return Verdict("ok", None, 0, None, found[-1].plan, None, None, None, None, (), None)


def whole_seconds(micros):
    """Rounded up; None stays None."""
    return None if micros is None else -(-micros // times.SECOND)

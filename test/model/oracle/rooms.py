"""What an account has left, source by source (API.md, rule 2)."""

from typing import NamedTuple, Optional

from . import caps
from .grants import FOREVER, left, valid_grants
from .rollover import rolled
from .world import Bucket


class Room(NamedTuple):
    """Of one account in its present window, in the order of taking."""

    allowance: Optional[int]  # units; None: unlimited
    grants: tuple  # (key of the grant's period, units, beyond caps?)
    overage: Optional[int]  # None: without limit
    caps: Optional[int] = None  # what all caps let through; None: there is none

    @property
    def capped(self):
        """Of what caps can stop, without looking at them; None: unlimited."""
        if self.allowance is None or self.overage is None:
            return None
        return self.allowance + sum(units for _, units, beyond in self.grants if not beyond) + self.overage

    @property
    def beyond(self):
        return sum(units for _, units, beyond in self.grants if beyond)

    def take(self, amount):
        """([(source, grant, units)], what finds no room, what caps count): as far as the caps allow, the rest from the same
        sources whatever the caps say."""
        sources = [("allowance", None, self.allowance, False)]
        sources += [("grant", key, units, beyond) for key, units, beyond in self.grants]
        sources += [("overage", None, self.overage, False)]
        taken, counted = {}, amount
        for through in (self.caps, None):
            for source, grant, units, beyond in sources:
                before = taken.get((source, grant), 0)
                now = amount if units is None else min(amount, units - before)
                if beyond:
                    counted -= now
                elif through is not None:
                    now = min(now, through)
                    through -= now
                if now:
                    taken[source, grant] = before + now
                    amount -= now
        order = [(source, grant) for source, grant, _, _ in sources]
        return [(*key, taken[key]) for key in order if key in taken], amount, counted


def bucket_of(world, account):
    return world.buckets.get(account.window, Bucket(limit=account.entitlement.allowance))


def limit_of(world, account):
    """The allowance of the present window; None: unlimited."""
    prorated = bucket_of(world, account).prorated
    return account.entitlement.allowance if prorated is None else prorated


def room_of(world, account, at=None):
    """Of a metered account, now or (record) for use of a time.  What was overdrawn, or taken before the
    allowance was lowered, is covered by grants and then by overage, burning neither."""
    bucket, limit = bucket_of(world, account), limit_of(world, account)
    deficit, allowance = 0, None
    if limit is not None:
        rolled_in, rolled_out = rolled(world, account)
        balance = limit + rolled_in - rolled_out - bucket.allowance - bucket.overdrawn
        allowance, deficit = max(0, balance), max(0, -balance)
    grants = []
    for now in valid_grants(world, account.prefix, account.feature, world.now if at is None else at):
        units = left(world, now)
        covered = min(deficit, units)
        deficit -= covered
        grants.append((now.key, units - covered, now.beyond_caps))
    overage = account.entitlement.overage
    if overage is not None:
        overage = max(0, overage - bucket.overage - deficit)
    through = min((cap.left for cap in caps.states(world, account, at)), default=None)
    return Room(allowance, tuple(grants), overage, through)


class Level(NamedTuple):
    """What one account has, as check() shows it."""

    account: object
    allowance: Optional[int]  # None: unlimited
    used: int
    remaining: Optional[int]  # None: nothing limits
    overage: int
    resets_at: Optional[int]  # of the window that binds
    fits: Optional[int]  # the most that this window has when it is new; None: anything


def level_of(world, account):
    """Of a metered or capacity account."""
    if world.features[account.feature].kind == "capacity":
        return _capacity_level(world, account)
    limit, bucket = limit_of(world, account), bucket_of(world, account)
    allowance, (rolled_in, rolled_out) = None, rolled(world, account)
    if limit is not None:
        allowance = limit + rolled_in + bucket.grant + _grants_left(world, account)
    terms = account.entitlement
    whole = None if None in (terms.allowance, terms.overage) else terms.allowance + terms.overage
    room = room_of(world, account)
    windows = [(room.capped, account.end, whole, False)]
    windows += [(cap.left, cap.end, cap.limit, True) for cap in caps.states(world, account)]
    remaining, end, fits, _ = min(windows, key=_binds_first)
    remaining = None if remaining is None else remaining + room.beyond
    return Level(account, allowance, bucket.debited + rolled_out, remaining, bucket.overage, end, fits)


def _binds_first(window):
    """The least left; equal: the later end, then the one that has less when new.  A period without end is the latest, a cap
    that is not open has none to compare."""
    left_there, end, fits, is_cap = window
    if end is None:
        end = -FOREVER if is_cap else FOREVER
    return FOREVER * FOREVER if left_there is None else left_there, -end, FOREVER * FOREVER if fits is None else fits


def _grants_left(world, account):
    return sum(left(world, now) for now in valid_grants(world, account.prefix, account.feature, world.now))


def _capacity_level(world, account):
    used = world.capacity.get((account.prefix, account.feature), 0)
    allowance = account.entitlement.allowance
    if allowance is not None:
        grants = valid_grants(world, account.prefix, account.feature, world.now)
        allowance += sum(now.amount for now in grants)
    remaining = None if allowance is None else max(0, allowance - used)
    return Level(account, allowance, used, remaining, 0, None, None)

"""From a subject to its accounts: path, plans, windows (API.md, 'Words')."""

from typing import NamedTuple, Optional

from . import rollover, times
from .errors import MAX
from .grants import has_valid_grant
from .world import NOTHING, Entitlement, Subscription


class Account(NamedTuple):
    """One prefix of a subject and one feature, now."""

    prefix: str
    feature: str
    entitlement: Entitlement
    plan: Optional[str]  # None: none, or an account of grants alone
    subscription: Optional[Subscription]  # the one it depends on
    set_at: Optional[int]  # of the override
    start: Optional[int]  # of its window; None: since ever, and for other kinds than metered
    end: Optional[int]
    active: bool
    of_members: bool = False  # it has what the level above gives its members

    @property
    def source(self):
        """Use is counted per subscription (None: the default plan, or grants alone)."""
        return self.subscription.source if self.subscription and self.entitlement is not NOTHING else None

    @property
    def window(self):
        """Key of its bucket."""
        return self.prefix, self.feature, self.source, self.start, self.end

    def window_at(self, at, period=""):
        """[start, end) of its window, or of one with another period, at a time."""
        entitlement = self.entitlement if period == "" else self.entitlement._replace(period=period)
        return entitlement_window(entitlement, "metered", self.subscription, self.set_at, at)


def plan_of(world, account):
    """(name, version) of the plan that an account depends on, or None."""
    if account.plan is None:
        return None
    return account.plan, account.subscription.version if account.subscription else world.plans[account.plan].version


def prefixes(subject):
    """Every level of a path, the subject itself last."""
    segments = subject.split("/")
    return ["/".join(segments[: n + 1]) for n in range(len(segments))]


def subscription_at(world, subject, at):
    """The subscription of exactly this subject, or None."""
    for number in world.subject_subscriptions.get(subject, ()):
        sub = world.subscriptions[number]
        if sub.starts_at <= at and (sub.ends_at is None or at < sub.ends_at):
            return sub
    return None


def is_active(world, sub, at):
    """past_due counts as active within the plan's grace."""
    if sub is None or sub.status in ("trialing", "active"):
        return True
    return sub.status == "past_due" and in_grace(world, sub, at)


def in_grace(world, sub, at):
    grace = times.period_of(world.versions[sub.plan, sub.version].grace)
    return grace is not None and at < times.add(sub.past_due_since, grace, 1, sub.zone)


def active_from(world, sub):
    """When a pause lets work go on again; None: that is not known."""
    if sub is None or sub.paused_until is None:
        return None
    return sub.paused_until if sub.paused_from != "past_due" or in_grace(world, sub, sub.paused_until) else None


def entitlement_window(entitlement, kind, subscription, set_at, at):
    """[start, end) of the window of an entitlement at a time.

    subscription: the one that the account depends on, or None; set_at: when the
    override was set, None for a plan's entitlement."""
    if kind != "metered":
        return None, None
    if entitlement.period is None:
        return (subscription.anchor_at if subscription else None), None
    zone = subscription.zone if subscription else "UTC"
    anchor = entitlement.anchor
    if anchor == "subscription":
        if subscription:
            anchor = subscription.anchor_at
        elif set_at is not None:
            anchor = set_at
        else:
            anchor = "calendar"
    if anchor == "calendar":
        return times.calendar_window(entitlement.period, zone, at)
    if isinstance(anchor, str):
        anchor = times.instant(anchor)
    return times.window(anchor, times.period_of(entitlement.period), zone, at)


def accounts(world, subject, feature, at=None):
    """The accounts on the path, the highest level first."""
    at = world.now if at is None else at
    found = [_in_open_window(world, account) for account in entitled(world, subject, feature, at)]
    return found or _granted(world, subject, feature, at)


def _in_open_window(world, account):
    """What is older than a period that has been rolled out of is charged in the newest one."""
    if account.entitlement.rollover is None or account.start is None:
        return account
    newest = rollover.closing(world, account.window)
    return account if newest is None else account._replace(start=newest[3], end=newest[4])


def entitled(world, subject, feature, at):
    """Those that a plan or an override gives the feature."""
    levels = prefixes(subject)
    subscribed = {level: subscription_at(world, level, at) for level in levels}
    default = None if any(subscribed.values()) else world.default_plan()
    found, nearest, above = [], None, (None, None)
    for level in levels:
        own = subscribed[level]
        nearest = own or nearest
        entitlement, set_at = terms(world, level, feature, own, default)
        (from_above, above_at), above = above, (entitlement, set_at)
        of_members = entitlement is None and from_above is not None and from_above.members is not None
        if of_members:
            entitlement, set_at = from_above.members, above_at
        if entitlement is None:
            continue
        entitlement = multiplied(entitlement, nearest.quantity if nearest else 1)
        start, end = entitlement_window(entitlement, world.features[feature].kind, nearest, set_at, at)
        plan = nearest.plan if nearest else default
        found.append(
            Account(level, feature, entitlement, plan, nearest, set_at, start, end, is_active(world, nearest, at), of_members)
        )
    return found


def terms(world, level, feature, own, default):
    """(entitlement or None, when the override was set): what a level is given as it was written."""
    override = world.overrides.get((level, feature))
    if override:
        return override.entitlement, override.set_at
    if own:
        return world.versions[own.plan, own.version].entitlements.get(feature), None
    if default and "/" not in level:
        return world.newest(default).entitlements.get(feature), None
    return None, None


def multiplied(entitlement, quantity):
    """For so many of the subscription; what is too great is the greatest bigint."""
    if not entitlement.times_quantity:
        return entitlement

    def product(units):
        return None if units is None else min(MAX, units * quantity)

    return entitlement._replace(
        allowance=product(entitlement.allowance), rollover=product(entitlement.rollover),
        overage=product(entitlement.overage),
        caps=tuple(cap._replace(limit=product(cap.limit)) for cap in entitlement.caps),
    )


def too_large(entitlement, quantity):
    """Has one of its units no room in a bigint?"""
    units = [entitlement.allowance, entitlement.rollover, entitlement.overage, *(cap.limit for cap in entitlement.caps)]
    return entitlement.times_quantity and any(each is not None and each * quantity > MAX for each in units)


def _granted(world, subject, feature, at):
    """Where nothing is entitled, every prefix with a valid grant is an account, with one
    window since ever."""
    found, nearest = [], None
    for level in prefixes(subject):
        nearest = subscription_at(world, level, at) or nearest
        if has_valid_grant(world, level, feature, at):
            found.append(
                Account(level, feature, NOTHING, None, nearest, None, None, None, is_active(world, nearest, at))
            )
    return found


def account_of(world, subject, feature, prefix, at=None):
    """The account of one prefix on the subject's path, or None."""
    for account in accounts(world, subject, feature, at):
        if account.prefix == prefix:
            return account
    return None

"""From a subject to its accounts: path, plans, windows (API.md, 'Words')."""

from typing import NamedTuple, Optional

from . import times
from .world import Entitlement, Subscription


class Account(NamedTuple):
    """One prefix of a subject and one feature, now."""

    prefix: str
    entitlement: Entitlement
    plan: Optional[str]
    subscription: Optional[Subscription]  # the one it depends on
    start: Optional[int]  # of its window; None: since ever, and for other kinds than metered
    end: Optional[int]

    @property
    def active(self):
        return self.subscription is None or self.subscription.status in ("trialing", "active")

    def window_key(self, feature):
        """Of the bucket: use is counted per subscription (None: the default plan)."""
        source = self.subscription.id if self.subscription else None
        return self.prefix, feature, source, self.start, self.end


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


def entitlement_window(entitlement, kind, subscription, set_at, at):
    """[start, end) of the window of an entitlement at a time.

    subscription: the one that the account depends on, or None; set_at: when the
    override was set, None for a plan's entitlement."""
    if kind != "metered":
        return None, None
    if entitlement.period is None:
        return (subscription.starts_at if subscription else None), None
    zone = subscription.zone if subscription else "UTC"
    anchor = entitlement.anchor
    if anchor == "subscription":
        if subscription:
            anchor = subscription.starts_at
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
    levels = prefixes(subject)
    subscribed = {level: subscription_at(world, level, at) for level in levels}
    default = None if any(subscribed.values()) else world.default_plan()
    found, nearest = [], None
    for level in levels:
        own = subscribed[level]
        nearest = own or nearest
        override = world.overrides.get((level, feature))
        entitlement = override.entitlement if override else None
        if entitlement is None and own:
            entitlement = world.versions[own.plan, own.version].entitlements.get(feature)
        if entitlement is None and default and level == levels[0]:
            entitlement = world.newest(default).entitlements.get(feature)
        if entitlement is None:
            continue
        start, end = entitlement_window(
            entitlement, world.features[feature].kind, nearest, override and override.set_at, at
        )
        plan = nearest.plan if nearest else default
        found.append(Account(level, entitlement, plan, nearest, start, end))
    return found

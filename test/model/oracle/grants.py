"""Grants: which are valid, in what order they are taken, what they have left."""

from typing import NamedTuple, Optional

from . import times

FOREVER = 10**18  # later than any time


class Present(NamedTuple):
    """The period of a grant that holds a time: a grant of its own."""

    grant: int
    amount: int  # units
    priority: int
    start: int
    end: Optional[int]
    created_at: int
    beyond_caps: bool = False

    @property
    def key(self):
        return self.grant, self.start

    @property
    def order(self):
        return self.priority, FOREVER if self.end is None else self.end, self.created_at, self.grant


def period_at(grant, at):
    """[start, end) of the period that holds a time, cut at its expiry."""
    if grant.every is None:
        return grant.effective_at, grant.expires_at
    start, end = times.window(grant.effective_at, times.period_of(grant.every), grant.zone, at)
    return start, end if grant.expires_at is None else min(end, grant.expires_at)


def present(grant, at):
    """Of a grant as it is at a time, or (to come) at its beginning."""
    start, end = period_at(grant, at)
    return Present(grant.id, grant.amount, grant.priority, start, end, grant.created_at, grant.beyond_caps)


def is_valid(grant, at):
    return not grant.revoked and grant.effective_at <= at and (grant.expires_at is None or at < grant.expires_at)


def _valid(world, prefix, feature, at):
    for grant in world.grants.values():
        if (grant.subject, grant.feature) == (prefix, feature) and is_valid(grant, at):
            yield grant


def has_valid_grant(world, prefix, feature, at):
    return any(True for _ in _valid(world, prefix, feature, at))


def valid_grants(world, prefix, feature, at):
    """In the order in which they are taken."""
    return sorted((present(grant, at) for grant in _valid(world, prefix, feature, at)), key=lambda p: p.order)


def left(world, now):
    """Units of a Present that were not taken."""
    return now.amount - world.grant_used.get(now.key, 0)

"""Grants: credit, revoke, and how me() lists them."""

from . import thresholds
from .accounts import entitled, prefixes, subscription_at
from .arguments import check_amount, check_feature, check_key, check_subject
from .decide import decide
from .enforce import remember, replay
from .errors import Fault, invalid, not_found
from .grants import left, present
from .world import Grant


def credit(world, subject, feature, amount, expires_at=None, effective_at=None, every=None, priority=100,
           source="top-up", key=None, metadata=None, beyond_caps=False):
    """(id, remaining)"""
    check_subject(subject), check_feature(feature), check_amount(amount), check_key(key)
    begins = world.now if effective_at is None else effective_at
    if expires_at is not None and expires_at <= max(begins, world.now):
        raise invalid("a grant that has expired already")
    arguments = {
        "feature": feature, "amount": amount, "expires_at": expires_at, "effective_at": effective_at, "every": every,
        "priority": priority, "source": source, "metadata": metadata, "beyond_caps": beyond_caps,
    }
    known = replay(world, subject, key, "credit", arguments)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if world.features[feature].kind not in ("metered", "capacity"):
        raise invalid("a grant of what is not counted")
    if world.features[feature].kind == "capacity" and beyond_caps:
        raise invalid("a capacity has no caps")
    if known:
        return known[0], decide(world, subject, feature, 1).remaining
    having = [account.prefix for account in entitled(world, subject, feature, world.now)]
    if having and subject not in having:
        raise invalid("another prefix of the path has the account")
    number = world.next_id()
    world.grants[number] = Grant(
        number, subject, feature, amount, priority, begins, expires_at, every, _zone(world, subject), world.now,
        False, source, beyond_caps,
    )
    world.tell("credited", subject, feature, grant_id=number, amount=amount, effective_at=begins, expires_at=expires_at, every=every,
               priority=priority, source=source, beyond_caps=beyond_caps)
    remember(world, subject, key, "credit", arguments, (number, amount))
    return number, decide(world, subject, feature, 1).remaining


def _zone(world, subject):
    """Of the subscription that this prefix depends on."""
    subs = [subscription_at(world, level, world.now) for level in prefixes(subject)]
    return ([sub.zone for sub in subs if sub] or ["UTC"])[-1]


def revoke(world, grant_id, amount=None, key=None):
    """Units that were taken back: all that is left, or no more than the amount of that."""
    if grant_id is None:
        raise Fault("22004", "grant_id is NULL")
    if amount is not None:
        check_amount(amount)
    check_key(key)
    grant = world.grants.get(grant_id)
    if grant is None:
        raise not_found("grant")
    arguments = {"grant_id": grant_id, "amount": amount}
    known = replay(world, grant.subject, key, "revoke", arguments)
    if known:
        return known[1]
    if grant.revoked or (grant.expires_at is not None and grant.expires_at <= world.now):
        return 0  # it has ended already, and is left as it ended
    rest = units = max(0, left(world, present(grant, world.now)))
    less = grant._replace(revoked=True)
    if amount is not None:
        units = min(units, amount)
        less = grant._replace(amount=grant.amount - units)
    thresholds.changing(world, [grant.subject], lambda: world.grants.__setitem__(grant_id, less))
    if units or amount is None:
        world.tell("grant_revoked", grant.subject, grant.feature, grant_id=grant_id, revoked=units, left=rest - units)
    if units:
        remember(world, grant.subject, key, "revoke", arguments, (grant_id, units))
    return units


def listed(world, subject):
    """Grants of the path, those in their validity and those to come."""
    rows = []
    for grant in world.grants.values():
        ended = grant.expires_at is not None and grant.expires_at <= world.now
        if grant.subject not in prefixes(subject) or grant.revoked or ended:
            continue
        now = present(grant, world.now)
        rows.append({
            "id": grant.id, "feature": grant.feature, "amount": grant.amount,
            "used": world.grant_used.get(now.key, 0), "priority": grant.priority, "source": grant.source,
            "effective_at": now.start, "expires_at": now.end, "beyond_caps": grant.beyond_caps,
        })
    return rows

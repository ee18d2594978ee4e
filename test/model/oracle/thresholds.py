"""Thresholds: what an operation crosses is an event (API.md, Events)."""

from .accounts import account_of, accounts
from .grants import period_at
from .reserved import reserved_in
from .moves import own_account
from .rooms import level_of


def standing(world, account):
    """(allowance, use without open holds); allowance None: nothing is reached."""
    level = level_of(world, account)
    return level.allowance, level.used - sum(reserved_in(world, account).values())


def _reached(threshold, allowance, used):
    kind, value = threshold
    if allowance is None:
        return False
    return used * 100 >= value * allowance if kind == "percent" else allowance - used <= value


def tell_crossed(world, account, before, after):
    for kind, value in account.entitlement.notify:
        if _reached((kind, value), *after) and not _reached((kind, value), *before):
            world.tell("threshold_reached", account.prefix, account.feature, **{
                kind: value, "allowance": after[0], "used": after[1], "period_start": account.start, "period_end": account.end})


def charged(world, found, amounts):
    """After a charge: of each account so much of the use is the operation's.  Where a threshold is reached it
    sees the grants that have expired."""
    for account, amount in zip(found, amounts):
        after = standing(world, account)
        if not any(_reached(threshold, *after) for threshold in account.entitlement.notify):
            continue
        lost = see_expired(world, account.prefix, account.feature, account.start)
        tell_crossed(world, account, (after[0] and after[0] + lost, after[1] - min(after[1], amount)), after)


def settled(world, operation):
    """After a settle or a record: all that it has in the present windows is new to them."""
    found = accounts(world, operation.subject, operation.feature)
    parts = [world.parts[n] for n in operation.parts]
    capacity = world.features[operation.feature].kind == "capacity"
    charged(world, found, [
        operation.amount if capacity else sum(part.left for part in parts if part.window == account.window) for account in found])


def see_expired(world, subject, feature, since=None):
    """Tells of a subject's grants that have expired, once; units that those valid after `since` had left."""
    lost = 0
    for grant in list(world.grants.values()):
        due = grant.expires_at is not None and grant.expires_at <= world.now
        if (grant.subject, grant.feature) != (subject, feature) or not due or ("grant", grant.id) in world.told:
            continue
        world.told["grant", grant.id] = True
        if grant.revoked:
            continue
        last = period_at(grant, grant.expires_at - 1)[0]
        unused = grant.amount - world.grant_used.get((grant.id, last), 0)
        world.tell("grant_expired", subject, feature, grant_id=grant.id, source=grant.source, amount=grant.amount,
                   expires_at=grant.expires_at, unused=unused)
        if since is None or grant.expires_at > since:
            lost += unused
    return lost


def changing(world, subjects, change):
    """Runs change(), which alters limits, and tells what the subjects' own accounts have crossed by that."""
    before = _own_standings(world, subjects)
    change()
    for key, account in _own_accounts(world, subjects).items():
        tell_crossed(world, account, before.get(key, (None, 0)), standing(world, account))


def _own_accounts(world, subjects):
    found = {}
    for subject in subjects:
        for feature in world.features:
            if world.features[feature].kind in ("metered", "capacity"):
                account = own_account(world, subject, feature)
                if account:
                    found[subject, feature] = account_of(world, subject, feature, subject)
    return found


def _own_standings(world, subjects):
    return {key: standing(world, account) for key, account in _own_accounts(world, subjects).items()}


def notice_expired(world):
    """What maintain() sees first: grants and holds that have expired."""
    for grant in list(world.grants.values()):
        if grant.expires_at is None or grant.expires_at > world.now or ("grant", grant.id) in world.told:
            continue
        account = own_account(world, grant.subject, grant.feature)
        account = account and account_of(world, grant.subject, grant.feature, grant.subject)
        lost = see_expired(world, grant.subject, grant.feature, account.start if account else None)
        if account and lost:
            after = standing(world, account)
            tell_crossed(world, account, (after[0] and after[0] + lost, after[1]), after)
    for number, hold in world.holds.items():
        if hold.state == "expired" and ("hold", number) not in world.told:
            world.told["hold", number] = True
            operation = world.operations[number]
            world.tell("hold_expired", operation.subject, operation.feature, hold_id=number, reserved=hold.reserved,
                       created_at=hold.created_at, expires_at=hold.expires_at)

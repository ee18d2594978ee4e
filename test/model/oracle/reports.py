"""What is told of a debit before it is made, explain, and of use afterwards, usage."""

from . import caps, rates, times
from .accounts import accounts
from .arguments import check_amount, check_feature, check_subject
from .decide import INACTIVE, NO_ROOM, TOO_FAST, decide
from .errors import MAX, Fault, invalid, not_found
from .grants import left, valid_grants
from .rooms import bucket_of, level_of, room_of

STEPS = ("hour", "day", "week", "month")


# ---- explain ---------------------------------------------------


def explain(world, subject, feature, amount=1):
    """Rows (step, level, source, detail, available, takes, verdict); detail, a text for people, is left out."""
    check_subject(subject), check_feature(feature), check_amount(amount)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    kind, verdict, rows = world.features[feature].kind, decide(world, subject, feature, amount), []
    for account in accounts(world, subject, feature):
        steps = [("plan", None, None, "ok" if account.active else INACTIVE)]
        if kind == "metered":
            steps += _metered(world, account, amount)
        elif kind == "capacity":
            there = level_of(world, account).remaining
            steps.append(("capacity", there, amount if there is None else min(amount, there), "ok"))
        if account.entitlement.rate:
            there = rates.available(world, account)
            steps.append(("rate", there, amount, "ok" if there >= amount else TOO_FAST))
        rows += [(account.prefix, *step) for step in steps]
    rows.append((verdict.blocked_by, "decision", verdict.remaining, amount if verdict.allowed else 0, verdict.reason))
    return [(number, level, source, None, *rest) for number, (level, source, *rest) in enumerate(rows, 1)]


def _metered(world, account, amount):
    """Where the amount would come from."""
    room, bucket = room_of(world, account), bucket_of(world, account)
    taken, _, counted = room.take(amount)
    takes = {(source, grant): units for source, grant, units in taken}
    yield "allowance", room.allowance, takes.get(("allowance", None), 0), "ok"
    for grant in valid_grants(world, account.prefix, account.feature, world.now):
        yield "grant", max(0, left(world, grant)), takes.get(("grant", grant.key), 0), "ok"
    limit = account.entitlement.overage
    if limit != 0:
        there = None if limit is None else max(0, limit - bucket.overage)
        yield "overage", there, takes.get(("overage", None), 0), "ok"
    for cap in sorted(caps.states(world, account), key=_shortest_first):
        yield "cap", cap.left, counted, "ok" if cap.left >= counted else NO_ROOM


def _shortest_first(cap):
    *_, period, start = cap.key
    return period, start != "first use"


# ---- usage -----------------------------------------------------


def usage(world, subject, feature, since, until=None, step="day", timezone="UTC"):
    """Rows (beginning of the step, used, debits) for the subject and below."""
    check_subject(subject), check_feature(feature)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if since is None:
        raise Fault("22004", "since is NULL")
    if step not in STEPS or (until is not None and since > until):
        raise invalid("step, or since after until")
    until = world.now + 1 if until is None else until
    sums, first = {}, set()
    for entry in world.ledger.values():
        if entry.feature != feature or not within(entry.subject, subject) or not since <= entry.at < until:
            continue
        begins = times.truncated(entry.at, step, timezone)
        is_first = entry.operation == entry.debit and entry.kind in ("debit", "reserve") and entry.debit not in first
        first.add(entry.debit)
        if is_first or _is_reported(world, entry):
            used, debits = sums.get(begins, (0, 0))
            sums[begins] = used + (entry.amount if _is_reported(world, entry) else 0), debits + is_first
    return [(begins, max(-MAX - 1, min(MAX, used)), debits) for begins, (used, debits) in sorted(sums.items())]


def within(subject, top):
    return (subject + "/").startswith(top + "/")


def _is_reported(world, entry):
    """Is it one of the deepest account that the operation began with?  Not what moved, nor what a refund did not find."""
    operation = world.operations.get(entry.operation) or world.operations[entry.debit]
    missed = entry.kind == "correction" and entry.operation != entry.debit
    return entry.kind != "transfer" and not missed and entry.account == max(operation.began or operation.levels, key=len)

"""What charges and gives back: debit, try_debit, throttle, refund, give_back; their keys."""

from . import books, rates, thresholds, times
from .accounts import prefixes
from .arguments import check_amount, check_feature, check_key, check_subject
from .decide import NO_ROOM, NOT_ENTITLED, SQLSTATES, TOO_FAST, decide, whole_seconds
from .errors import MAX, Fault, invalid, not_found
from .world import Operation

ENTRIES = {"debit": "debit", "hold": "reserve"}  # kind of an operation -> kind of its entries

# ---- keys --------------------------------------------------


def replay(world, subject, key, function, arguments):
    """What the first call with this key was answered, or None if there was none."""
    known = world.keys.get((subject, key)) if key is not None else None
    if known is None:
        return None
    for name, old, new in [("function", known[0], function)] + [
        (name, known[1].get(name), value) for name, value in arguments.items()
    ]:
        if old != new:
            raise Fault("QT409", f"key used before with another {name}")
    return known[2]


def remember(world, subject, key, function, arguments, result):
    if key is not None:
        world.keys[subject, key] = (function, arguments, result)


# ---- charging --------------------------------------------------


def charge(world, subject, feature, amount, verdict, metadata, kind="debit"):
    """Takes amount from every level and returns the operation's number; what finds
    no room is overdrawn."""
    number = world.next_id()
    parts = []
    if world.features[feature].kind == "capacity":
        levels = prefixes(subject)
        books.raise_capacity(world, number, subject, feature, amount, ENTRIES[kind], metadata)
    else:
        levels = [account.prefix for account in verdict.accounts]
        for account in verdict.accounts:
            parts += books.take(world, number, subject, account, amount, ENTRIES[kind], metadata)[0]
    world.operations[number] = Operation(kind, subject, feature, amount, 0, tuple(levels), tuple(parts))
    if kind == "debit":
        thresholds.charged(world, verdict.accounts, [amount] * len(verdict.accounts))
    return number


def pass_rates(world, verdict, amount):
    """What is charged takes its share of every rate."""
    for account in verdict.accounts:
        rates.take(world, account, amount)


def record_denial(world, subject, feature, reason):
    """Counted per UTC day."""
    key = world.now // times.DAY, subject, feature, reason
    count, last_at = world.denials.get(key, (0, world.now))
    world.denials[key] = (count + 1, max(last_at, world.now))


def enforce(world, subject, feature, amount, verdict, metadata, kind="debit"):
    """What debit and its like do on a verdict: the operation's number, None if nothing is charged."""
    if verdict.allowed:
        return charge_allowed(world, subject, feature, amount, verdict, metadata, kind)
    if world.observing:
        return observed(world, subject, feature, amount, verdict, metadata, kind)
    raise refusal(subject, feature, amount, verdict)


def charge_allowed(world, subject, feature, amount, verdict, metadata, kind="debit"):
    pass_rates(world, verdict, amount)
    if world.features[feature].kind in ("metered", "capacity"):
        return charge(world, subject, feature, amount, verdict, metadata, kind)
    return None


# ---- debit and try_debit -------------------------------------------------


def refusal(subject, feature, amount, verdict):
    return Fault(SQLSTATES[verdict.reason], verdict.reason, {
        "code": verdict.reason,
        "subject": subject,
        "feature": feature,
        "requested": amount,
        "remaining": verdict.remaining,
        "allowance": verdict.allowance,
        "used": verdict.used,
        "plan": verdict.plan,
        "blocked_by": verdict.blocked_by,
        "resets_at": verdict.resets_at,
        "retry_after": whole_seconds(verdict.retry_after),
    })


def require_debitable(world, feature):
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if world.features[feature].kind == "static":
        raise invalid("a static feature cannot be debited")


def observed(world, subject, feature, amount, verdict, metadata, kind="debit"):
    """observe: what a refused debit charges nevertheless; number or None."""
    record_denial(world, subject, feature, verdict.reason)
    pass_rates(world, verdict, amount)
    what = world.features[feature].kind
    if what == "capacity" or (what == "metered" and verdict.reason != NOT_ENTITLED):
        return charge(world, subject, feature, amount, verdict, metadata, kind)
    return None


def debit(world, subject, feature, amount=1, key=None, metadata=None):
    """(id, remaining, resets_at)"""
    check_subject(subject), check_feature(feature), check_amount(amount), check_key(key)
    arguments = {"feature": feature, "amount": amount, "metadata": metadata}
    known = replay(world, subject, key, "debit", arguments)
    require_debitable(world, feature)
    if known:
        now = decide(world, subject, feature, amount)
        return known[0], now.remaining, now.resets_at
    verdict = decide(world, subject, feature, amount)
    number = enforce(world, subject, feature, amount, verdict, metadata)
    if number is not None:
        remember(world, subject, key, "debit", arguments, (number, amount))
    now = decide(world, subject, feature, amount)
    return number, now.remaining, now.resets_at


def up_to_what_there_is(world, subject, feature, amount, verdict):
    """(amount, verdict) for a call that takes what there is; observe takes what was asked."""
    if verdict.reason in (NO_ROOM, TOO_FAST):
        room = amount if verdict.room is None else min(amount, verdict.room)
        there = room if verdict.rate is None else min(room, verdict.rate)
        if there:
            verdict = decide(world, subject, feature, there)
            amount = amount if world.observing else there
    if world.observing or not verdict.allowed:
        return amount, verdict
    if world.features[feature].kind == "capacity":
        counted = [world.capacity.get((level, feature), 0) for level in prefixes(subject)]
    else:
        counted = [world.buckets[a.window].used for a in verdict.accounts if a.window in world.buckets]
    headroom = MAX - max([0] + counted)
    return min(amount, headroom) if headroom else amount, verdict


def try_debit(world, subject, feature, amount=1, key=None, metadata=None, up_to=False):
    """(allowed, reason, id, debited, remaining, resets_at, retry_after, blocked_by)"""
    check_subject(subject), check_feature(feature), check_amount(amount), check_key(key)
    arguments = {"feature": feature, "amount": amount, "metadata": metadata, "up_to": up_to}
    known = replay(world, subject, key, "try_debit", arguments)
    require_debitable(world, feature)
    if known:
        now = decide(world, subject, feature, amount)
        return True, "ok", known[0], known[1], now.remaining, now.resets_at, None, None
    verdict = decide(world, subject, feature, amount)
    number, debited = None, 0
    if up_to:
        amount, verdict = up_to_what_there_is(world, subject, feature, amount, verdict)
    if verdict.allowed:
        number = charge_allowed(world, subject, feature, amount, verdict, metadata)
        debited = 0 if world.features[feature].kind == "boolean" else amount
    elif world.observing:
        number = observed(world, subject, feature, amount, verdict, metadata)
        throttled = world.features[feature].kind == "rate" and verdict.reason != NOT_ENTITLED
        debited = amount if number is not None or throttled else 0
    else:
        record_denial(world, subject, feature, verdict.reason)
    if number is not None:
        remember(world, subject, key, "try_debit", arguments, (number, debited))
    now = decide(world, subject, feature, amount)
    allowed = verdict.allowed or world.observing
    return (
        allowed, verdict.reason, number, debited, now.remaining, now.resets_at,
        verdict.retry_after, verdict.blocked_by,
    )


def throttle(world, subject, feature, cost=1):
    """(allowed, remaining, retry_after)"""
    check_subject(subject), check_feature(feature), check_amount(cost)
    require_debitable(world, feature)
    if world.features[feature].kind != "rate":
        raise invalid("throttle takes a feature of kind rate")
    verdict = decide(world, subject, feature, cost)
    if verdict.allowed:
        pass_rates(world, verdict, cost)
    elif world.observing:
        observed(world, subject, feature, cost, verdict, None)
    elif verdict.reason != TOO_FAST:
        raise refusal(subject, feature, cost, verdict)
    now = decide(world, subject, feature, cost)
    return verdict.allowed or world.observing, now.remaining, verdict.retry_after


# ---- refund and give_back ------------------------------------------------


def refund(world, id, amount=None, key=None):
    """(id, refunded, remaining)"""
    if id is None:
        if world.observing:
            return None, None, None
        raise Fault("22004", "id is NULL")
    if amount is not None:
        check_amount(amount)
    check_key(key)
    debited = world.operations.get(id)
    if debited is None:
        raise not_found("debit")
    if debited.kind not in ("debit", "hold"):
        raise invalid("not a debit")
    arguments = {"id": id, "amount": amount}
    known = replay(world, debited.subject, key, "refund", arguments)
    if known:
        return *known, decide(world, debited.subject, debited.feature, 1).remaining
    if debited.kind == "hold" and world.holds[id].state in ("open", "expired"):
        raise invalid("refund of a hold that is open")
    if world.features[debited.feature].kind == "capacity":
        raise invalid("what came into being is given back")
    left = debited.amount - debited.refunded
    amount = left if amount is None else amount
    if amount > left or left == 0:
        raise invalid("more than is left of the debit")
    number = world.next_id()
    world.operations[id] = debited._replace(refunded=debited.refunded + amount)
    world.operations[number] = Operation("refund", debited.subject, debited.feature, amount, 0, debited.levels, ())
    for level in debited.levels:
        books.give(world, number, debited, level, amount, "refund", id)
    remember(world, debited.subject, key, "refund", arguments, (number, amount))
    return number, amount, decide(world, debited.subject, debited.feature, 1).remaining


def give_back(world, subject, feature, amount=1, key=None, metadata=None):
    """(id, remaining)"""
    check_subject(subject), check_feature(feature), check_amount(amount), check_key(key)
    arguments = {"feature": feature, "amount": amount, "metadata": metadata}
    known = replay(world, subject, key, "give_back", arguments)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if world.features[feature].kind != "capacity":
        raise invalid("only capacity can be given back")
    if known:
        return known[0], decide(world, subject, feature, 1).remaining
    if amount > books.capacity_in_use(world, subject, feature):
        raise invalid("more than is used")
    number = world.next_id()
    books.give_capacity(world, number, subject, feature, amount, metadata)
    world.operations[number] = Operation("give_back", subject, feature, amount, 0, tuple(prefixes(subject)), ())
    remember(world, subject, key, "give_back", arguments, (number, amount))
    return number, decide(world, subject, feature, 1).remaining

"""What charges and gives back: debit, try_debit, refund, give_back; their keys."""

from . import times
from .accounts import prefixes
from .arguments import check_amount, check_feature, check_key, check_subject
from .decide import INACTIVE, NO_ROOM, NOT_ENTITLED, SQLSTATES, decide
from .errors import Fault, fits, invalid, not_found
from .world import Bucket, Operation, Part

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


# ---- buckets and ledger --------------------------------------------------


def _add_to_bucket(world, window, source, amount):
    bucket = world.buckets.get(window, Bucket())
    bucket = bucket._replace(**{source: fits(getattr(bucket, source) + amount)})
    fits(bucket.used)
    world.buckets[window] = bucket


def charge(world, subject, feature, amount, verdict, metadata):
    """Takes amount from every level and returns the operation's number; what finds
    no room is overdrawn."""
    number = world.next_id()
    parts = []
    if world.features[feature].kind == "capacity":
        levels = prefixes(subject)
        for level in levels:
            held = fits(world.capacity.get((level, feature), 0) + amount)
            world.capacity[level, feature] = held
            world.post(number, subject, level, feature, "debit", "capacity", amount, None, metadata)
    else:
        levels = [level.account.prefix for level in verdict.levels]
        for level in verdict.levels:
            account, window = level.account, level.account.window_key(feature)
            room = amount if level.remaining is None else min(amount, level.remaining)
            for source, taken in (("allowance", room), ("overdrawn", amount - room)):
                if taken:
                    _add_to_bucket(world, window, source, taken)
                    world.post(number, subject, account.prefix, feature, "debit", source, taken, window, metadata)
                    parts.append(len(world.parts))
                    world.parts[len(world.parts)] = Part(number, account.prefix, source, window, taken)
    world.operations[number] = Operation("debit", subject, feature, amount, 0, tuple(levels), tuple(parts))
    return number


def record_denial(world, subject, feature, reason):
    """Counted per UTC day."""
    key = world.now // times.DAY, subject, feature, reason
    count, last_at = world.denials.get(key, (0, world.now))
    world.denials[key] = (count + 1, max(last_at, world.now))


def interval(seconds):
    """Microseconds; None stays None."""
    return None if seconds is None else seconds * times.SECOND


# ---- debit and try_debit -------------------------------------------------


def _refusal(world, subject, feature, amount, verdict):
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
        "retry_after": verdict.retry_after,
    })


def _require_debitable(world, feature):
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if world.features[feature].kind == "static":
        raise invalid("a static feature cannot be debited")


def _observed(world, subject, feature, amount, verdict, metadata):
    """observe: what a refused debit charges nevertheless; number or None."""
    record_denial(world, subject, feature, verdict.reason)
    kind = world.features[feature].kind
    if kind == "capacity" or (kind == "metered" and verdict.reason != NOT_ENTITLED):
        return charge(world, subject, feature, amount, verdict, metadata)
    return None


def debit(world, subject, feature, amount=1, key=None, metadata=None):
    """(id, remaining, resets_at)"""
    check_subject(subject), check_feature(feature), check_amount(amount), check_key(key)
    arguments = {"feature": feature, "amount": amount, "metadata": metadata}
    known = replay(world, subject, key, "debit", arguments)
    _require_debitable(world, feature)
    if known:
        now = decide(world, subject, feature, amount)
        return known[0], now.remaining, now.resets_at
    verdict = decide(world, subject, feature, amount)
    number = None
    if verdict.allowed:
        if world.features[feature].kind != "boolean":
            number = charge(world, subject, feature, amount, verdict, metadata)
    elif world.observing:
        number = _observed(world, subject, feature, amount, verdict, metadata)
    else:
        raise _refusal(world, subject, feature, amount, verdict)
    if number is not None:
        remember(world, subject, key, "debit", arguments, (number, amount))
    now = decide(world, subject, feature, amount)
    return number, now.remaining, now.resets_at


def try_debit(world, subject, feature, amount=1, key=None, metadata=None, up_to=False):
    """(allowed, reason, id, debited, remaining, resets_at, retry_after, blocked_by)"""
    check_subject(subject), check_feature(feature), check_amount(amount), check_key(key)
    arguments = {"feature": feature, "amount": amount, "metadata": metadata, "up_to": up_to}
    known = replay(world, subject, key, "try_debit", arguments)
    _require_debitable(world, feature)
    if known:
        now = decide(world, subject, feature, amount)
        return True, "ok", known[0], known[1], now.remaining, now.resets_at, None, None
    verdict = decide(world, subject, feature, amount)
    number, debited = None, 0
    if up_to and verdict.reason == NO_ROOM and verdict.remaining > 0:
        amount, verdict = verdict.remaining, decide(world, subject, feature, verdict.remaining)
    elif up_to and verdict.reason == INACTIVE and world.observing and verdict.room:
        amount = min(amount, verdict.room)  # observe: as if it were active
    if verdict.allowed:
        if world.features[feature].kind != "boolean":
            number, debited = charge(world, subject, feature, amount, verdict, metadata), amount
    elif world.observing:
        number = _observed(world, subject, feature, amount, verdict, metadata)
        debited = amount if number is not None else 0
    else:
        record_denial(world, subject, feature, verdict.reason)
    if number is not None:
        remember(world, subject, key, "try_debit", arguments, (number, debited))
    now = decide(world, subject, feature, amount)
    allowed = verdict.allowed or world.observing
    return (
        allowed, verdict.reason, number, debited, now.remaining, now.resets_at,
        interval(verdict.retry_after), verdict.blocked_by,
    )


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
    if debited.kind != "debit":
        raise invalid("not a debit")
    arguments = {"id": id, "amount": amount}
    known = replay(world, debited.subject, key, "refund", arguments)
    if known:
        return *known, decide(world, debited.subject, debited.feature, 1).remaining
    left = debited.amount - debited.refunded
    amount = left if amount is None else amount
    if amount > left or left == 0:
        raise invalid("more than is left of the debit")
    number = world.next_id()
    _give_parts_back(world, number, id, debited, amount)
    world.operations[id] = debited._replace(refunded=debited.refunded + amount)
    world.operations[number] = Operation("refund", debited.subject, debited.feature, amount, 0, debited.levels, ())
    remember(world, debited.subject, key, "refund", arguments, (number, amount))
    return number, amount, decide(world, debited.subject, debited.feature, 1).remaining


def _give_parts_back(world, number, debit_id, debited, amount):
    if not debited.parts:
        _lower_capacity(world, number, "refund", debited.subject, debited.feature, amount, None, debit_id)
        return
    for level in debited.levels:
        left = amount
        for index in reversed(debited.parts):
            part = world.parts[index]
            given = min(left, part.left)
            if part.account == level and given:
                world.parts[index] = part._replace(left=part.left - given)
                _add_to_bucket(world, part.window, part.source, -given)
                world.post(number, debited.subject, level, debited.feature, "refund", part.source, -given,
                           part.window, None, debit_id)
                left -= given


def _lower_capacity(world, number, kind, subject, feature, amount, metadata, debit=None):
    """At every level, which stops at 0; what the subject itself holds no more, others
    may hold above.  The contract leaves open how the ledger says so: a refund has
    the whole and a correction, give_back what really came back."""
    amount_back = min(amount, world.capacity.get((subject, feature), 0))
    for level in prefixes(subject):
        held = world.capacity.get((level, feature), 0)
        given = min(held, amount_back)
        world.capacity[level, feature] = held - given
        shown = amount if kind == "refund" else given
        if shown:
            world.post(number, subject, level, feature, kind, "capacity", -shown, None, metadata, debit)
        if shown > given:
            rest = shown - given
            world.post(number, subject, level, feature, "correction", "capacity", rest, None, metadata, debit)


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
    if amount > world.capacity.get((subject, feature), 0):
        raise invalid("more than is used")
    number = world.next_id()
    _lower_capacity(world, number, "give_back", subject, feature, amount, metadata)
    world.operations[number] = Operation("give_back", subject, feature, amount, 0, tuple(prefixes(subject)), ())
    remember(world, subject, key, "give_back", arguments, (number, amount))
    return number, decide(world, subject, feature, 1).remaining

"""Room that is reserved: reserve, extend, settle, release."""

from . import books, rates, thresholds, times
from .accounts import account_of, accounts
from .arguments import check_amount, check_feature, check_key, check_subject
from .decide import decide
from .enforce import enforce, remember, replay, require_debitable, up_to_what_there_is
from .errors import Fault, gone, invalid, not_found
from .rooms import level_of
from .world import Hold

LONGEST = 30 * times.DAY


def _ttl(text):
    """Microseconds."""
    if text.startswith("-"):
        raise invalid("ttl is negative")
    ttl = times.elapsed(text)
    if not 0 < ttl <= LONGEST:
        raise invalid("ttl is zero or over 30 days")
    return ttl


def reserve(world, subject, feature, amount, ttl="5 minutes", key=None, metadata=None, up_to=False):
    """(id, reserved, remaining, expires_at)"""
    check_subject(subject), check_feature(feature), check_amount(amount)
    if ttl is None:
        raise Fault("22004", "ttl is NULL")
    micros = _ttl(ttl)
    check_key(key)
    arguments = {"feature": feature, "amount": amount, "ttl": ttl, "metadata": metadata, "up_to": up_to}
    known = replay(world, subject, key, "reserve", arguments)
    require_debitable(world, feature)
    if world.features[feature].kind not in ("metered", "capacity"):
        raise invalid("only what is counted can be reserved")
    if known:
        now = decide(world, subject, feature, amount)
        hold = world.holds[known[0]]
        return known[0], known[1], now.remaining, hold.expires_at if hold.state in ("open", "expired") else None
    verdict = decide(world, subject, feature, amount)
    if up_to:
        amount, verdict = up_to_what_there_is(world, subject, feature, amount, verdict)
    number = enforce(world, subject, feature, amount, verdict, metadata, "hold")
    remaining = decide(world, subject, feature, amount).remaining
    if number is None:
        return None, 0, remaining, None
    rated = tuple((level, amount) for level in world.operations[number].levels)
    world.holds[number] = Hold(amount, micros, world.now + micros, "open", rated, world.now, {} if metadata is None else metadata)
    remember(world, subject, key, "reserve", arguments, (number, amount))
    return number, amount, remaining, world.holds[number].expires_at


def _find(world, id):
    """Its record and its operation, or None for observe's NULL."""
    if id is None:
        if world.observing:
            return None, None
        raise Fault("22004", "id is NULL")
    if id not in world.holds:
        raise not_found("hold")
    return world.holds[id], world.operations[id]


def extend(world, id, ttl=None, amount=None):
    """(reserved, remaining, expires_at)"""
    micros = None if ttl is None else _ttl(ttl)
    if amount is not None:
        check_amount(amount)
    hold, operation = _find(world, id)
    if hold is None:
        return None, None, None
    if hold.state != "open":
        raise gone(f"the hold is {hold.state}")
    if amount is not None and amount > hold.reserved:
        hold = _grow(world, id, hold, operation, amount - hold.reserved)
    elif amount is not None and amount < hold.reserved:
        _give(world, id, operation, hold.reserved - amount, "release")
        world.operations[id] = operation._replace(amount=amount)
        less = hold.reserved - amount
        _correct_rates(world, operation, hold, lambda taken: -min(less, taken))
        hold = hold._replace(
            reserved=amount, rated=tuple((level, taken - min(less, taken)) for level, taken in hold.rated))
    micros = hold.ttl if micros is None else micros
    world.holds[id] = hold._replace(ttl=micros, expires_at=world.now + micros)
    remaining = decide(world, operation.subject, operation.feature, 1).remaining
    return hold.reserved, remaining, world.holds[id].expires_at


def _grow(world, id, hold, operation, amount):
    """Reserves so much more, as a reserve of it would."""
    subject, feature = operation.subject, operation.feature
    verdict = decide(world, subject, feature, amount)
    more = enforce(world, subject, feature, amount, verdict, None, "hold")
    if more is None:
        return hold
    new = world.operations[more]
    for index in new.parts:
        world.parts[index] = world.parts[index]._replace(debit_id=id)
    world.book_under(more, id)
    levels = operation.levels + tuple(level for level in new.levels if level not in operation.levels)
    world.operations[id] = operation._replace(
        amount=operation.amount + amount, parts=operation.parts + new.parts, levels=levels,
        began=operation.began or operation.levels,
    )
    del world.operations[more]
    rated = dict(hold.rated)
    rated |= {level: rated.get(level, 0) + amount for level in new.levels}
    return hold._replace(reserved=hold.reserved + amount, rated=tuple(rated.items()))


def _correct_rates(world, operation, hold, more):
    """more: of what the hold took of a rate, the units that it must change by."""
    for account in accounts(world, operation.subject, operation.feature):
        for level, taken in hold.rated:
            if level == account.prefix:
                rates.correct(world, account, more(taken))


def _give(world, id, operation, amount, kind):
    """Gives part of a hold back at every level."""
    number = world.next_id()
    if world.features[operation.feature].kind == "capacity":
        books.lower_capacity(world, number, kind, operation.subject, operation.feature, amount, id)
        return
    for level in operation.levels:
        books.give(world, number, operation, level, amount, kind, id)


def settle(world, id, amount, metadata=None):
    """(id, charged, overdrawn, remaining)"""
    if amount is None:
        raise Fault("22004", "amount is NULL")
    if amount < 0:
        raise invalid("amount is negative")
    hold, operation = _find(world, id)
    if hold is None:
        return None, None, None, None
    if hold.answer is None:
        hold = _close(world, id, hold, operation, amount, metadata)
    charged, overdrawn = hold.answer
    if charged != amount:
        raise gone(f"the hold was closed with {charged}")
    return id, charged, overdrawn, decide(world, operation.subject, operation.feature, 1).remaining


def _close(world, id, hold, operation, amount, metadata):
    """The hold, settled."""
    parts = ()
    if world.features[operation.feature].kind == "capacity":
        overdrawn = _settle_capacity(world, id, hold, operation, amount, metadata)
    else:
        number, overdrawn, parts = world.next_id(), 0, []
        for level in operation.levels:
            now_overdrawn, now_parts = _settle_level(world, number, id, operation, level, amount, metadata)
            overdrawn, parts = max(overdrawn, now_overdrawn), parts + now_parts
    _correct_rates(world, operation, hold, lambda taken: amount - taken)
    world.operations[id] = operation._replace(amount=amount, parts=operation.parts + tuple(parts))
    world.holds[id] = hold._replace(state="closed", answer=(amount, overdrawn))
    if amount:
        thresholds.settled(world, world.operations[id])
    return world.holds[id]


def _settle_level(world, number, id, operation, level, amount, metadata):
    """Brings what a level was charged to amount: (units overdrawn, numbers of new parts)"""
    held = books.held(world, operation, level)
    if held > amount:
        books.give(world, number, operation, level, held - amount, "settle", id)
    if held >= amount:
        return 0, []
    account = account_of(world, operation.subject, operation.feature, level)
    if account:
        parts, overdrawn = books.take(
            world, number, operation.subject, account, amount - held, "settle", metadata, id)
        return overdrawn, parts
    last = [world.parts[n] for n in operation.parts if world.parts[n].account == level][-1]
    part = books.take_from(world, number, operation.subject, level, last.window, last.counted, "overdrawn", None,
                           amount - held, "settle", metadata, id)
    return amount - held, [part]


def _settle_capacity(world, id, hold, operation, amount, metadata):
    """Units that no account has room for, at most of the levels."""
    subject, feature = operation.subject, operation.feature
    held = hold.reserved if hold.state == "open" else 0
    if amount < held:
        _give(world, id, operation, held - amount, "settle")
    if amount <= held:
        return 0
    verdict = decide(world, subject, feature, 1)
    over = [
        amount - held - left
        for left in (level_of(world, account).remaining for account in verdict.accounts) if left is not None
    ]
    books.raise_capacity(world, world.next_id(), subject, feature, amount - held, "settle", metadata, id)
    return max([0] + over)


def release(world, id):
    """(released, remaining)"""
    hold, operation = _find(world, id)
    if hold is None:
        return None, None
    released = 0
    if hold.answer is None:
        released = hold.reserved if hold.state == "open" else 0
        if released and world.features[operation.feature].kind == "capacity":
            _give(world, id, operation, released, "release")
        elif released:
            number = world.next_id()
            for level in operation.levels:
                books.give(world, number, operation, level, books.held(world, operation, level), "release", id)
        _correct_rates(world, operation, hold, lambda taken: -taken)
        world.operations[id] = operation._replace(amount=0)
        world.holds[id] = hold = hold._replace(state="closed", answer=(0, 0))
    if hold.answer[0] != 0:
        raise gone(f"the hold was settled with {hold.answer[0]}")
    return released, decide(world, operation.subject, operation.feature, 1).remaining

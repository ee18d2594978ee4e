"""record: use that has already happened."""

from . import books, rollover, thresholds, times
from .accounts import _granted, accounts, entitled
from .arguments import check_amount, check_feature, check_key, check_subject
from .decide import NOT_ENTITLED, Verdict, decide
from .enforce import record_denial, refusal, remember, replay
from .errors import invalid, not_found
from .world import Operation

KEPT = 396 * times.DAY  # 13 months, as far as the generator comes near


def record(world, subject, feature, amount, at=None, key=None, metadata=None):
    """(id, overdrawn, remaining)"""
    check_subject(subject), check_feature(feature), check_amount(amount)
    if at is not None and (at > world.now or at < world.now - KEPT):
        raise invalid("in the future, or before what is kept")
    check_key(key)
    arguments = {"feature": feature, "amount": amount, "at": at, "metadata": metadata}
    known = replay(world, subject, key, "record", arguments)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if world.features[feature].kind != "metered":
        raise invalid("only metered use is recorded")
    if known:
        return known[0], known[2], decide(world, subject, feature, 1).remaining
    when = world.now if at is None else at
    found = [_window_for(world, subject, account, when) for account in entitled(world, subject, feature, when)]
    found = found or _granted(world, subject, feature, when)
    if not found:
        if not world.observing:
            raise refusal(subject, feature, amount, Verdict(NOT_ENTITLED))
        record_denial(world, subject, feature, NOT_ENTITLED)
        return None, 0, decide(world, subject, feature, 1).remaining
    number = world.next_id()
    parts, most = [], 0
    for account in found:
        taken, overdrawn = books.take(world, number, subject, account, amount, "debit", metadata, at=when)
        parts += taken
        most = max(most, overdrawn)
    levels = tuple(account.prefix for account in found)
    world.operations[number] = Operation("debit", subject, feature, amount, 0, levels, tuple(parts))
    thresholds.settled(world, world.operations[number])
    remember(world, subject, key, "record", arguments, (number, amount, most))
    return number, most, decide(world, subject, feature, 1).remaining


def _window_for(world, subject, account, when):
    """The account's window of that time: of what began anew since, the first; of what is closed, the present one."""
    if account.subscription and when < account.subscription.anchor_at:
        began = entitled(world, subject, account.feature, account.subscription.anchor_at)
        account = _same_prefix(account, began) or account
    if account.entitlement.rollover is None or account.start is None:
        return account
    newest = rollover.closing(world, account.window)
    if newest is None:
        return account
    present = _same_prefix(account, accounts(world, subject, account.feature))
    return present or account._replace(start=newest[3], end=newest[4])


def _same_prefix(account, others):
    return next((other for other in others if other.prefix == account.prefix), None)

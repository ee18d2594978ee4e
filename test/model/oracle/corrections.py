"""set_usage: support's correction of an account; clear_caps."""

from . import books, caps, thresholds
from .accounts import account_of
from .arguments import check_feature, check_key, check_subject
from .decide import NOT_ENTITLED, Verdict, decide
from .enforce import refusal, remember, replay
from .errors import Fault, fits, invalid, not_found
from .grants import present
from .reserved import reserved_in
from .rooms import bucket_of
from .world import SOURCES, Operation


def set_usage(world, subject, feature, used, key=None, metadata=None):
    """(id, remaining)"""
    check_subject(subject), check_feature(feature)
    if used is None:
        raise Fault("22004", "used is NULL")
    if used < 0:
        raise invalid("used is negative")
    check_key(key)
    arguments = {"feature": feature, "used": used, "metadata": metadata}
    known = replay(world, subject, key, "set_usage", arguments)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if world.features[feature].kind not in ("metered", "capacity"):
        raise invalid("only what is counted can be corrected")
    if known:
        return known[0], decide(world, subject, feature, 1).remaining
    account = account_of(world, subject, feature, subject)
    if account is None:
        raise refusal(subject, feature, used, Verdict(NOT_ENTITLED))
    number = world.next_id()
    if world.features[feature].kind == "capacity":
        difference = _correct_capacity(world, number, account, used, metadata)
    else:
        difference = _correct(world, number, account, used, metadata)
    thresholds.charged(world, [account], [max(0, difference)])
    remaining = decide(world, subject, feature, 1).remaining
    if not difference:
        return None, remaining
    world.operations[number] = Operation("correction", subject, feature, abs(difference), 0, (subject,), ())
    remember(world, subject, key, "set_usage", arguments, (number, used))
    return number, remaining


def _correct_capacity(world, number, account, used, metadata):
    name = account.prefix, account.feature
    before = world.capacity.get(name, 0)
    after = fits(used + sum(reserved_in(world, account).values()))
    if after != before:
        world.capacity[name] = after
        world.post(number, account.prefix, account.prefix, account.feature, "correction", "capacity", after - before,
                   None, metadata)
    return after - before


def _correct(world, number, account, used, metadata):
    """The difference that was booked."""
    reserved = reserved_in(world, account)
    difference = used - (bucket_of(world, account).debited - sum(reserved.values()))
    if difference > 0:
        books.take(world, number, account.prefix, account, difference, "correction", metadata)
        return difference
    return -lower(world, number, account.prefix, account, -difference, metadata)


def lower(world, number, subject, account, amount, metadata):
    """Gives back so much of the present use without open holds, as far as it is there; how much it was."""
    reserved, left = reserved_in(world, account), amount
    for source, grant in _in_reverse(world, account.window):
        units = books.count_of(world, account.window, source, grant) - reserved.get((source, grant), 0)
        units = min(left, max(0, units))
        if units:
            books.add(world, account.window, source, grant, -units)
            world.post(number, subject, account.prefix, account.feature, "correction", source, -units,
                       account.window, metadata)
            left -= units
    return amount - left


def _in_reverse(world, window):
    """(source, grant) of a bucket, overdrawn first, the allowance last."""
    grants = [key[1:] for key in world.grant_taken if key[0] == window]
    grants.sort(key=lambda key: present(world.grants[key[0]], key[1]).order, reverse=True)
    for source in reversed(SOURCES):
        yield from [(source, grant) for grant in grants] if source == "grant" else [(source, None)]


def clear_caps(world, subject, feature):
    """How many caps had counted something."""
    check_subject(subject), check_feature(feature)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    if world.features[feature].kind != "metered":
        raise invalid("it has no caps")
    account = account_of(world, subject, feature, subject)
    if account is None:
        raise refusal(subject, feature, 0, Verdict(NOT_ENTITLED))
    cleared = caps.clear(world, account)
    if cleared:
        world.tell("caps_cleared", subject, feature, cleared=cleared)
    return cleared

"""Several features at once: debit_many, charge, charge_units."""

from fractions import Fraction

from .arguments import check_amount, check_key, check_subject
from .decide import INACTIVE, NOT_ENTITLED, decide
from .enforce import enforce, record_denial, refusal, remember, replay, require_debitable
from .errors import MAX, Fault, invalid, not_found


def _in_order(names):
    return sorted(names, key=str.encode)


def debit_many(world, subject, amounts, key=None, metadata=None):
    """Rows (feature, id, remaining, resets_at)"""
    check_subject(subject)
    if amounts is None:
        raise Fault("22004", "amounts is NULL")
    if not 1 <= len(amounts) <= 100:
        raise invalid("amounts has 1 to 100 features")
    if None in amounts.values():  # said before what is wrong with another
        raise Fault("22004", "an amount is NULL")
    for amount in amounts.values():
        check_amount(amount)
    check_key(key)
    arguments = {"amounts": amounts, "metadata": metadata}
    known = replay(world, subject, key, "debit_many", arguments)
    if not known:
        for name in _in_order(amounts):
            require_debitable(world, name)
    numbers = {} if known else _charge_all(world, subject, amounts, metadata)
    rows = known or [(name, numbers[name], amounts[name]) for name in _in_order(amounts)]
    if any(number is not None for _, number, _ in rows):
        remember(world, subject, key, "debit_many", arguments, rows)
    return [(name, number, *_state(world, subject, name)) for name, number, _ in rows]


def _charge_all(world, subject, amounts, metadata):
    """Numbers of the operations by feature.  All is decided before anything is charged."""
    verdicts = {name: decide(world, subject, name, amounts[name]) for name in _in_order(amounts)}
    for name, verdict in verdicts.items():
        if not verdict.allowed and not world.observing:
            raise refusal(subject, name, amounts[name], verdict)
    return {name: enforce(world, subject, name, amounts[name], verdict, metadata) for name, verdict in verdicts.items()}


def _state(world, subject, feature):
    now = decide(world, subject, feature, 1)
    return now.remaining, now.resets_at


def charge(world, subject, action, units="1", key=None, metadata=None):
    """Rows (feature, id, charged, remaining, resets_at).  units: a number as text"""
    check_subject(subject)
    if action is None or units is None:
        raise Fault("22004", "an argument is NULL")
    if Fraction(units) < 0:
        raise invalid("units is negative")
    check_key(key)
    return _act(world, "charge", subject, action, units, {"": Fraction(units)}, key, metadata)


def charge_units(world, subject, action, units, key=None, metadata=None):
    """As charge. units: numbers by dimension"""
    check_subject(subject)
    if action is None or units is None:
        raise Fault("22004", "an argument is NULL")
    if not 1 <= len(units) <= 100:
        raise invalid("units has 1 to 100 dimensions")
    for number in units.values():
        if number is None:
            raise Fault("22004", "a number of units is null")
        if number < 0:
            raise invalid("units is negative")
    check_key(key)
    by_dimension = {name: Fraction(str(number)) for name, number in units.items()}
    return _act(world, "charge_units", subject, action, units, by_dimension, key, metadata)


def _act(world, function, subject, action, given, units, key, metadata):
    arguments = {"action": action, "units": given, "metadata": metadata}
    known = replay(world, subject, key, function, arguments)
    if known:
        return [(name, number, amount, *_state(world, subject, name)) for name, number, amount in known]
    found = world.actions.get(action)
    if found is None or found.retired:
        raise not_found(f"action {action}")
    _check_dimensions(found, units)
    amounts = {name: _price(charges, units) for name, charges in found.charges.items()}
    numbers = _enforce_all(world, subject, found.requires, amounts, metadata)
    rows = [
        (name, numbers.get(name), 0 if numbers.get(name) is None else amounts[name]) for name in _in_order(amounts)
    ]
    if any(number is not None for _, number, _ in rows):
        remember(world, subject, key, function, arguments, rows)
    return [(name, number, amount, *_state(world, subject, name)) for name, number, amount in rows]


def _check_dimensions(action, units):
    priced = {dimension for _, prices in action.charges.values() for dimension in prices}
    if not priced and set(units) == {""}:  # only base prices
        return
    if set(units) - priced or ("" in priced and "" not in units):
        raise invalid("units do not fit the action's prices")


def _price(charge, units):
    base, prices = charge
    total = base + sum(price * units.get(dimension, 0) for dimension, price in prices.items())
    amount = -(-total // 1)
    if amount > MAX:
        raise Fault("22003", "price out of range")
    return int(amount)


def _enforce_all(world, subject, requires, amounts, metadata):
    """Numbers of the operations by feature.  What is required is looked at first."""
    for name in _in_order(requires):
        verdict = decide(world, subject, name, 1)
        if verdict.reason in (NOT_ENTITLED, INACTIVE):
            if not world.observing:
                raise refusal(subject, name, 1, verdict)
            record_denial(world, subject, name, verdict.reason)
    return _charge_all(world, subject, {name: amount for name, amount in amounts.items() if amount}, metadata)

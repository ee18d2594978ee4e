"""What reads answer: check, has, setting, status, me, offers, statement."""

from . import times
from .accounts import accounts, multiplied, prefixes, subscription_at
from .arguments import check_amount, check_feature, check_subject
from .credits import listed
from .decide import NO_ROOM, TOO_FAST, decide, whole_seconds
from .errors import Fault, invalid, not_found
from .reserved import reserved_in
from .plan_changes import change_plan
from .rooms import level_of
from .subscriptions import billing_period, quantity_fits, require_plan, subscribe


def _require_feature(world, feature):
    if feature not in world.features:
        raise not_found(f"feature {feature}")


def check(world, subject, feature, amount=1):
    """(allowed, reason, allowance, used, remaining, resets_at, retry_after, blocked_by)"""
    check_subject(subject), check_feature(feature), check_amount(amount)
    _require_feature(world, feature)
    if world.features[feature].kind == "static":
        raise invalid("check on a static feature")
    v = decide(world, subject, feature, amount)
    return v.allowed, v.reason, v.allowance, v.used, v.remaining, v.resets_at, v.retry_after, v.blocked_by


def has(world, subject, feature):
    """Entitled and active, whatever the room."""
    if subject is None or feature is None:
        return False
    check_subject(subject)
    _require_feature(world, feature)
    return decide(world, subject, feature, 1).reason in ("ok", NO_ROOM, TOO_FAST)


def setting(world, subject, feature):
    """The value of a static or boolean feature."""
    if subject is None or feature is None:
        return None
    check_subject(subject)
    _require_feature(world, feature)
    return _value(world, subject, feature)


def _value(world, subject, feature):
    found = accounts(world, subject, feature)
    if world.features[feature].kind not in ("boolean", "static") or not found:
        return None
    if not all(account.active for account in found):
        return None
    return found[-1].entitlement.value


def status(world, subject):
    """One row for every feature, in order of name: (feature, kind, plan, allowed, allowance, used,
    reserved, remaining, overage, value, period_start, resets_at, unit, title)"""
    check_subject(subject)
    rows = []
    for name in sorted(world.features, key=str.encode):
        feature = world.features[name]
        v = decide(world, subject, name, 1)
        reserved = sum(reserved_in(world, v.level.account).values()) if v.level else 0
        rows.append((
            name, feature.kind, v.plan, v.allowed, v.allowance, v.used, reserved, v.remaining, v.overage,
            _value(world, subject, name), v.start, v.resets_at, feature.unit, feature.title,
        ))
    return rows


def plan_level(world, subject):
    """The deepest subscribed prefix, or None, and its subscription."""
    for level in reversed(prefixes(subject)):
        sub = subscription_at(world, level, world.now)
        if sub:
            return level, sub
    return None, None


def _trial_runs_out(sub):
    """Is its end only that of the trial it is in?"""
    return sub.status == "trialing" and not sub.cancelled and sub.ends_at == sub.trial_end


def _plan_json(world, subject):
    _, sub = plan_level(world, subject)
    name = sub.plan if sub else world.default_plan()
    if name is None:
        return None
    plan = world.plans[name]
    answer = {"name": name, "title": plan.title, "metadata": plan.metadata, "trial_ends_at": None, "cancel_at": None,
              "paused_until": None, "quantity": 1}
    if sub:
        start, end = billing_period(world, sub)
        answer |= {"version": sub.version, "status": sub.status, "trial_ends_at": None if sub.activated else sub.trial_end,
                   "cancel_at": None if _trial_runs_out(sub) else sub.ends_at,
                   "paused_until": sub.paused_until, "quantity": sub.quantity}
    else:
        start, end = times.calendar_window(world.newest(name).period, "UTC", world.now)
        answer |= {"version": plan.version, "status": "active"}
    return answer | {"current_period_start": start, "current_period_end": end}


def me(world, subject):
    """Plan and state as JSON; times are instants."""
    features = {}
    for row in status(world, subject):
        name, kind, _plan, allowed, allowance, used, reserved, remaining, overage, value, start, end, unit, title = row
        features[name] = {
            "kind": kind, "allowed": allowed, "allowance": allowance, "used": used, "reserved": reserved,
            "remaining": remaining, "overage": overage, "unit": unit, "title": title, "value": value,
            "period_start": start, "resets_at": end,
            "retry_after": whole_seconds(decide(world, subject, name, 1).retry_after),
        }
    return {
        "subject": subject,
        "plan": _plan_json(world, subject),
        "features": features,
        "grants": listed(world, subject),
        "enforcement": world.settings["enforcement"],
    }


def _pretend(world, subject, sub, plan, usage="keep"):
    """change_plan now; without a present subscription one from now, whatever is to come."""
    if sub:
        change_plan(world, subject, plan, usage=usage)
    else:
        world.subject_subscriptions[subject] = ()
        subscribe(world, subject, plan)


def offers(world, subject, feature, amount=1):
    """Plans that would allow it: (plan, title, allowance, metadata)"""
    check_subject(subject), check_feature(feature), check_amount(amount)
    _require_feature(world, feature)
    if world.features[feature].kind == "static":
        raise invalid("offers on a static feature")
    level, sub = plan_level(world, subject)
    present = sub.plan if sub else world.default_plan()
    rows = []
    for name, plan in world.plans.items():
        if plan.retired or name == present or feature not in world.newest(name).entitlements:
            continue  # a plan that does not give it is not offered, though an override might
        if sub and not quantity_fits(world, sub.subject, name, world.plans[name].version, sub.quantity):
            continue
        mark = world.journal.mark()
        _pretend(world, level or prefixes(subject)[0], sub, name)
        verdict = decide(world, subject, feature, amount)
        world.journal.rollback(mark)
        if verdict.allowed:
            terms = multiplied(world.newest(name).entitlements[feature], sub.quantity if sub else 1)
            rows.append((name, plan.title, terms.allowance, plan.metadata))
    return sorted(rows, key=lambda row: (row[2] is None, row[2] or 0, row[0].encode()))


def preview(world, subject, plan, usage="keep"):
    """What status would show after change_plan: (feature, kind, allowance, used, remaining, value, fits)"""
    check_subject(subject)
    if plan is None or usage is None:
        raise Fault("22004", "an argument is NULL")
    if usage not in ("keep", "reset", "prorate"):
        raise invalid("usage")
    sub = subscription_at(world, subject, world.now)
    require_plan(world, subject, plan, sub and sub.plan)
    mark = world.journal.mark()
    before = {name: _given(world, subject, name) for name in world.features}
    _pretend(world, subject, sub, plan, usage)
    rows = [
        (name, kind, allowance, used, remaining, value, _fits(world, subject, name, before[name]))
        for name, kind, _, _, allowance, used, _, remaining, _, value, *_ in status(world, subject)
    ]
    world.journal.rollback(mark)
    return rows


def _given(world, subject, feature):
    """Of what is counted: is something of it used?  Else: is it given, whatever the status?"""
    found = accounts(world, subject, feature)
    if world.features[feature].kind in ("metered", "capacity"):
        return any(level_of(world, account).used for account in found)
    return bool(found) and (world.features[feature].kind != "boolean" or found[-1].entitlement.value is True)


def _fits(world, subject, feature, given):
    """Is nothing lost of what was given, and no account over its allowance and overage?"""
    found = accounts(world, subject, feature)
    if not found:
        return not given
    if world.features[feature].kind in ("metered", "capacity"):
        return all(_within(level_of(world, account)) for account in found)
    return not given or _given(world, subject, feature)


def _within(level):
    overage = level.account.entitlement.overage
    return level.allowance is None or overage is None or level.used <= level.allowance + overage


def _reported_account(levels, subject):
    """Whose entries of an operation show it: the subject's, else the nearest above's,
    else the highest below."""
    above = [level for level in levels if len(level) <= len(subject)]
    return max(above, key=len) if above else min(levels, key=len)


def statement(world, subject, feature, since=None, until=None, max_rows=100):
    """What was charged for the subject or below, newest last:
    (operation, at, subject, kind, amount, source, running, metadata)"""
    check_subject(subject), check_feature(feature)
    _require_feature(world, feature)
    rows, sums = [], {}
    for entry in sorted(world.ledger.values(), key=lambda e: (e.at, e.operation)):
        if entry.feature != feature or not (entry.subject + "/").startswith(subject + "/"):
            continue
        operation = world.operations.get(entry.operation) or world.operations[entry.debit]
        if entry.account != _reported_account(operation.levels, subject):
            continue
        sums[entry.window] = running = sums.get(entry.window, 0) + entry.amount
        if (since is None or since <= entry.at) and (until is None or entry.at < until):
            rows.append((entry.operation, entry.at, entry.subject, entry.kind, entry.amount, entry.source, running,
                         entry.metadata))
    return rows[-max_rows:]

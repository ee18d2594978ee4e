"""Who has which plan: subscribe, change_plan, cancel, set_status, override."""

from . import times
from .accounts import accounts, entitlement_window, subscription_at
from .arguments import check_subject
from .errors import Fault, invalid, not_found
from .world import Bucket, Operation, Override, Subscription


# ---- use that continues in another window --------------------------------


def own_account(world, subject, feature):
    """The account of this very level, or None."""
    for account in accounts(world, subject, feature):
        if account.prefix == subject:
            return account
    return None


def metered_windows(world, subject, features=None):
    """feature -> key of the current window of the subject's own metered accounts."""
    keys = {}
    for feature in features or list(world.features):
        if world.features[feature].kind == "metered":
            account = own_account(world, subject, feature)
            if account:
                keys[feature] = account.window_key(feature)
    return keys


def take_over(world, old, new):
    """Window `new` takes the use of window `old` over, each part as what it was."""
    if old == new or old not in world.buckets:
        return
    used, into = world.buckets[old], world.buckets.get(new, Bucket())
    world.buckets[new] = Bucket(into.allowance + used.allowance, into.overdrawn + used.overdrawn)
    world.buckets[old] = Bucket()
    world.moved[old] = new
    if new in world.moved:
        del world.moved[new]
    for number, part in list(world.parts.items()):
        if part.window == old:
            world.parts[number] = part._replace(window=new)
    number, subject, feature = world.next_id(), old[0], old[1]
    for window, sign in ((old, -1), (new, 1)):
        for source in ("allowance", "overdrawn"):
            amount = getattr(used, source)
            if amount:
                world.post(number, subject, subject, feature, "transfer", source, sign * amount, window, None)
    world.operations[number] = Operation("transfer", subject, feature, used.used, 0, (subject,), ())


def keep(world, subject, features, change):
    """Runs change(); where the current window became another one, that takes the use over."""
    before = metered_windows(world, subject, features)
    result = change()
    after = metered_windows(world, subject, features)
    for feature, new in after.items():
        take_over(world, before[feature] if feature in before else _holder(world, new), new)
    return result


def _holder(world, window):
    """The window in which the use of this one lies now.  A feature that comes back
    after a plan without it finds its use again."""
    while window in world.moved:
        window = world.moved[window]
    return window


def default_windows(world):
    """feature -> (start, end) of the default plan's current metered windows."""
    plan = world.default_plan()
    if plan is None:
        return {}
    return {
        feature: entitlement_window(entitlement, "metered", None, None, world.now)
        for feature, entitlement in world.newest(plan).entitlements.items()
        if world.features[feature].kind == "metered"
    }


def keep_default_use(world, before):
    """A new version of the default plan acts as change_plan keep for whoever is on it."""
    after = default_windows(world)
    for subject, feature, source, start, end in list(world.buckets):
        if (
            source is None
            and "/" not in subject
            and (subject, feature) not in world.overrides
            and before.get(feature) == (start, end)
            and feature in after
        ):
            take_over(world, (subject, feature, None, start, end), (subject, feature, None, *after[feature]))


# ---- subscriptions -------------------------------------------------------


def _overlaps(world, subject, starts_at, ends_at):
    for number in world.subject_subscriptions.get(subject, ()):
        sub = world.subscriptions[number]
        if sub.ends_at == sub.starts_at:  # never was
            continue
        if (ends_at is None or sub.starts_at < ends_at) and (sub.ends_at is None or starts_at < sub.ends_at):
            return True
    return False


def _require_plan(world, subject, plan, present=None):
    check_subject(subject)
    if plan not in world.plans:
        raise not_found(f"plan {plan}")
    if world.plans[plan].retired and plan != present:
        raise invalid(f"plan {plan} is retired")


def subscribe(world, subject, plan, starts_at=None, ends_at=None, trial=None, timezone="UTC"):
    """Number of the new subscription. trial: an interval text."""
    check_subject(subject)
    starts_at = world.now if starts_at is None else starts_at
    if ends_at is not None and ends_at <= starts_at:
        raise invalid("ends_at is not after starts_at")
    _require_plan(world, subject, plan)
    trial_end = None
    if trial is not None:
        trial_end = _earlier(ends_at, times.add(starts_at, times.period_of(trial), 1, timezone))
    end = _earlier(ends_at, trial_end)
    if _overlaps(world, subject, starts_at, end):
        raise Fault("23P01", "another subscription at that time")
    number = world.next_id()
    world.subscriptions[number] = Subscription(
        number, subject, plan, world.plans[plan].version, "trialing" if trial else "active",
        starts_at, end, ends_at, trial_end, trial_end is None, False, timezone,
    )
    world.subject_subscriptions[subject] = world.subject_subscriptions.get(subject, ()) + (number,)
    return number


def future_subscription(world, subject):
    """The next one to start, or None."""
    numbers = world.subject_subscriptions.get(subject, ())
    coming = [world.subscriptions[n] for n in numbers if world.subscriptions[n].starts_at > world.now]
    coming = [sub for sub in coming if sub.ends_at is None or sub.ends_at > sub.starts_at]
    return min(coming, key=lambda sub: sub.starts_at, default=None)


def _meant(world, subject):
    """The subscription that a change is about: the present one, else the next."""
    check_subject(subject)
    sub = subscription_at(world, subject, world.now) or future_subscription(world, subject)
    if sub is None:
        raise not_found(f"no subscription of {subject}")
    return sub


def change_plan(world, subject, plan, effective="now", usage="keep"):
    """Number of the subscription."""
    check_subject(subject)
    sub = subscription_at(world, subject, world.now) or future_subscription(world, subject)
    _require_plan(world, subject, plan, sub and sub.plan)
    if sub is None:
        return subscribe(world, subject, plan)
    changed = sub._replace(plan=plan, version=world.plans[plan].version)
    if sub.cancelled:
        changed = changed._replace(cancelled=False, ends_at=_until_next(world, sub, _uncancelled_end(sub)))
    keep(world, subject, None, lambda: world.subscriptions.__setitem__(sub.id, changed))
    return sub.id


def _until_next(world, sub, end):
    """The end that a subscription gets back, unless another one begins before."""
    starts = [
        other.starts_at
        for other in map(world.subscriptions.get, world.subject_subscriptions[sub.subject])
        if other.starts_at > sub.starts_at and other.ends_at != other.starts_at
    ]
    return _earlier(min(starts, default=None), end)


def _uncancelled_end(sub):
    return _earlier(sub.booked_end, None if sub.activated else sub.trial_end)


def _earlier(one, other):
    """Of two ends, None being no end."""
    return min((end for end in (one, other) if end is not None), default=None)


def billing_period(world, sub):
    """[start, end) of the plan's own period, counted from starts_at."""
    text = world.versions[sub.plan, sub.version].period
    return times.window(sub.starts_at, times.period_of(text), sub.zone, world.now)


def cancel(world, subject, effective="period_end"):
    """When it ends."""
    sub = _meant(world, subject)
    if sub.starts_at > world.now:  # a future one is removed
        world.subscriptions[sub.id] = sub._replace(ends_at=sub.starts_at, cancelled=True)
        return world.now
    end = world.now if effective == "now" else billing_period(world, sub)[1]
    if sub.cancelled and effective == "period_end":
        return sub.ends_at  # scheduled before; differs only when the clock went back
    natural = _uncancelled_end(sub)
    if natural is not None:
        end = min(end, natural)
    world.subscriptions[sub.id] = sub._replace(ends_at=end, cancelled=True)
    return end


def set_status(world, subject, status):
    sub = _meant(world, subject)
    changed = sub._replace(status=status)
    if status == "active" and not sub.activated:
        changed = changed._replace(activated=True)
        if not sub.cancelled:
            changed = changed._replace(ends_at=_until_next(world, sub, sub.booked_end))
    world.subscriptions[sub.id] = changed


def override(world, subject, feature, entitlement):
    """entitlement: None removes."""
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    key = subject, feature
    old = world.overrides.get(key)

    def change():
        if entitlement is None:
            if old:
                del world.overrides[key]
            return
        same = old and (old.entitlement.period, old.entitlement.anchor) == (entitlement.period, entitlement.anchor)
        world.overrides[key] = Override(entitlement, old.set_at if same else world.now)

    keep(world, subject, [feature], change)

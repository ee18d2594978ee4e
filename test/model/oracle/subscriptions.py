"""Who has which plan: subscribe, cancel, override."""

from . import times
from .accounts import subscription_at, too_large
from .arguments import check_subject
from .errors import Fault, invalid, not_found
from .moves import keep
from .world import Override, Subscription


def overlaps(world, subject, starts_at, ends_at, but=None):
    """Is there another one at that time? but: its number, which does not count."""
    for number in world.subject_subscriptions.get(subject, ()):
        sub = world.subscriptions[number]
        if number == but or sub.ends_at == sub.starts_at:  # never was
            continue
        if (ends_at is None or sub.starts_at < ends_at) and (sub.ends_at is None or starts_at < sub.ends_at):
            return True
    return False


def require_plan(world, subject, plan, present=None):
    check_subject(subject)
    if plan not in world.plans:
        raise not_found(f"plan {plan}")
    if world.plans[plan].retired and plan != present:
        raise invalid(f"plan {plan} is retired")


def subscribe(world, subject, plan, starts_at=None, ends_at=None, trial=None, timezone="UTC", quantity=1):
    """Number of the new subscription. trial: an interval text."""
    check_subject(subject)
    starts_at = world.now if starts_at is None else starts_at
    if ends_at is not None and ends_at <= starts_at:
        raise invalid("ends_at is not after starts_at")
    require_plan(world, subject, plan)
    trial_end = None
    if trial is not None:
        trial_end = earlier(ends_at, times.add(starts_at, times.period_of(trial), 1, timezone))
    end = earlier(ends_at, trial_end)
    require_quantity(world, subject, plan, world.plans[plan].version, quantity)
    if overlaps(world, subject, starts_at, end):
        raise Fault("23P01", "another subscription at that time")
    number = world.next_id()
    world.subscriptions[number] = Subscription(
        number, subject, plan, world.plans[plan].version, "trialing" if trial else "active",
        starts_at, end, ends_at, trial_end, trial_end is None, False, timezone, starts_at, number, quantity=quantity, metadata={},
    )
    world.subject_subscriptions[subject] = world.subject_subscriptions.get(subject, ()) + (number,)
    tell(world, "subscribed", world.subscriptions[number], starts_at=starts_at, ends_at=end, trial_ends_at=trial_end, quantity=quantity)
    return number


def tell(world, type, sub, **data):
    """An event of a subscription as it is in sub."""
    world.tell(type, sub.subject, subscription_id=sub.id, plan=sub.plan, version=sub.version, **data)


def quantity_fits(world, subject, plan, version, quantity):
    """Does a bigint hold what the plan or the subject's overrides give for each of the quantity?"""
    given = list(world.versions[plan, version].entitlements.values())
    given += [override.entitlement for (level, _), override in world.overrides.items() if level == subject]
    return not any(too_large(entitlement, quantity) for entitlement in given)


def require_quantity(world, subject, plan, version, quantity):
    if not quantity_fits(world, subject, plan, version, quantity):
        raise Fault("22003", "quantity is too large")


def future_subscription(world, subject):
    """The next one to start, or None."""
    numbers = world.subject_subscriptions.get(subject, ())
    coming = [world.subscriptions[n] for n in numbers if world.subscriptions[n].starts_at > world.now]
    coming = [sub for sub in coming if sub.ends_at is None or sub.ends_at > sub.starts_at]
    return min(coming, key=lambda sub: sub.starts_at, default=None)


def meant(world, subject):
    """The subscription that a change is about: the present one, else the next."""
    check_subject(subject)
    sub = subscription_at(world, subject, world.now) or future_subscription(world, subject)
    if sub is None:
        raise not_found(f"no subscription of {subject}")
    return sub


def until_next(world, sub, end):
    """The end that a subscription gets back, unless another one begins before."""
    starts = [
        other.starts_at
        for other in map(world.subscriptions.get, world.subject_subscriptions[sub.subject])
        if other.starts_at > sub.starts_at and other.ends_at != other.starts_at
    ]
    return earlier(min(starts, default=None), end)


def uncancelled_end(sub):
    return earlier(sub.booked_end, None if sub.activated else sub.trial_end)


def earlier(one, other):
    """Of two ends, None being no end."""
    return min((end for end in (one, other) if end is not None), default=None)


def billing_period(world, sub):
    """[start, end) of the plan's own period, counted from starts_at or the last reset."""
    text = world.versions[sub.plan, sub.version].period
    return times.window(sub.anchor_at, times.period_of(text), sub.zone, world.now)


def cancel(world, subject, effective="period_end"):
    """When it ends."""
    sub = meant(world, subject)
    if sub.starts_at > world.now:  # a future one is removed
        world.subscriptions[sub.id] = sub._replace(ends_at=sub.starts_at, cancelled=True, next=None)
        tell(world, "subscription_removed", sub, starts_at=sub.starts_at)
        return world.now
    end = billing_period(world, sub)[1] if sub.activated else sub.trial_end
    if effective == "now":
        end = world.now
    if sub.cancelled and effective == "period_end":
        world.subscriptions[sub.id] = sub._replace(next=None)
        return sub.ends_at  # scheduled before; differs only when the clock went back
    natural = uncancelled_end(sub)
    if natural is not None:
        end = min(end, natural)
    world.subscriptions[sub.id] = sub._replace(ends_at=end, cancelled=True, next=None)
    tell(world, "subscription_cancelled", sub, effective=effective, ends_at=end)
    return end


def override(world, subject, feature, entitlement):
    """entitlement: None removes."""
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    key = subject, feature
    own = subscription_at(world, subject, world.now) or future_subscription(world, subject)
    if entitlement and own and too_large(entitlement, own.quantity):
        raise Fault("22003", "entitlement is too large")
    old = world.overrides.get(key)

    def change():
        if entitlement is None:
            if old:
                del world.overrides[key]
            return
        same = old and (old.entitlement.period, old.entitlement.anchor) == (entitlement.period, entitlement.anchor)
        world.overrides[key] = Override(entitlement, old.set_at if same else world.now)

    keep(world, subject, [feature], change)

"""change_plan, now or at the end of the billing period or trial (keep, reset, prorate); set_status."""

from . import thresholds
from .accounts import subscription_at
from .arguments import check_subject
from .errors import invalid
from .moves import keep, metered_accounts, prorate, same_series, with_members
from .rooms import limit_of
from .subscriptions import (
    billing_period, future_subscription, meant, require_plan, require_quantity, subscribe, tell, uncancelled_end, until_next,
)
from .world import Scheduled


def change_plan(world, subject, plan, effective="now", usage="keep"):
    """Number of the subscription."""
    check_subject(subject)
    present = subscription_at(world, subject, world.now)
    sub = present or future_subscription(world, subject)
    require_plan(world, subject, plan, sub and sub.plan)
    if sub is None:
        return subscribe(world, subject, plan)
    version = world.plans[plan].version
    require_quantity(world, subject, plan, version, sub.quantity)
    resumes, end = sub.cancelled, None
    if sub.cancelled or not sub.activated:
        sub = sub._replace(cancelled=False, ends_at=until_next(world, sub, uncancelled_end(sub)))
    if _is_the_same(world, sub, plan, effective, usage, present):
        world.subscriptions[sub.id] = sub._replace(next=None)
        end = "same"
    elif effective == "period_end" and present:
        at = billing_period(world, sub)[1]
        if not sub.activated:
            at = sub.trial_end
            sub = sub._replace(ends_at=until_next(world, sub, sub.booked_end))
            if sub.ends_at is not None and sub.ends_at <= at:
                raise invalid("the trial is all of it")
        world.subscriptions[sub.id] = sub._replace(next=Scheduled(plan, version, usage, at))
        end = "scheduled"
    elif present:
        _change(world, sub, plan, version, usage, world.now, resumes=resumes)
    else:  # no account depends on it yet
        world.subscriptions[sub.id] = sub._replace(plan=plan, version=version, next=None)
        tell_changed(world, sub, None, sub.starts_at, resumes)
    if end and resumes:
        tell(world, "cancellation_undone", sub, ends_at=world.subscriptions[sub.id].ends_at)
    return sub.id


def _is_the_same(world, sub, plan, effective, usage, present):
    """It has this version, and neither begins anew nor is a trial confirmed."""
    if (plan, world.plans[plan].version) != (sub.plan, sub.version):
        return False
    return not present or (usage != "reset" and (effective == "now" or sub.activated))


def set_status(world, subject, status, until=None):
    check_subject(subject)
    if until is not None and (status != "paused" or until <= world.now):
        raise invalid("until")
    sub = meant(world, subject)
    since = None
    if status == "past_due":
        since = sub.past_due_since if sub.status == "past_due" else world.now
    before = None
    if status == "paused":
        since, before = sub.past_due_since, sub.paused_from or sub.status
    changed = sub._replace(status=status, past_due_since=since, paused_from=before, paused_until=until)
    if status == "active" and not sub.activated:
        changed = activated(world, changed)
    world.subscriptions[sub.id] = changed
    if (sub.status, sub.paused_until) != (status, until):
        tell_status(world, changed, sub.status)
    end_trial(world, sub)


def tell_status(world, sub, old):
    tell(world, "status_changed", sub, status=sub.status, old_status=old, ends_at=sub.ends_at, paused_until=sub.paused_until)


def tell_changed(world, before, usage, at, resumes=False):
    """That a subscription has got another version, or a reset."""
    tell(world, "plan_changed", world.subscriptions[before.id], old_plan=before.plan, old_version=before.version, usage=usage,
         effective_at=at, cancellation_undone=resumes)


def activated(world, sub):
    """Its trial is over."""
    end = sub.ends_at if sub.cancelled else until_next(world, sub, sub.booked_end)
    return sub._replace(activated=True, ends_at=end)


def end_trial(world, before):
    """What was scheduled for the end of a trial that has come early."""
    sub = world.subscriptions[before.id]
    if sub.next and sub.activated and not before.activated:
        _change(world, sub, sub.next.plan, sub.next.version, sub.next.usage, world.now, True)


def _change(world, sub, plan, version, usage, at, at_end=False, resumes=False):
    """In force from `at` on."""
    if at_end and sub.status == "trialing":
        tell_status(world, sub._replace(status="active"), "trialing")
    thresholds.changing(world, with_members(world, sub.subject), lambda: _make(world, sub, plan, version, usage, at, at_end))
    tell_changed(world, sub, usage, at, resumes)


def _make(world, sub, plan, version, usage, at, at_end):
    changed = sub._replace(plan=plan, version=version, next=None)
    if at_end:
        changed = changed._replace(status=_untried(sub.status), paused_from=_untried(sub.paused_from), activated=True)
    if usage == "reset":
        world.subscriptions[sub.id] = changed._replace(anchor_at=at, source=world.next_id())
        return
    present = metered_accounts(world, sub.subject, None, at)
    limits = {feature: limit_of(world, account) for feature, account in present.items()}
    before, after = keep(world, sub.subject, None, lambda: world.subscriptions.__setitem__(sub.id, changed), at, at_end)
    if usage == "prorate":
        for feature in after:
            if feature in before:
                _prorate(world, before[feature], after[feature], limits[feature], at)


def _untried(status):
    return "active" if status == "trialing" else status


def _prorate(world, before, after, old, at):
    """The window's limit: what the old one gives for the time that has passed, and
    the new one for the rest."""
    terms, new = before.entitlement, after.entitlement.allowance
    if not same_series(terms, after.entitlement) or None in (old, new, terms.period) or before.window != after.window:
        return
    length, elapsed = after.end - after.start, max(0, at - after.start)
    prorate(world, after, (old * elapsed + new * (length - elapsed)) // length)


def resume(world):
    """Pauses whose end has come."""
    for sub in list(world.subscriptions.values()):
        if sub.paused_until is not None and sub.paused_until <= world.now:
            world.settings["no way back"] = max(world.settings["no way back"], sub.paused_until)
            world.subscriptions[sub.id] = sub._replace(status=sub.paused_from, paused_from=None, paused_until=None)


def carry_out(world):
    """Scheduled changes whose time has come."""
    for sub in list(world.subscriptions.values()):
        if sub.next and sub.next.at <= world.now and (sub.ends_at is None or sub.next.at < sub.ends_at):
            world.settings["no way back"] = max(world.settings["no way back"], sub.next.at)
            _change(world, sub, sub.next.plan, sub.next.version, sub.next.usage, sub.next.at, True)

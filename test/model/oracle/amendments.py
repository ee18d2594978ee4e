"""What changes a subscription but not its plan, amend(); and migrate(), its version alone."""

from .arguments import check_subject
from .errors import Fault, invalid, not_found
from . import thresholds
from .moves import dependents, keep, keep_below, with_members
from .plan_changes import activated, end_trial, tell_changed, tell_status
from .subscriptions import earlier, meant, overlaps, require_quantity, until_next

KEYS = {"trial_ends_at", "ends_at", "timezone", "external_id", "metadata", "quantity"}


def amend(world, subject, changes):
    """Number of the subscription."""
    check_subject(subject)
    if changes is None:
        raise Fault("22004", "changes is NULL")
    if set(changes) - KEYS:
        raise invalid("unknown key")
    sub = meant(world, subject)
    _require_quantity(world, sub, changes)
    world.subscriptions[sub.id] = _with_ends(world, sub, changes)
    end_trial(world, sub)
    _reckon_otherwise(world, world.subscriptions[sub.id], changes)
    before, after = _amendable(sub), _amendable(world.subscriptions[sub.id])
    changed = [key for key in before if before[key] != after[key]]
    if changed:
        world.tell("subscription_amended", subject, before={key: before[key] for key in changed},
                   after={key: after[key] for key in changed})
    return sub.id


def _amendable(sub):
    return {"trial_ends_at": None if sub.activated else sub.trial_end, "ends_at": sub.ends_at if sub.activated else sub.booked_end,
            "timezone": sub.zone, "metadata": sub.metadata, "quantity": sub.quantity}


def _require_quantity(world, sub, changes):
    """Of a new one: what is given for each of it fits, under the plan that is to come too."""
    quantity = changes.get("quantity") or 1
    if changes.get("quantity") == 0:
        raise invalid("quantity")
    if "quantity" in changes and quantity != sub.quantity:
        for plan in filter(None, (sub, sub.next)):
            require_quantity(world, sub.subject, plan.plan, plan.version, quantity)


def _with_ends(world, sub, changes):
    """The subscription with other ends."""
    asked = "ends_at" in changes
    if not asked and "trial_ends_at" not in changes:
        return sub
    if asked:
        _require_after_now(world, sub, changes["ends_at"])
        sub = sub._replace(booked_end=changes["ends_at"], cancelled=False)
    trial_end = changes.get("trial_ends_at", sub.trial_end)
    if sub.activated:
        if trial_end is not None and "trial_ends_at" in changes:
            raise invalid("there is no trial")
        return _until(world, sub, sub.booked_end) if asked else sub
    if trial_end is None:
        was = sub.status
        sub = activated(world, sub)._replace(status="active", past_due_since=None, paused_from=None, paused_until=None)
        tell_status(world, sub, was)
        return _until(world, sub, sub.booked_end) if asked else sub
    if "trial_ends_at" in changes:
        _require_after_now(world, sub, trial_end)
    sub = sub._replace(trial_end=earlier(trial_end, sub.booked_end))
    if sub.next is None:
        return _until(world, sub, sub.trial_end)
    if sub.booked_end == sub.trial_end:
        raise invalid("the trial is all of it")
    _until(world, sub, sub.trial_end)
    sub = sub._replace(next=sub.next._replace(at=sub.trial_end))
    return _until(world, sub, sub.booked_end if asked else until_next(world, sub, sub.booked_end))


def _until(world, sub, end):
    """It ends then, if no other one is in the way."""
    if overlaps(world, sub.subject, sub.starts_at, end, sub.id):
        raise Fault("23P01", "another subscription at that time")
    return sub._replace(ends_at=end)


def _require_after_now(world, sub, end):
    if end is not None and end <= max(world.now, sub.starts_at):
        raise invalid("an end that is past")


def _reckon_otherwise(world, sub, changes):
    """With another zone or quantity: as change_plan keep."""
    changed = sub
    if "timezone" in changes:
        changed = changed._replace(zone=changes["timezone"] or "UTC")
    if "quantity" in changes:
        changed = changed._replace(quantity=changes["quantity"] or 1)
    if "metadata" in changes:
        sub = sub._replace(metadata=changes["metadata"] or {})
        changed = changed._replace(metadata=sub.metadata)
    if changed != sub and sub.starts_at <= world.now:
        thresholds.changing(world, dependents(world, sub), lambda: keep_below(
            world, sub, lambda: world.subscriptions.__setitem__(sub.id, changed)))
    else:
        world.subscriptions[sub.id] = changed


def migrate(world, plan, max_subjects=1000):
    """How many have got the newest version."""
    if plan is None or max_subjects is None:
        raise Fault("22004", "an argument is NULL")
    if max_subjects <= 0:
        raise invalid("max_subjects")
    if plan not in world.plans:
        raise not_found(f"plan {plan}")
    moved = older(world, plan)[:max_subjects]
    for sub in moved:
        changed = sub._replace(version=world.plans[plan].version)
        change = lambda: world.subscriptions.__setitem__(sub.id, changed)  # noqa: E731
        if sub.starts_at <= world.now:
            thresholds.changing(world, with_members(world, sub.subject), lambda: keep(world, sub.subject, None, change))
        else:
            change()
        tell_changed(world, sub, "keep" if sub.starts_at <= world.now else None, max(world.now, sub.starts_at))
    return len(moved)


def older(world, plan):
    """Subscriptions, begun or not, to older versions of a plan."""
    return [
        sub for sub in world.subscriptions.values()
        if sub.plan == plan and sub.version < world.plans[plan].version
        and (sub.ends_at is None or sub.ends_at > max(sub.starts_at, world.now))
    ]

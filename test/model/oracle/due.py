"""What has come by the time: pauses that ended, holds that expired, plan changes that were scheduled.

The contract says that they hold from their instant on, whoever notices.  The
oracle does them at the beginning of every call."""

from . import books
from .plan_changes import carry_out, resume


def bring_about(world):
    resume(world)
    carry_out(world)
    for number, hold in sorted(world.holds.items(), key=lambda item: (item[1].expires_at, item[0])):
        if hold.state == "open" and hold.expires_at <= world.now:
            _expire(world, number, hold)


def _expire(world, number, hold):
    """What it reserved is free."""
    operation, entry = world.operations[number], world.next_id()
    world.settings["no way back"] = max(world.settings["no way back"], hold.expires_at)
    if world.features[operation.feature].kind == "capacity":
        books.lower_capacity(world, entry, "expiry", operation.subject, operation.feature, hold.reserved, number)
    for level in operation.levels:
        books.give(world, entry, operation, level, books.held(world, operation, level), "expiry", number)
    world.holds[number] = hold._replace(state="expired")

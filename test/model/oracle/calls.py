"""The oracle as one function: call(world, name, arguments) -> rows, or a Fault."""

from . import (
    amendments, batch, corrections, credits, enforce, gates, holds, late, plan_changes, reads, reports, subscriptions, tables,
    thresholds,
)
from .arguments import check_feature, check_subject
from .catalog import apply_catalog, entitlement_of
from .due import bring_about
from .errors import not_found
from .moves import with_members


def _override(world, subject, feature, entitlement):
    check_subject(subject), check_feature(feature)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    terms = None if entitlement is None else entitlement_of(world.features[feature].kind, entitlement)
    old = world.overrides.get((subject, feature))
    thresholds.changing(world, with_members(world, subject), lambda: subscriptions.override(world, subject, feature, terms))
    if terms is None and old:
        world.tell("override_removed", subject, feature)
    elif terms is not None and (old is None or old.entitlement != terms):
        world.tell("override_set", subject, feature, entitlement=entitlement)


def _one(function):
    return lambda world, **arguments: [function(world, **arguments)]


def _scalar(function):
    return lambda world, **arguments: [(function(world, **arguments),)]


FUNCTIONS = {
    "apply_catalog": apply_catalog,
    "subscribe": _scalar(subscriptions.subscribe),
    "change_plan": _scalar(plan_changes.change_plan),
    "cancel": _scalar(subscriptions.cancel),
    "set_status": _scalar(plan_changes.set_status),
    "amend": _scalar(amendments.amend),
    "migrate": _scalar(amendments.migrate),
    "override": _scalar(_override),
    "debit": _one(enforce.debit),
    "try_debit": _one(enforce.try_debit),
    "refund": _one(enforce.refund),
    "give_back": _one(enforce.give_back),
    "throttle": _one(enforce.throttle),
    "debit_many": batch.debit_many,
    "charge": batch.charge,
    "charge_units": batch.charge_units,
    "reserve": _one(holds.reserve),
    "extend": _one(holds.extend),
    "settle": _one(holds.settle),
    "release": _one(holds.release),
    "credit": _one(credits.credit),
    "revoke": _scalar(credits.revoke),
    "set_usage": _one(corrections.set_usage),
    "clear_caps": _scalar(corrections.clear_caps),
    "record": _one(late.record),
    "check": _one(reads.check),
    "has": _scalar(reads.has),
    "setting": _scalar(reads.setting),
    "status": reads.status,
    "me": _scalar(reads.me),
    "offers": reads.offers,
    "preview": reads.preview,
    "statement": reads.statement,
    "explain": reports.explain,
    "usage": reports.usage,
    "protect": _scalar(gates.protect),
    "unprotect": _scalar(gates.unprotect),
    "recount": gates.recount,
    "create_tables": _scalar(tables.create_tables),  # the application's, as write
    "write": _scalar(tables.write),
}


def call(world, name, arguments):
    """Rows (tuples) of quota.<name>(arguments).  An error takes its changes back."""
    bring_about(world)
    mark = world.journal.mark()
    try:
        return FUNCTIONS[name](world, **arguments)
    except Exception:
        world.journal.rollback(mark)
        raise

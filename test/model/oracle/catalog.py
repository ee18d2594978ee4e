"""apply_catalog: features, plans and their versions."""

from fractions import Fraction

from . import times
from .errors import invalid
from .moves import default_windows, keep_default_use
from .world import Action, Cap, Entitlement, Feature, Plan, Rate, Version


def entitlement_of(kind, given):
    """Of the catalog's JSON for one feature."""
    entitlement = _terms_of(kind, given)
    if "members" in given:
        entitlement = entitlement._replace(members=_terms_of(kind, given["members"]))
    return entitlement


def _terms_of(kind, given):
    if kind in ("boolean", "static"):
        return Entitlement(None, None, "calendar", given["value"])
    if kind in ("metered", "capacity") and "allowance" not in given:
        raise invalid("metered or capacity without allowance")
    overage = given.get("overage", False)
    return Entitlement(
        given.get("allowance"),
        given.get("period"),
        given.get("anchor", "calendar"),
        None,
        given["rollover"]["max"] if "rollover" in given else None,
        None if overage is True else overage["limit"] if overage else 0,
        tuple(Cap(cap["limit"], cap["per"], cap.get("window") == "first_use") for cap in given.get("caps", ())),
        _rate_of(given.get("rate")),
        tuple(map(_threshold_of, given.get("notify", ()))),
        given.get("times_quantity", False),
    )


def _threshold_of(given):
    return ("remaining", given["remaining"]) if isinstance(given, dict) else ("percent", given)


def _rate_of(given):
    if given is None:
        return None
    return Rate(given["limit"], times.elapsed(given["per"]), given.get("burst", given["limit"]))


def apply_catalog(world, catalog, dry_run=False):
    """Rows (object, name, change)."""
    mark = world.journal.mark()
    before = default_windows(world)
    rows = []
    if "features" in catalog:
        rows += _apply_features(world, catalog["features"])
    if "plans" in catalog:
        rows += _apply_plans(world, catalog["plans"])
    if "actions" in catalog:
        rows += _apply_actions(world, catalog["actions"])
    keep_default_use(world, before)
    if dry_run:
        world.journal.rollback(mark)
    return rows


def _apply_features(world, features):
    rows = []
    for name, given in features.items():
        new = Feature(given["kind"], given.get("unit"), given.get("title"))
        old = world.features.get(name)
        rows.append(("feature", name, _change(old, new)))
        if old != new:
            world.features[name] = new
    return rows


def _change(old, new):
    return "added" if old is None else "unchanged" if old == new else "changed"


def _require_default(world, plans):
    """There is one, or it is said that there shall be none."""
    present = world.default_plan()
    if present is None or any(given and given.get("default") for given in plans.values()):
        return
    if present not in plans or (plans[present] is not None and plans[present].get("default") is not False):
        raise invalid("the default plan is lost")


def _apply_plans(world, plans):
    _require_default(world, plans)
    rows = []
    for name, given in plans.items():
        if given is None:
            continue
        old = world.plans.get(name)
        version = Version(
            given.get("period", "month"),
            {
                feature: entitlement_of(world.features[feature].kind, terms)
                for feature, terms in given.get("entitlements", {}).items()
            },
            given.get("grace"),
        )
        number = old.version if old else 0
        if not old or world.versions[name, number] != version:
            number += 1
            world.versions[name, number] = version
        new = Plan(given.get("title"), given.get("metadata", {}), given.get("default", False), False, number)
        rows.append(("plan", name, "added" if old and old.retired else _change(old, new)))
        if old != new:
            world.plans[name] = new
    for name, old in list(world.plans.items()):
        if plans.get(name) is None and not old.retired:
            rows.append(("plan", name, "retired"))
            world.plans[name] = old._replace(retired=True, default=False)
    return rows


def _price(given):
    """(base, prices by dimension) of a charge."""
    per_unit = given.get("per_unit", {})
    if not isinstance(per_unit, dict):
        per_unit = {"": per_unit}
    return Fraction(str(given.get("base", 0))), {name: Fraction(str(price)) for name, price in per_unit.items()}


def _apply_actions(world, actions):
    rows = []
    for name, given in actions.items():
        old = world.actions.get(name)
        charges = {feature: _price(charge) for feature, charge in given.get("charges", {}).items()}
        new = Action(tuple(sorted(given.get("requires", ()))), charges, False)
        rows.append(("action", name, "added" if old and old.retired else _change(old, new)))
        if old != new:
            world.actions[name] = new
    for name, old in list(world.actions.items()):
        if name not in actions and not old.retired:
            rows.append(("action", name, "retired"))
            world.actions[name] = old._replace(retired=True)
    return rows

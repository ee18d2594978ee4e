"""apply_catalog: features, plans and their versions."""

from .errors import invalid
from .subscriptions import keep_default_use, default_windows
from .world import Entitlement, Feature, Plan, Version


def entitlement_of(kind, given):
    """Of the catalog's JSON for one feature."""
    if kind in ("boolean", "static"):
        return Entitlement(None, None, "calendar", given["value"])
    if kind in ("metered", "capacity") and "allowance" not in given:
        raise invalid("metered or capacity without allowance")
    return Entitlement(given["allowance"], given.get("period"), given.get("anchor", "calendar"), None)


def apply_catalog(world, catalog, dry_run=False):
    """Rows (object, name, change)."""
    mark = world.journal.mark()
    before = default_windows(world)
    rows = []
    if "features" in catalog:
        rows += _apply_features(world, catalog["features"])
    if "plans" in catalog:
        rows += _apply_plans(world, catalog["plans"])
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


def _apply_plans(world, plans):
    rows = []
    for name, given in plans.items():
        old = world.plans.get(name)
        version = Version(
            given.get("period", "month"),
            {
                feature: entitlement_of(world.features[feature].kind, terms)
                for feature, terms in given.get("entitlements", {}).items()
            },
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
        if name not in plans and not old.retired:
            rows.append(("plan", name, "retired"))
            world.plans[name] = old._replace(retired=True, default=False)
    return rows

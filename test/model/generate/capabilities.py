"""What of the model the generator makes use of."""

import os

ALL = {
    "overage": "entitlements with overage",
    "rollover": "entitlements with rollover",
    "notify": "entitlements with notify",
    "caps": "entitlements with caps",
    "members": "entitlements with members",
    "rate": "kind rate, rates of metered entitlements, throttle",
    "grants": "credit, revoke",
    "holds": "reserve, extend, settle, release",
    "set_usage": "set_usage",
    "record": "record",
    "clear_caps": "clear_caps",
    "scheduled": "change_plan with effective period_end",
    "usage": "change_plan with usage reset and prorate",
    "grace": "plans with grace",
    "pauses": "set_status with until",
    "quantity": "subscribe with quantity, entitlements with times_quantity",
    "amend": "amend",
    "migrate": "migrate",
    "preview": "preview",
    "batch": "debit_many",
    "actions": "actions in the catalog, charge, charge_units",
    "explain": "explain",
    "reports": "usage",
    "gates": "application tables with gates, protect, unprotect, recount",
}


def enabled():
    """Of the environment: a list with commas, or all; "-name" takes one away, from all if nothing else is listed."""
    given = {name for name in os.environ.get("QUOTA_MODEL_CAPABILITIES", "").split(",") if name}
    without = {name[1:] for name in given if name.startswith("-")}
    names = {name for name in given if not name.startswith("-")}
    unknown = (names | without) - set(ALL) - {"all"}
    if unknown:
        raise SystemExit(f"QUOTA_MODEL_CAPABILITIES: unknown {sorted(unknown)}; there are {sorted(ALL)}")
    return (set(ALL) if "all" in names or not names else names) - without


def for_run(rng, names):
    """Each run leaves some out, so that every combination is met."""
    return {name for name in sorted(names) if rng.random() < 0.8}

"""What of the model the generator makes use of."""

import os

ALL = {
    "overage": "entitlements with overage",
    "rollover": "entitlements with rollover",
    "caps": "entitlements with caps",
    "rate": "kind rate, rates of metered entitlements, throttle",
    "grants": "credit, revoke",
    "holds": "reserve, extend, settle, release",
    "set_usage": "set_usage",
    "scheduled": "change_plan with effective period_end",
    "usage": "change_plan with usage reset and prorate",
    "grace": "plans with grace",
    "batch": "debit_many",
    "actions": "actions in the catalog, charge, charge_units",
    "explain": "explain: that it answers",
    "gates": "application tables with gates, protect, unprotect, recount",
}

DEFAULT = set(ALL) - {"gates"}
# Tables with gates have runs of their own: see "Known differences" in README.md.
WITH_GATES = set(ALL) - {"grants", "rollover"}


def enabled():
    """Of the environment: a list with commas, "all", or the default; "-name" takes one away."""
    given = os.environ.get("QUOTA_MODEL_CAPABILITIES", "")
    names = {name for name in given.split(",") if name}
    without = {name[1:] for name in names if name.startswith("-")}
    names -= {"-" + name for name in without}
    unknown = (names | without) - set(ALL) - {"all", "default"}
    if unknown:
        raise SystemExit(f"QUOTA_MODEL_CAPABILITIES: unknown {sorted(unknown)}; there are {sorted(ALL)}")
    chosen = set(ALL) if "all" in names else set(DEFAULT) if "default" in names or not names else set()
    return (chosen | (names & set(ALL))) - without


def for_run(rng, names):
    """Each run leaves some out, so that every combination is met."""
    return {name for name in sorted(names) if rng.random() < 0.8}

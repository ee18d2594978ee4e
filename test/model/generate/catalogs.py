"""Random catalogs, and small changes of one."""

import copy
import os

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Pacific/Apia", "America/Sao_Paulo", "Pacific/Chatham", "America/St_Johns", "Africa/Casablanca",
]
PERIODS = [
    "hour", "day", "day", "week", "month", "month", "month", "quarter", "year", "90 minutes", "36 hours",
    "10 days", "2 weeks", "2 months", "1 month 15 days", "1 day 1 hour", "5 minutes", None,
]
ANCHORS = [
    "calendar", "calendar", "subscription", "subscription", "2009-01-31 00:00:00+00",
    "2008-02-29 02:30:00+01", "2010-10-31 13:45:30.5-05",
]
KINDS = {
    "tokens": "metered", "pages": "metered", "calls": "metered", "documents": "capacity", "seats": "capacity",
    "mindmap": "boolean", "upload_mb": "static",
}
PLANS = ["free", "pro", "team", "max"]


def allowance(rng):
    """Small, so that walls are hit; sometimes nothing, unlimited or very great."""
    return rng.choice([0, 1, 3, 10, 10, 20, 50, 100, 100, None] + ([] if os.environ.get('QUOTA_MODEL_TAME') else [2**62]))


def entitlement(rng, kind):
    if kind == "boolean":
        return {"value": rng.random() < 0.7}
    if kind == "static":
        return {"value": rng.choice([5, "x", None, {"a": [1, 2]}, True, 1.5])}
    terms = {"allowance": allowance(rng)}
    if kind == "metered":
        period = rng.choice(PERIODS)
        if period:
            terms["period"] = period
            anchor = rng.choice(ANCHORS)
            if anchor != "calendar" or rng.random() < 0.5:
                terms["anchor"] = anchor
    return terms


def plan(rng, features):
    terms = {
        name: entitlement(rng, given["kind"]) for name, given in features.items() if rng.random() < 0.75
    }
    made = {"entitlements": terms}
    if rng.random() < 0.5:
        made["title"] = rng.choice(["Free", "Pro", "Ünï"])
    if rng.random() < 0.4:
        made["metadata"] = {"price_cents": rng.randrange(3)}
    if rng.random() < 0.5:
        made["period"] = rng.choice(["month", "week", "year", "10 days", "36 hours"])
    return made


def catalog(rng):
    names = rng.sample(sorted(KINDS), rng.randint(3, len(KINDS)))
    if not {"tokens", "pages", "calls"} & set(names):
        names.append("tokens")
    features = {name: {"kind": KINDS[name]} for name in names}
    for given in features.values():
        if rng.random() < 0.4:
            given["unit"] = rng.choice(["token", "page"])
    plans = {name: plan(rng, features) for name in PLANS[: rng.randint(2, len(PLANS))]}
    if rng.random() < 0.8:
        plans[rng.choice(sorted(plans))]["default"] = True
    return {"features": features, "plans": plans}


def changed(rng, old):
    """A neighbour of a catalog: a term, a plan or the default is another one."""
    new = copy.deepcopy(old)
    plans = new["plans"]
    name = rng.choice(sorted(plans))
    what = rng.random()
    if what < 0.5:
        feature = rng.choice(sorted(new["features"]))
        plans[name]["entitlements"][feature] = entitlement(rng, new["features"][feature]["kind"])
    elif what < 0.6:
        terms = plans[name]["entitlements"]
        if terms:
            del terms[rng.choice(sorted(terms))]
    elif what < 0.7:
        plans[name]["title"] = f"T{rng.randrange(100)}"
    elif what < 0.8:
        for each in plans.values():
            each.pop("default", None)
        if rng.random() < 0.8:
            plans[name]["default"] = True
    elif what < 0.9 and len(plans) > 1:
        del plans[name]
    else:
        missing = sorted(set(PLANS) - set(plans))
        if missing:
            plans[rng.choice(missing)] = plan(rng, new["features"])
    return new

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
    "mindmap": "boolean", "upload_mb": "static", "api": "rate",
}
ACTIONS = ["Chat", "embed/v1"]
PLANS = ["free", "pro", "team", "max"]


def allowance(rng):
    """Small, so that walls are hit; sometimes nothing, unlimited or very great."""
    return rng.choice([0, 1, 3, 10, 10, 20, 50, 100, 100, None] + ([] if os.environ.get('QUOTA_MODEL_TAME') else [2**62]))


def rate(rng):
    """Intervals that are no whole microseconds, too."""
    terms = {"limit": rng.choice([1, 3, 7, 10, 60]), "per": rng.choice(["1 second", "7 seconds", "1 minute", "1 hour"])}
    if rng.random() < 0.5:
        terms["burst"] = rng.choice([1, 5, 20])
    return terms


def cap(rng):
    terms = {
        "limit": rng.choice([1, 3, 10, 20, 50]),
        "per": rng.choice(["hour", "5 hours", "day", "90 minutes", "week", "month", "10 days"]),
    }
    window = rng.choice([None, "fixed", "first_use", "first_use"])
    return terms | ({"window": window} if window else {})


def extras(rng, terms, can):
    """What metered entitlements can have beside allowance and window."""
    if "rollover" in can and terms.get("period") and terms["allowance"] is not None and rng.random() < 0.4:
        terms["rollover"] = {"max": rng.choice([1, 5, 20, 200])}
    if "overage" in can and terms["allowance"] is not None and rng.random() < 0.3:
        terms["overage"] = rng.choice([True, {"limit": 1}, {"limit": 5}, {"limit": 50}])
    if "caps" in can and rng.random() < 0.4:
        caps = [cap(rng) for _ in range(rng.choice([1, 1, 2]))]
        if len({(c["per"], c.get("window") or "fixed") for c in caps}) < len(caps):
            caps.pop()  # two alike are refused
        terms["caps"] = caps
    if "rate" in can and rng.random() < 0.25:
        terms["rate"] = rate(rng)


def entitlement(rng, kind, can):
    terms = _terms(rng, kind, can)
    if "members" in can and rng.random() < 0.3:
        terms["members"] = _terms(rng, kind, can)
        for key in ("period", "anchor"):  # often the same
            if rng.random() < 0.5 and key in terms and key in terms["members"]:
                terms["members"][key] = terms[key]
    elif "quantity" in can and "allowance" in terms and rng.random() < 0.45:
        if (terms["allowance"] or 0) < 2**60 or rng.random() < 0.2:
            terms["times_quantity"] = rng.random() < 0.9
    return terms


def _terms(rng, kind, can):
    if kind == "rate":
        return {"rate": rate(rng)}
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
        extras(rng, terms, can)
    if "notify" in can and terms["allowance"] is not None and rng.random() < 0.4:
        terms["notify"] = [rng.choice([1, 30, 50, 80, 100]), {"remaining": rng.choice([0, 1, 5, 40])}][:: rng.choice([1, -1])][: rng.choice([1, 2])]
    return terms


def plan(rng, features, can):
    terms = {
        name: entitlement(rng, given["kind"], can) for name, given in features.items() if rng.random() < 0.75
    }
    made = {"entitlements": terms}
    if rng.random() < 0.5:
        made["title"] = rng.choice(["Free", "Pro", "Ünï"])
    if rng.random() < 0.4:
        made["metadata"] = {"price_cents": rng.randrange(3)}
    if rng.random() < 0.5:
        made["period"] = rng.choice(["month", "week", "year", "10 days", "36 hours"])
    if "grace" in can and rng.random() < 0.5:
        made["grace"] = rng.choice(["7 days", "1 month", "3 hours"])
    return made


def action(rng, features):
    """An entry of the price book."""
    priced = [name for name, given in sorted(features.items()) if given["kind"] in ("metered", "capacity")]
    made = {"charges": {}}
    shape = rng.choice(["base", "units", "dimensions"])
    for name in rng.sample(priced, min(len(priced), rng.choice([1, 1, 2]))):
        charge = made["charges"][name] = {}
        if shape == "base" or rng.random() < 0.3:
            charge["base"] = rng.choice([1, 2, 0.5, 0])
        if shape == "units":
            charge["per_unit"] = rng.choice([1, 0.1, 2.5, 0])
        if shape == "dimensions":
            charge["per_unit"] = {"input": rng.choice([1, 0.1]), "output": rng.choice([3, 0.25])}
    if rng.random() < 0.5:
        made["requires"] = rng.sample(sorted(features), 1)
    return made


def catalog(rng, can):
    known = sorted(name for name, kind in KINDS.items() if kind != "rate" or "rate" in can)
    names = rng.sample(known, rng.randint(3, len(known)))
    if not {"tokens", "pages", "calls"} & set(names):
        names.append("tokens")
    features = {name: {"kind": KINDS[name]} for name in names}
    for given in features.values():
        if rng.random() < 0.4:
            given["unit"] = rng.choice(["token", "page"])
    plans = {name: plan(rng, features, can) for name in PLANS[: rng.randint(2, len(PLANS))]}
    if rng.random() < 0.8:
        plans[rng.choice(sorted(plans))]["default"] = True
    made = {"features": features, "plans": plans}
    if "actions" in can:
        made["actions"] = {name: action(rng, features) for name in ACTIONS}
    return made


def changed(rng, old, can):
    """A neighbour of a catalog: a term, a plan or the default is another one."""
    new = copy.deepcopy(old)
    plans = new["plans"] = {name: given for name, given in new["plans"].items() if given}  # null retired it
    name = rng.choice(sorted(plans))
    what = rng.random()
    if what < 0.5:
        feature = rng.choice(sorted(new["features"]))
        plans[name]["entitlements"][feature] = entitlement(rng, new["features"][feature]["kind"], can)
    elif what < 0.6:
        terms = plans[name]["entitlements"]
        if terms:
            del terms[rng.choice(sorted(terms))]
    elif what < 0.7:
        plans[name]["title"] = f"T{rng.randrange(100)}"
    elif what < 0.8:
        explicit = rng.random() < 0.5
        for each in plans.values():
            if each.pop("default", None) is not None and explicit:
                each["default"] = False
        if rng.random() < 0.8:
            plans[name]["default"] = True
    elif what < 0.9 and len(plans) > 1:
        del plans[name]
        if rng.random() < 0.5:
            plans[name] = None
    else:
        missing = sorted(set(PLANS) - set(plans))
        if missing:
            plans[rng.choice(missing)] = plan(rng, new["features"], can)
    return new

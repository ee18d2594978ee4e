"""A customer's page: plan, use, grants, holds, history, why something is refused; and the forms that act."""

from flask import render_template, request, url_for

from . import support
from .. import web
from .access import blueprint, looking
from .queries import customer as queries
from .queries import customers, journal, stamps
from .queries import features as catalog
from .use import chart_of, subject_asked

ENTRIES, EVENTS, HOLDS, MEMBERS = 20, 20, 50, 50
USAGES = {"keep": "keep what was used", "reset": "start from zero", "prorate": "a share of both allowances"}


def _asked_amount():
    amount = request.args.get("amount", "1").replace(",", "").strip()
    if not (amount.isascii() and amount.isdigit() and 0 < len(amount) < 19 and int(amount)):
        raise web.Problem(400, "bad_request", "An amount is a whole number from 1.")
    return int(amount)


def _fullest(counted, state):
    """The Feature of which the largest part is used, those that begin again before those that are held."""

    def rank(feature):
        now = state["features"][feature.name]
        return feature.kind == "metered", now["used"] / now["allowance"] if now["allowance"] else 0

    return max(counted.values(), key=rank, default=None)


def _explained(connection, subject, features):
    """Why the ?explain=d feature would be allowed or refused, and the plans that would allow it; or None."""
    feature = features.get(request.args.get("explain"))
    if feature is None:
        return None
    amount = _asked_amount()
    steps = queries.explain(connection, subject, feature.name, amount)
    refused = steps[-1].verdict != "ok"
    offers = queries.offers(connection, subject, feature.name, amount) if refused and feature.kind != "static" else []
    return {"feature": feature, "amount": amount, "steps": steps, "refused": refused, "offers": offers}


def _previewed(connection, subject, plans):
    """The state under the ?preview=ed plan, or None."""
    plan = request.args.get("preview")
    if not plan:
        return None
    usage = request.args.get("usage") if request.args.get("usage") in USAGES else "keep"
    rows = queries.preview(connection, subject, plan, usage)
    return {"plan": plan, "title": dict(map(tuple, plans)).get(plan, plan), "usage": usage, "rows": rows}


@blueprint.get("/customer")
def customer():
    """?subject=, ?feature= of chart and entries, ?explain= a feature and ?amount=, ?preview= a plan and ?usage=,
    ?before= the event where an older page begins."""
    subject = subject_asked()
    before = request.args.get("before", type=int)
    with looking() as connection:
        features = catalog.features(connection)
        counted = catalog.counted(features)
        state = queries.me(connection, subject)
        feature = counted.get(request.args.get("feature")) or _fullest(counted, state)
        plans = queries.plans(connection)
        events = queries.events(connection, subject, before, EVENTS + 1)
        values = {
            "state": state,
            "stamp": stamps.Subject(subject).stamp(connection),
            "workspace": customers.workspace(connection, subject),
            "members": customers.members(connection, subject, MEMBERS) if "/" not in subject else [],
            "subscription": queries.present_subscription(connection, subject),
            "overrides": queries.overrides(connection, subject),
            "holds": queries.holds(connection, subject, HOLDS),
            "actions": journal.listed(connection, subject, most=EVENTS),
            "entries": queries.entries(connection, subject, feature.name, ENTRIES) if feature else [],
            "drawn": chart_of(connection, subject, feature, 30) if feature else None,
            "explained": _explained(connection, subject, features),
            "previewed": _previewed(connection, subject, plans),
        }
    older = url_for("console.customer", subject=subject, before=events[EVENTS - 1].id, _anchor="events") if len(events) > EVENTS else None
    return render_template(
        "console/customer.html",
        subject=subject,
        names={values["workspace"].slug: values["workspace"].name} if values["workspace"] else {},
        features=features,
        counted=counted,
        feature=feature,
        plans=plans,
        events=events[:EVENTS],
        newer=url_for("console.customer", subject=subject, _anchor="events") if before else None,
        older=older,
        usages=USAGES,
        statuses=support.STATUSES,
        area="console.customer_list",
        **values,
    )

"""Plans, the versions that their subscribers have, and moving them to the newest."""

from flask import current_app, flash, redirect, render_template, request, url_for

from ..web import Problem
from . import acts, forms
from .access import acts as acting
from .access import blueprint, looking, may_act
from .queries import customers, stamps
from .queries import features as features_of
from .queries import plans as queries

BATCH = 500  # subscribers in one transaction
ROWS = 50


@blueprint.get("/plans")
def plans():
    """Every plan on offer or with subscribers."""
    with looking() as connection:
        offered = queries.on_offer(connection)
        subscriptions = queries.subscriptions(connection)
        features = features_of.features(connection)
    others = sorted(set(subscriptions) - {plan.plan for plan in offered})
    return render_template(
        "console/plans.html", plans=offered, others=others, subscriptions=subscriptions, features=features
    )


@blueprint.get("/plan")
def plan():
    """?plan=, ?after= the subject where a page of subscribers begins, ?moved= how many this migration has moved."""
    name, after = request.args.get("plan", ""), request.args.get("after")
    moved = request.args.get("moved", type=int)
    with looking() as connection:
        offered = {row.plan: row for row in queries.on_offer(connection)}
        versions = queries.versions(connection, name)
        if name not in offered and not versions:
            raise Problem(404, "not_found", "There is no such plan on offer, and nobody has one.")
        subscribed = queries.subscribed(connection, name, after, ROWS + 1)
        names = customers.names(connection, [row.subject for row in subscribed])
        features = features_of.features(connection)
    more, subscribed = len(subscribed) > ROWS, subscribed[:ROWS]
    older = url_for("console.plan", plan=name, after=subscribed[-1].subject) if more else None
    return render_template(
        "console/plan.html",
        name=name,
        plan=offered.get(name),
        versions=versions,
        counted=sum(row.subscribers for row in versions),
        most_counted=queries.MOST_COUNTED,
        left=sum(row.subscribers for row in versions[1:]),
        moved=moved,
        subscribed=subscribed,
        names=names,
        features=features,
        older=older,
        newer=url_for("console.plan", plan=name) if after else None,
        stamp=_stamp() if may_act() else None,
        batch=BATCH,
        area="console.plans",
    )


def _stamp():
    with current_app.db.admin.connect() as connection:
        return stamps.Catalog().stamp(connection)


@blueprint.post("/plan/migrate")
@acting
def migrate():
    """Move one batch to the plan's newest version, then show how far it is."""
    name = forms.words("plan", "Plan", 128)
    before = forms.whole("moved", "Moved", least=0, needed=False) or 0

    def work(connection):
        moved.append(queries.migrate(connection, name, BATCH))
        return f"Moved {moved[0]:,} subscribers of {name} to its newest version."

    moved = []
    outcome = acts.carry_out("migrate", work, {"plan": name, "moved": before}, stamps.Catalog())
    flash(outcome)
    return redirect(url_for("console.plan", plan=name, moved=before + sum(moved), _anchor="versions"), 303)

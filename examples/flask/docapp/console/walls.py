"""Who hits the wall, which plan would help, and who is near a limit: the console's first page."""

from datetime import timedelta

from flask import render_template, request, url_for

from .. import clock
from .access import blueprint, looking
from .queries import customers
from .queries import features as catalog
from .queries import walls as queries

ROWS = 50
FURTHEST = 1000
REASONS = {
    "quota_exceeded": "no room",
    "not_entitled": "not in the plan",
    "rate_limited": "too fast",
    "subscription_inactive": "not active",
}
DAYS = (1, 7, 30)


@blueprint.get("/")
def walls():
    """?days= (1, 7 or 30), ?feature=, ?skip= rows."""
    days = request.args.get("days", 7, type=int)
    days = days if days in DAYS else 7
    skip = min(max(request.args.get("skip", 0, type=int), 0), FURTHEST)
    since = (clock.now() - timedelta(days=days - 1)).date()
    with looking() as connection:
        features = catalog.features(connection)
        feature = request.args.get("feature") if request.args.get("feature") in features else None
        refused = queries.refused(connection, since, feature, ROWS + 1, skip)
        more, refused = len(refused) > ROWS and skip + ROWS <= FURTHEST, refused[:ROWS]
        plans = queries.helpful_plans(connection, refused, features)
        near = queries.near(connection)
        names = customers.names(connection, [row.subject for row in (*refused, *near)])
    chosen = {"days": days, "feature": feature}
    return render_template(
        "console/walls.html",
        refused=refused,
        plans=plans,
        near=near,
        names=names,
        reasons=REASONS,
        features=features,
        days=days,
        all_days=DAYS,
        feature=feature,
        older=url_for("console.walls", **chosen, skip=skip + ROWS) if more else None,
        newer=url_for("console.walls", **chosen, skip=max(skip - ROWS, 0) or None) if skip else None,
    )

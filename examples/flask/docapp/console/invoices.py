"""What to invoice for a month: who had a plan, and the periods that ended in it with what went beyond them."""

import re
from datetime import datetime, timedelta, timezone

from flask import render_template, request, url_for

from .. import clock
from ..web import Problem
from .access import blueprint, looking
from .queries import customers
from .queries import features as features_of
from .queries import invoices as queries
from .queries import plans as plans_of

ROWS = 50


def _month():
    """The month asked for as (its beginning, the next one's), in UTC; by default the one that ended last."""
    asked = request.args.get("month")
    now = clock.now()
    if not asked:
        first = (now.replace(day=1) - timedelta(days=1)).replace(day=1)
    elif re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", asked, re.ASCII):
        first = datetime(int(asked[:4]), int(asked[5:]), 1, tzinfo=timezone.utc)
    else:
        raise Problem(400, "bad_request", "A month is written like 2027-01.")
    first = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return first, (first + timedelta(days=32)).replace(day=1)


def _after():
    """Where the page begins: the key of the last subscription before it."""
    subject, starts_at = request.args.get("after"), request.args.get("at")
    if subject is None:
        return queries.FIRST
    try:
        return subject, datetime.fromisoformat(starts_at or "").astimezone(timezone.utc).isoformat()
    except ValueError as error:
        raise Problem(400, "bad_request", "This page begins nowhere. Go back to the first.") from error


@blueprint.get("/invoices")
def invoices():
    """?month= like 2027-01, ?after= and ?at= where a page begins."""
    since, until = _month()
    with looking() as connection:
        subscriptions, following = queries.subscriptions(connection, since, until, _after(), ROWS)
        subjects = [row.subject for row in subscriptions]
        periods = queries.periods(connection, subjects, since, until)
        names = customers.names(connection, subjects)
        features = features_of.features(connection)
        offered = plans_of.on_offer(connection)
    month = since.strftime("%Y-%m")
    return render_template(
        "console/invoices.html",
        since=since,
        until=until,
        now=clock.now(),
        month=month,
        before=(since - timedelta(days=1)).strftime("%Y-%m"),
        following_month=until.strftime("%Y-%m"),
        subscriptions=subscriptions,
        periods=periods,
        names=names,
        features=features,
        prices={row.plan: (row.metadata or {}).get("price_cents") for row in offered},
        titles={row.plan: row.title for row in offered},
        newer=url_for("console.invoices", month=month) if request.args.get("after") is not None else None,
        older=url_for("console.invoices", month=month, after=following[0], at=following[1]) if following else None,
    )

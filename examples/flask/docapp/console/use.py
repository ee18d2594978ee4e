"""What a customer uses, day by day, and who or what it went to; and the list to choose a customer from."""

from flask import render_template, request, url_for

from .. import chart, parsing
from ..pages import amount
from ..web import Problem
from .access import blueprint, looking
from .queries import customers
from .queries import features as catalog
from .queries import use as queries

ROWS = 50
DAYS = (7, 30, 90)


def subject_asked():
    """The subject that the query string or form names.  Raises Problem 400."""
    subject = request.values.get("subject", "")
    if not 1 <= len(subject.encode()) <= 255 or not subject.isprintable():
        raise Problem(400, "bad_request", "A customer is named by the subject that pays, such as acme or acme/alice.")
    return subject


def chart_of(connection, subject, feature, days, ceiling=None):
    """The chart of the last days' use of a Feature."""
    since, until = chart.span(days)
    points = chart.days_of(queries.by_day(connection, subject, feature.name, since, until), since, until)
    return chart.draw(points, lambda point: f"{point.day:%-d %B}: {amount(point.amount, feature.unit)}", ceiling)


@blueprint.get("/customers")
def customer_list():
    """?q= how a subject or name begins, or an address: as many as fit.  Without it the newest; ?before= is the id
    where an older page begins."""
    asked = parsing.clean(request.args.get("q", "")).strip()[:200]
    before = request.args.get("before", type=int)
    with looking() as connection:
        if asked:
            found = customers.find(connection, asked, ROWS + 1)
        else:
            found = customers.newest(connection, before, ROWS + 1)
    more, found = len(found) > ROWS, found[:ROWS]
    older = url_for("console.customer_list", before=found[-1].id) if more and not asked else None
    newer = url_for("console.customer_list") if before and not asked else None
    return render_template("console/customers.html", found=found, asked=asked, more=more, newer=newer, older=older)


@blueprint.get("/use")
def use():
    """?subject=, ?feature=, ?days= (7, 30 or 90), ?by= child or metadata.action."""
    subject = subject_asked()
    days = request.args.get("days", 30, type=int)
    days = days if days in DAYS else 30
    by = request.args.get("by") if request.args.get("by") in queries.GROUPS else None
    with looking() as connection:
        features = catalog.counted(catalog.features(connection))
        feature = features.get(request.args.get("feature")) or next(iter(features.values()), None)
        if feature is None:
            raise Problem(404, "not_found", "The catalog has no feature that is counted.")
        drawn = chart_of(connection, subject, feature, days)
        since, _until = chart.span(days)
        groups = queries.by_group(connection, subject, feature.name, since, by) if by else None
        names = customers.names(connection, [subject])
        people = {m.subject.partition("/")[2]: m.name for m in customers.members(connection, subject)} if by == "child" else {}
    return render_template(
        "console/use.html",
        subject=subject,
        names=names,
        features=features,
        feature=feature,
        days=days,
        all_days=DAYS,
        chart=drawn,
        by=by,
        all_groups=queries.GROUPS,
        groups=groups,
        people=people,
        area="console.customer_list",
    )

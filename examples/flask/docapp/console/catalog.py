"""The catalog's editor: what would change, whom it would stop, and only then apply it."""

import difflib
import json
from datetime import timedelta

from flask import current_app, flash, redirect, render_template, request, url_for

from .. import clock, config
from ..web import Problem
from . import acts, forms
from .access import acts as acting
from .access import blueprint
from .queries import customers, stamps
from .queries import plans as queries

#: what use is looked at: simulate() wants the beginning of a period
SINCE = {"month": "this month", "last": "last month and this one"}


def _written(catalog):
    """A catalog as people edit it."""
    return json.dumps(catalog, indent=2, ensure_ascii=False, sort_keys=True)


def _read():
    """The form's catalog.  Raises Problem 422: no JSON, or without a feature that the application charges."""
    draft = forms.json_value(request.form.get("catalog", ""), "Catalog")
    features = draft.get("features")
    if isinstance(features, dict):
        for name, feature in config.catalog()["features"].items():
            given = features.get(name)
            if not isinstance(given, dict) or given.get("kind") != feature["kind"]:
                raise Problem(
                    422,
                    "needed",
                    f"Catalog: the application itself uses the feature {name} of kind {feature['kind']};"
                    " change the application first. Nothing was done.",
                )
    return draft


def _begin(since):
    first = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1) if since == "last" else first


def _lines(old, new):
    """The difference as lines (kind, text), kind one of +, -, @ and blank."""
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=3)
    return [("@", "…") if line.startswith("@@") else (line[0], line[1:]) for line in list(found)[2:]]


@blueprint.get("/catalog")
@acting
def catalog():
    """The catalog as it is, to be edited."""
    with current_app.db.admin.connect() as connection:
        present = queries.catalog(connection)
    return render_template("console/catalog.html", draft=_written(present), stamp=stamps.digest(present), sinces=SINCE, area="console.plans")


@blueprint.post("/catalog/check")
@acting
def check_catalog():
    """Show what the form's catalog would change; with `since`, also whom it would have stopped.  Changes nothing."""
    draft, since = _read(), request.form.get("since")
    with current_app.db.admin.connect() as connection, connection.begin():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET LOCAL statement_timeout = '60s'")
        present = queries.catalog(connection)
        changes = queries.apply(connection, draft, dry_run=True)
        simulated = queries.simulate(connection, draft, _begin(since)) if since in SINCE else None
    with current_app.db.reader.connect() as connection:
        names = customers.names(connection, [row["subject"] for row in simulated[1]]) if simulated else {}
    written = _written(draft)
    stamp = stamps.digest(present)
    return render_template(
        "console/catalog.html",
        draft=written,
        stamp=stamp,
        changed=request.form.get("stamp") != stamp,
        checked=stamps.digest(draft),
        changes=changes,
        lines=_lines(_written(present), written),
        simulated=simulated,
        since=since,
        sinces=SINCE,
        names=names,
        area="console.plans",
    )


@blueprint.post("/catalog/apply")
@acting
def apply_catalog():
    """Apply the catalog that was checked, if both it and what it was checked against are still the same."""
    draft = _read()
    if request.form.get("checked") != stamps.digest(draft):
        raise Problem(409, "unchecked", "This is not the catalog that was checked. Nothing was done: check it again.")

    def work(connection):
        rows = queries.apply(connection, draft)
        return f"Applied: {', '.join(f'{row.object} {row.name} {row.change}' for row in rows) or 'nothing was to change'}."

    flash(acts.carry_out("apply_catalog", work, {"catalog": draft}, stamps.Catalog()))
    return redirect(url_for("console.plans"), 303)

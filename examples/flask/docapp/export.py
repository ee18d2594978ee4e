"""What was charged as a table to download: every ledger entry of one's own, or of the workspace for its owner."""

import csv
import io

from flask import Blueprint, Response, current_app, g, stream_with_context

from . import account
from .account import FEATURES
from .auth import signed_in

blueprint = Blueprint("export", __name__)

COLUMNS = ("at", "subject", "kind", "feature", "amount", "unit", "action", "title", "source")
BLOCK = 1000


@blueprint.get("/history.csv")
@signed_in
def history():
    """CSV, the newest first, streamed: nothing holds all of it at once."""
    headers = {"Content-Disposition": 'attachment; filename="history.csv"'}
    return Response(stream_with_context(_lines(g.user)), mimetype="text/csv", headers=headers)


def _lines(user):
    yield _line(COLUMNS)
    for row in entries(user):
        why = row.metadata or {}
        unit = FEATURES[row.feature].get("unit", "")
        yield _line((row.at.isoformat(), row.subject, row.kind, row.feature, row.amount, unit, why.get("action"), why.get("title"), row.source))


def _line(values):
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_harmless(value) for value in values])
    return buffer.getvalue()


def _harmless(value):
    """Text that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def entries(user):
    """All of account.history_rows(), block by block.  A block begins where the one before ended; entries of its
    oldest moment, of which it may not have all, are left to the next."""
    until, most = None, BLOCK
    while True:
        with current_app.db.app.connect() as connection:
            rows = account.history_rows(connection, user, until=until, most=most)
        if len(rows) < most:
            yield from rows
            return
        oldest = min(row.at for row in rows)
        whole = [row for row in rows if row.at > oldest]
        if whole:
            yield from whole
            until, most = min(row.at for row in whole), BLOCK
        else:
            most *= 2

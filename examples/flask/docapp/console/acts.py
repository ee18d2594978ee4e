"""How an action is carried out: once, in one transaction, against what the page showed, and with who did it.

A form carries a key of its own (request_id) and the stamp of what its page showed.  The key is stored in the
transaction that acts: sent twice, a form is carried out once and answered twice.  The stamp is compared under a
lock that other operators take too; and again at the end, for what came meanwhile by another way, such as a
payment's callback.  Whatever is wrong rolls all of it back, the key included.
"""

import re

from flask import current_app, g, request
from sqlalchemy import text

from ..web import Problem
from .queries import journal, stamps

_KEY = re.compile(r"[0-9a-f]{32}\Z")
_BEGIN = text(
    "SELECT set_config('quota.actor', :actor, true), set_config('lock_timeout', '5s', true),"
    " set_config('statement_timeout', :patience, true)"
)
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('console'), hashtext(:what))")


class Stale(Problem):
    """What the form was drawn from is not so any more."""

    def __init__(self, what):
        super().__init__(409, "stale", f"{what} has changed since this page was drawn. Nothing was done: look again, then decide.")


def request_key():
    """The form's key.  Raises Problem 400."""
    key = request.form.get("request_id", "")
    if not _KEY.match(key):
        raise Problem(400, "bad_key", "This form is out of date. Reload the page and try again.")
    return key


def carry_out(action, work, asked, target, subject=None, patience="30s"):
    """Do work(connection), which returns a sentence of what it did, as this operator; returns that sentence.

    action   what it is called in the journal
    asked    a dict of JSON values: what was asked for, kept there
    target   a Subject or Catalog of stamps.py: what the form is about; its stamp is the form's `stamp`
    """
    key = request_key()
    with current_app.db.admin.begin() as connection:
        connection.execute(_BEGIN, {"actor": g.operator.email, "patience": patience})
        first = journal.begin(connection, key, g.operator.id, action, subject, asked)
        if first is None:
            return _once_more(journal.by_key(connection, key), action, subject, asked)
        connection.execute(_ONE_AT_A_TIME, {"what": target.lock})
        if not target.exists(connection):
            raise Problem(404, "gone", f"{target.called} is there no more. Nothing was done.")
        if not stamps.same(request.form.get("stamp", ""), target.stamp(connection)):
            raise Stale(target.called)
        settled = target.settled(connection)
        outcome = work(connection)
        if target.settled(connection) != settled:
            raise Stale(target.called)
        journal.finish(connection, first, outcome)
    return outcome


def _once_more(done, action, subject, asked):
    same = (done.operator_id, done.action, done.subject, done.asked) == (g.operator.id, action, subject, asked)
    if not same:
        raise Problem(409, "idempotency_conflict", "This form was sent before with something else in it. Reload the page.")
    return f"It was done already, once: {done.outcome}"

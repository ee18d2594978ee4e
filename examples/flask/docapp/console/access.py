"""Who is at the console, what they may do, and how its refusals look.

Operators are no customers: they have a table of their own, which the role that serves customers cannot read.
Level reader looks, level admin acts; both are read again with every request.
"""

import contextlib
import functools

from flask import Blueprint, current_app, g, redirect, render_template, request, session, url_for
from quota_client import QuotaError
from sqlalchemy.exc import DBAPIError

from .. import auth, web
from ..web import Problem
from .queries import operators

blueprint = Blueprint("console", __name__, url_prefix="/console", template_folder="templates")

PAGES = [
    ("console.walls", "Walls"),
    ("console.customer_list", "Customers"),
    ("console.plans", "Plans"),
    ("console.invoices", "Invoices"),
    ("console.events", "Events"),
]
PATIENCE = "10s"  # for a statement that only looks
OPEN = ("console.sign_in", "console.do_sign_in")
#: SQLSTATE of an error that an action may meet beside quota's own -> what to tell
_TOLD = {
    "23P01": (409, "Another subscription of this customer is in the way."),
    "40001": (409, "Somebody else changed the same at this moment. Try again."),
    "40P01": (409, "Somebody else changed the same at this moment. Try again."),
    "55P03": (409, "Somebody else is at work on the same. Try again."),
    "57014": (503, "This took too long and was stopped. Ask for less at once."),
    "22007": (400, "A date or time is wrong."),
    "22008": (400, "A date or time is out of range."),
    "22P02": (400, "A value is not of the kind that is asked for."),
    "22P05": (400, "A text has a character that the database cannot keep."),
}


@contextlib.contextmanager
def looking():
    """A connection of level reader, whose statements end in time."""
    with current_app.db.reader.connect() as connection:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{PATIENCE}'")
        yield connection


@blueprint.before_request
def load_operator():
    """Set g.operator; whoever is not signed in as one gets no further than the sign-in page."""
    g.operator = None
    if "operator" in session:
        with looking() as connection:
            g.operator = operators.by_id(connection, session["operator"])
    if g.operator is None and request.endpoint not in OPEN:
        if web.wants_page() and request.method == "GET":
            return redirect(url_for("console.sign_in", next=web.local_path(request.full_path.rstrip("?"))))
        raise Problem(401, "signed_out", "Sign in to the console first.")
    return None


def may_act():
    """May who is signed in act, beside looking?"""
    operator = g.get("operator")  # not set, where a request is refused before it is looked who sends it
    return operator is not None and operator.level == "admin"


def acts(view):
    """Decorator of a view that acts: 403 for whoever may only look."""

    @functools.wraps(view)
    def guarded(*args, **kwargs):
        if not may_act():
            raise Problem(403, "forbidden", "Your account may look, not act. Nothing was done.")
        return view(*args, **kwargs)

    return guarded


@blueprint.context_processor
def _shared():
    return {"pages": PAGES, "may_act": may_act()}


# -- signing in


@blueprint.get("/sign-in")
def sign_in():
    """The sign-in page of operators.  ?next= as for customers."""
    return render_template("console/sign_in.html")


@blueprint.post("/sign-in")
def do_sign_in():
    """Begin an operator's session, or show the form again with the reason."""
    email = request.form.get("email", "")
    try:
        with looking() as connection, current_app.db.session.begin() as db:
            found = auth.verify_password(
                db, email, request.form.get("password", ""), lambda _db, address: operators.by_email(connection, address)
            )
        reason, status = "The e-mail address or the password is wrong.", 401
    except Problem as problem:
        found, reason, status = None, problem.body["message"], problem.status
    if found is None:
        return render_template("console/sign_in.html", error=reason, email=email), status
    return auth.begin_session("operator", found.id, "console.walls")


@blueprint.post("/sign-out")
def sign_out():
    """End the session."""
    session.clear()
    return redirect(url_for("console.sign_in"), 303)


# -- refusals


def _refuse(status, code, message, hint=None):
    if not web.wants_page():
        return {"code": code, "message": message, "hint": hint}, status
    return render_template("console/problem.html", message=message, hint=hint, back=web.came_from()), status


@blueprint.errorhandler(Problem)
def _problem(problem):
    return _refuse(problem.status, problem.body["code"], problem.body["message"])


@blueprint.errorhandler(QuotaError)
def _refused(error):
    return _refuse(error.status, error.code, f"{error.message}.", error.hint)


@blueprint.errorhandler(DBAPIError)
def _failed(error):
    refusal = QuotaError.from_exception(error)
    if refusal is not None:
        return _refused(refusal)
    sqlstate = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if sqlstate not in _TOLD:
        raise error
    status, message = _TOLD[sqlstate]
    return _refuse(status, "not_done", message)

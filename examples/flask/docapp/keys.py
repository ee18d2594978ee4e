"""API keys: the page where a person makes and revokes their own, and who is behind `Authorization: Bearer`.

quota keeps a digest of each key's secret and says whose it is; a key acts for the person who made it, so what
it does is charged to them.  Making and revoking is administration, done by the plan manager's door.
"""

from datetime import datetime, timedelta, timezone

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from sqlalchemy import select

import quota_client
from quota_client import QuotaError

from . import web
from .auth import signed_in
from .models import User, Workspace
from .parsing import clean
from .web import Problem

blueprint = Blueprint("keys", __name__)

LIFETIMES = {"30": "30 days", "365": "a year", "": "no end"}
SCOPES = {"read": ["read"], "write": ["read", "write"]}


def bearer():
    """The secret of this request's Authorization header, or None."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def user_of(secret):
    """The User that a key acts for.  Raises Problem 401, and 403 if the key may not do what is asked."""
    try:
        with current_app.db.app.begin() as connection:  # the commit notes that the key was used
            key = quota_client.authenticate(connection, clean(secret))
    except QuotaError as error:
        raise Problem(401, error.code, "This API key is not valid.") from error
    if ("read" if request.method in web.SAFE_METHODS else "write") not in key.scopes:
        raise Problem(403, "forbidden", "This API key may read only.")
    workspace, _, member = key.subject.partition("/")
    with current_app.db.session.begin() as session:
        query = select(User).join(Workspace, Workspace.id == User.workspace_id)
        user = session.scalars(query.where(Workspace.slug == workspace, User.slug == member)).first()
    if user is None:
        raise Problem(401, "unauthenticated", "This API key is not valid.")
    return user


@blueprint.before_app_request
def load_key():
    """Where the API is called with a key, it says who is there, and no session does."""
    secret = bearer()
    if secret is not None and request.path.startswith("/api/"):
        g.user = user_of(secret)


def _page(status=200, **values):
    with current_app.db.app.connect() as connection:
        state = quota_client.me(connection, g.user.subject)
    listed = current_app.plans.api_keys(g.user.subject)
    now = datetime.now(timezone.utc)
    return render_template("keys.html", state=state, keys=listed, now=now, lifetimes=LIFETIMES, **values), status


@blueprint.get("/keys")
@signed_in
def page():
    """One's own keys."""
    return _page()


@blueprint.post("/keys")
@signed_in
def create():
    """Make a key (form: name, days, may) and show its secret, this once."""
    name, days, may = (clean(request.form.get(field, "")).strip() for field in ("name", "days", "may"))
    if not 1 <= len(name) <= 60:
        return _page(422, error="A name has 1 to 60 characters.")
    if days not in LIFETIMES or may not in SCOPES:
        raise Problem(422, "bad_request", "days and may are what the form offers.")
    ends = datetime.now(timezone.utc) + timedelta(days=int(days)) if days else None
    secret = current_app.plans.create_api_key(g.user.subject, name, ends, SCOPES[may])
    return _page(201, secret=secret, name=name)


@blueprint.post("/keys/<int:key_id>/revoke")
@signed_in
def revoke(key_id):
    """End one of one's own keys."""
    if not current_app.plans.revoke_api_key(g.user.subject, key_id):
        raise Problem(404, "not_found", "There is no such key.")
    return redirect(url_for("keys.page"), 303)

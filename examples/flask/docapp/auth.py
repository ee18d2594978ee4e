"""Who is there: sign up, sign in, sign out, and the subject that pays.

Passwords are stored as salted PBKDF2 hashes.  A session is a signed cookie (HttpOnly, SameSite=Lax, Secure)
that names the user; it is made anew at every sign-in.  Ten wrong passwords for one address within a
quarter of an hour close it for the rest of that time.
"""

import functools
import re
import secrets
import unicodedata
from datetime import timedelta

from flask import Blueprint, current_app, g, redirect, render_template, request, session, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

from quota_client import QuotaError

from . import tokens, web
from .models import Document, FailedSignIn, User, Workspace
from .parsing import clean
from .web import Problem

blueprint = Blueprint("auth", __name__)

PASSWORD_METHOD = "pbkdf2:sha256:600000"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200
FAILURES, WITHIN = 10, timedelta(minutes=15)
INVITATION_SECONDS = 7 * 24 * 3600

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,180}\Z")


# -- the person behind a request


@blueprint.before_app_request
def load_user():
    """Set g.user to the signed-in User, or None."""
    g.user = None
    with_key = request.path.startswith("/api/") and "Authorization" in request.headers  # see keys.py
    if "user" in session and request.endpoint != "static" and not with_key:
        with current_app.db.session.begin() as db:
            g.user = db.get(User, session["user"])


def signed_in(view):
    """Decorator: 401 for scripts, the sign-in page for browsers, unless somebody is signed in."""

    @functools.wraps(view)
    def guarded(*args, **kwargs):
        if g.user is None:
            if web.wants_page() and request.method == "GET":
                return redirect(url_for("auth.sign_in", next=web.local_path(request.full_path.rstrip("?"))))
            raise Problem(401, "signed_out", "Sign in first.")
        return view(*args, **kwargs)

    return guarded


def owner_only(view):
    """Decorator, below signed_in: 403 unless the person owns the workspace."""

    @functools.wraps(view)
    def guarded(*args, **kwargs):
        if g.user.role != "owner":
            raise Problem(403, "forbidden", "Only the owner of the workspace can do this.")
        return view(*args, **kwargs)

    return guarded


def subject():
    """The path that pays for this request: workspace/member."""
    return g.user.subject


# -- accounts


def slug_of(name):
    """A path segment from a name, made unique by eight random hex digits: 'Ada Lovelace' -> 'ada-love-5f3a91c2'."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:24].rstrip("-") or "x"
    return f"{stem}-{secrets.token_hex(4)}"


def create_user(db, email, name, password, workspace=None, workspace_name=None):
    """Insert a user, as a member of `workspace` or as the owner of a new one, and take a seat for them.

    Runs in the caller's transaction.  Raises Problem (422) for bad input and QuotaError (QT402) when the
    workspace's plan has no seat left; then nobody was created.
    """
    email, name, workspace_name = email.strip().lower(), clean(name), clean(workspace_name or "")
    if not _EMAIL.match(email):
        raise Problem(422, "bad_email", "That does not look like an e-mail address.")
    if not 1 <= len(name) <= 80:
        raise Problem(422, "bad_name", "A name has 1 to 80 characters.")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Problem(422, "bad_password", f"A password has at least {SHORTEST_PASSWORD} characters.")
    role = "owner" if workspace is None else "member"
    if workspace is None:
        title = workspace_name[:80] or f"{name}’s workspace"
        workspace = Workspace(slug=slug_of(workspace_name or name), name=title)
        db.add(workspace)
        db.flush()
    user = User(
        workspace_id=workspace.id,
        slug=slug_of(name),
        email=email,
        name=name,
        password_hash=generate_password_hash(password, PASSWORD_METHOD),
        role=role,
    )
    db.add(user)
    try:
        db.flush()
    except IntegrityError as error:
        raise Problem(422, "taken", "There is an account with this e-mail address already.") from error
    db.refresh(user)
    tokens.charge(db, user.subject, {"seats": 1}, None, {"action": "join", "title": name})
    return user


def remove_member(db, owner, member_id):
    """Delete a member of the owner's workspace with their documents' authorship passed to the owner, and
    give the seat back.  Returns the subject that they were.  Raises Problem 404."""
    member = db.scalars(
        select(User)
        .where(User.id == member_id, User.workspace_id == owner.workspace_id, User.role == "member")
        .with_for_update(of=User)
    ).one_or_none()
    if member is None:
        raise Problem(404, "not_found", "There is no such member.")
    db.execute(
        Document.__table__.update().where(Document.user_id == member.id).values(user_id=owner.id)
    )
    db.execute(delete(User).where(User.id == member.id))
    tokens.hand_back(db, member.subject, {"seats": 1}, {"action": "leave", "title": member.name})
    return member.subject


@functools.lru_cache(maxsize=1)
def _nobody():
    """A hash to compare with when the address is unknown, so that both cases take equally long."""
    return generate_password_hash(secrets.token_hex(16), PASSWORD_METHOD)


def _user_of(db, email):
    return db.scalars(select(User).where(User.email == email)).one_or_none()


def verify_password(db, email, password, find=_user_of):
    """Who find(db, email) says has this address, if the password is right, or None.  Raises Problem 429 after too
    many wrong passwords for this address."""
    email = clean(email).lower()[:250]
    recent = (FailedSignIn.email == email) & (FailedSignIn.at > func.now() - WITHIN)
    failures, oldest, now = db.execute(
        select(func.count(), func.min(FailedSignIn.at), func.now()).where(recent)
    ).one()
    if failures >= FAILURES:
        wait = int((oldest + WITHIN - now).total_seconds()) + 1
        raise Problem(429, "too_many_attempts", f"Too many wrong passwords. Try again in {wait} seconds.")
    user = find(db, email)
    if check_password_hash(user.password_hash if user else _nobody(), password[:LONGEST_PASSWORD]) and user:
        db.execute(delete(FailedSignIn).where(FailedSignIn.email == email))
        return user
    db.add(FailedSignIn(email=email))
    return None


# -- invitations


def _invitations():
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="invitation")


def invitation_for(workspace):
    """A signed link text that lets one join the workspace within seven days."""
    return _invitations().dumps(workspace.id)


def _invited_to(db, invitation):
    if not invitation:
        return None
    try:
        return db.get(Workspace, _invitations().loads(invitation, max_age=INVITATION_SECONDS))
    except BadData as error:
        raise Problem(422, "bad_invitation", "This invitation is not valid any more.") from error


# -- routes


def begin_session(kind, person_id, home):
    """Sign in who has the id, a "user" or an "operator", and go where they wanted to (the form's `next`), else to
    the endpoint `home`.  A session is of one person: whoever was signed in before is out."""
    session.clear()
    session.permanent = True
    session[kind] = person_id
    return redirect(web.local_path(request.form.get("next")) or url_for(home), 303)


@blueprint.get("/sign-in")
def sign_in():
    """The sign-in page.  ?next= is the local path to go to afterwards."""
    return render_template("sign_in.html")


@blueprint.post("/sign-in")
def do_sign_in():
    """Begin a session, or show the form again with the reason."""
    try:
        with current_app.db.session.begin() as db:
            user = verify_password(db, request.form.get("email", ""), request.form.get("password", ""))
        reason, status = "The e-mail address or the password is wrong.", 401
    except Problem as problem:
        user, reason, status = None, problem.body["message"], problem.status
    if user is None:
        return render_template("sign_in.html", error=reason, email=request.form.get("email", "")), status
    return begin_session("user", user.id, "pages.documents")


@blueprint.get("/sign-up")
def sign_up():
    """The sign-up page; ?invitation=... joins a workspace, ?next= as at sign-in."""
    with current_app.db.session.begin() as db:
        workspace = _invited_to(db, request.args.get("invitation"))
    return render_template("sign_up.html", workspace=workspace, form={})


@blueprint.post("/sign-up")
def do_sign_up():
    """Create an account and begin a session, or show the form again with the reason."""
    form, workspace = request.form, None
    try:
        with current_app.db.session.begin() as db:
            workspace = _invited_to(db, form.get("invitation"))
            user = create_user(
                db,
                form.get("email", ""),
                form.get("name", ""),
                form.get("password", ""),
                workspace,
                form.get("workspace", ""),
            )
    except Problem as problem:
        error, status = problem.body["message"], problem.status
    except QuotaError as refused:
        error, status = "This workspace has no seat left. Its owner can make room or change the plan.", refused.status
    else:
        return begin_session("user", user.id, "pages.documents")
    return render_template("sign_up.html", error=error, workspace=workspace, form=form), status


@blueprint.post("/sign-out")
def sign_out():
    """End the session."""
    session.clear()
    return redirect(url_for("auth.sign_in"), 303)

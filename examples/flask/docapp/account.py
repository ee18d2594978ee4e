"""The routes about the account: who am I, plans, the payment callback, offers, history, members."""

import secrets
from datetime import datetime, timezone

from flask import Blueprint, current_app, flash, g, request, url_for
from sqlalchemy import select, text

import quota_client
from quota_client import QuotaError
from quota_client.flask import requires

from . import auth, config, web
from .auth import owner_only, signed_in
from .callbacks import BadCallback
from .models import User, Workspace
from .web import Problem, respond

blueprint = Blueprint("account", __name__)

FEATURES = config.catalog()["features"]
LONGEST_HISTORY = 500


@blueprint.get("/healthz")
def healthz():
    """200 if the database answers and has the extension."""
    with current_app.db.app.connect() as connection:
        version = connection.execute(
            text("SELECT extversion FROM pg_extension WHERE extname = 'quota'")
        ).scalar_one()
    return {"ok": True, "quota": version}


@blueprint.get("/api/user/me")
@signed_in
def me():
    """Who am I, and everything quota.me says: plan, features with what is left, grants."""
    user = g.user
    with current_app.db.app.connect() as connection:
        state = quota_client.me(connection, user.subject)
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "workspace": {"name": user.workspace.name, "slug": user.workspace.slug},
        "subject": user.subject,
        "quota": state,
    }


@blueprint.get("/api/plans")
def plans():
    """Every plan on offer with what it gives; needs no session."""
    return {"plans": current_app.plans.plans()}


def _receive(body, signature):
    """Carry a signed callback out: what the route and the demo checkout share."""
    try:
        event = current_app.callbacks.read(body, signature)
        with current_app.db.session.begin() as session:
            if not session.scalars(select(Workspace.id).where(Workspace.slug == event["workspace"])).first():
                raise Problem(404, "not_found", "There is no such workspace.")
        if "top_up" in event:
            grant = current_app.plans.top_up(event)
            return {"workspace": event["workspace"], "top_up": event["top_up"], "grant": grant}
        standing = current_app.plans.carry_out(event)
    except BadCallback as error:
        raise Problem(error.status, "bad_callback", str(error)) from error
    return {"workspace": event["workspace"], "plan": event["plan"], "carried_out": standing == "new", "standing": standing}


@blueprint.post("/api/user/plan")
@web.csrf_exempt
def plan_callback():
    """A payment provider's callback; authenticated by X-Signature, never by a session.

    Body: {"id": unique event id, "workspace": slug, "plan": name, "effective": "now" or "period_end", "created": when
    it happened}.  Delivered twice, it is carried out once; delivered after a later one, it is not carried out at all;
    either answer is 200, with "standing" new, repeated or overtaken.  With "top_up" in place of plan, effective and
    created it pays for credits.
    """
    return _receive(request.get_data(), request.headers.get("X-Signature"))


@blueprint.post("/checkout")
@signed_in
@owner_only
def demo_checkout():
    """Stand in for the payment provider: sign a callback for the form's `plan` and receive it ourselves."""
    now = datetime.now(timezone.utc).isoformat()
    result = _pay(plan=request.form.get("plan", ""), effective=request.form.get("effective", "now"), created=now)
    flash(_confirmation())
    return respond(result | {"url": web.local_path(request.form.get("back")) or url_for("pages.plans")})


def _pay(**bought):
    """Sign and receive the callback of a payment for the signed-in person's workspace."""
    event = {"id": f"demo-{secrets.token_hex(12)}", "workspace": g.user.workspace.slug, **bought}
    body = current_app.json.dumps(event).encode()
    return _receive(body, current_app.callbacks.sign(body))


@blueprint.post("/top-up")
@signed_in
@owner_only
def demo_top_up():
    """The same for credits: the form's `top_up`."""
    result = _pay(top_up=request.form.get("top_up", ""))
    flash(f"Done: {config.TOP_UPS[result['top_up']]['title']} more.")
    return respond(result | {"url": web.local_path(request.form.get("back")) or url_for("pages.usage")})


@blueprint.post("/trial")
@signed_in
@owner_only
def trial():
    """Begin the trial of the form's `plan`, once for each person."""
    try:
        begun = current_app.plans.start_trial(g.user.workspace.slug, request.form.get("plan", ""), g.user.email)
    except BadCallback as error:
        raise Problem(error.status, "no_trial", str(error)) from error
    if not begun:
        raise Problem(409, "no_trial", "You have had your trial.")
    flash("Done: your trial has begun.")
    return respond({"url": web.local_path(request.form.get("back")) or url_for("pages.plans")})


def _confirmation():
    """What the plan is after a change, as a sentence."""
    with current_app.db.app.connect() as connection:
        plan = quota_client.me(connection, g.user.subject)["plan"]
    if plan["cancel_at"]:
        return f"Done: you keep {plan['title']} until the paid period ends, then the free plan applies."
    return f"Done: your plan is {plan['title']} now."


@blueprint.get("/api/offers")
@signed_in
def offers():
    """Plans that would allow `amount` (default 1) of `feature`: what the paywall dialog shows."""
    feature, amount = request.args.get("feature", ""), request.args.get("amount", "1")
    if feature not in FEATURES or not (amount.isascii() and amount.isdigit() and 0 < len(amount) < 19):
        raise Problem(400, "bad_request", "feature and amount are needed.")
    return {
        "feature": feature,
        "title": FEATURES[feature]["title"],
        "unit": FEATURES[feature].get("unit"),
        "owner": owner_name(),
        "may_change_plan": g.user.role == "owner",
        "offers": plans_that_allow(feature, int(amount)),
    }


def plans_that_allow(feature, amount):
    """The plans that would allow `amount` of `feature` to the signed-in person, as dicts with plan, title,
    allowance, metadata.  What a plan only sets (a static feature) is compared here, for it is not counted."""
    if FEATURES[feature]["kind"] == "static":
        return current_app.plans.with_value(feature, amount)
    with current_app.db.app.connect() as connection:
        return [row._asdict() for row in quota_client.offers(connection, g.user.subject, feature, amount)]


def owner_name():
    """The name of who may change the plan and members' limits."""
    if g.user.role == "owner":
        return g.user.name
    with current_app.db.session.begin() as session:
        query = select(User.name).where(User.workspace_id == g.user.workspace_id, User.role == "owner")
        return session.scalars(query.limit(1)).first()


_HISTORY = text(
    """
    SELECT f.feature, s.id, s.at, s.subject, s.kind, s.amount, s.source, s.running, s.metadata
      FROM unnest(CAST(:features AS text[])) AS f(feature)
     CROSS JOIN LATERAL quota.statement(subject => :subject, feature => f.feature,
                                        since => CAST(:since AS timestamptz),
                                        until => CAST(:until AS timestamptz), max_rows => :most) AS s
     ORDER BY s.at DESC, s.id DESC
     LIMIT :most
    """
)


def history_rows(connection, user, since=None, until=None, most=200):
    """What was charged in [since, until), newest first, over every metered and capacity feature: the owner
    sees the whole workspace, a member their own part."""
    return connection.execute(
        _HISTORY,
        {
            "features": [name for name, f in FEATURES.items() if f["kind"] in ("metered", "capacity")],
            "subject": user.workspace.slug if user.role == "owner" else user.subject,
            "since": since,
            "until": until,
            "most": most,
        },
    ).all()


def tokens_used_by(connection, member, limit, since):
    """llm_tokens of one member: what counts against the limit that they have, their own or the plan's; without
    one (None) all that was charged to them since a time."""
    if limit is not None:
        for row in quota_client.explain(connection, member.subject, "llm_tokens"):
            if row.level == member.subject and row.source == "allowance":
                return limit - row.available
    rows = quota_client.usage(connection, member.subject, "llm_tokens", since)
    return sum(row.used for row in rows)


@blueprint.get("/api/history")
@signed_in
def history():
    """quota.statement of every feature, newest first.  ?since= an ISO time, ?most= rows (at most 500)."""
    since, most = request.args.get("since"), request.args.get("most", "200")
    try:
        since = datetime.fromisoformat(since) if since else None
        most = min(max(int(most), 1), LONGEST_HISTORY)
    except ValueError as error:
        raise Problem(400, "bad_request", "since is an ISO time, most a number.") from error
    with current_app.db.app.connect() as connection:
        rows = history_rows(connection, g.user, since, most=most)
    return {"entries": [dict(row._mapping) | {"at": row.at.isoformat()} for row in rows]}


@blueprint.post("/members/invite")
@signed_in
@owner_only
@requires("seats")
def invite():
    """A link with which one person more can join.  The seat itself is taken when they sign up."""
    invitation = auth.invitation_for(g.user.workspace)
    link = url_for("auth.sign_up", invitation=invitation, _external=True)
    return respond({"invitation": link, "url": url_for("pages.team", invited=invitation)})


@blueprint.post("/members/<int:member_id>/remove")
@signed_in
@owner_only
def remove(member_id):
    """Remove a member and give their seat back."""
    with current_app.db.session.begin() as session:
        subject = auth.remove_member(session, g.user, member_id)
    current_app.plans.revoke_api_keys(subject)  # they act for nobody any more
    return respond({"removed": member_id, "url": url_for("pages.team")})


@blueprint.post("/members/<int:member_id>/limit")
@signed_in
@owner_only
def limit(member_id):
    """Set a member's own monthly llm_tokens (`tokens`; empty: none beside the workspace's)."""
    wanted = request.form.get("tokens", "").strip()
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < 13):
        raise Problem(422, "bad_limit", "A limit is a whole number of tokens, or empty.")
    tokens = int(wanted) if wanted else None
    with current_app.db.session.begin() as session:
        member = session.get(User, member_id, with_for_update={"of": User})
        if member is None or member.workspace_id != g.user.workspace_id:
            raise Problem(404, "not_found", "There is no such member.")
        member.token_limit = tokens
        session.flush()
        # the last step before the commit, by the other door: refused, nothing is noted
        try:
            current_app.plans.limit_member(member.subject, tokens)
        except QuotaError as error:
            raise Problem(error.status, error.code, error.message) from error
    return respond({"member": member_id, "tokens": tokens, "url": url_for("pages.team")})

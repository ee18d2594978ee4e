"""The pages, rendered on the server; they work without JavaScript and are nicer with it."""

import uuid
from datetime import datetime, timedelta, timezone

from flask import Blueprint, current_app, g, redirect, render_template, request, url_for
from markupsafe import Markup, escape
from sqlalchemy import select

import quota_client

from . import account, chart, config, mindmap, parsing, web
from . import documents as service
from .account import FEATURES
from .auth import owner_only, signed_in
from .models import Answer, MindMap, User

blueprint = Blueprint("pages", __name__)

CHUNKS_ON_A_PAGE = 60
ANSWERS_SHOWN = 20
CHART_DAYS = 30
HISTORY_ROWS = 200  # ledger rows read for a page of history
LONGEST_ANSWER = timedelta(hours=1)  # from its reservation to what settles it
HOLD_KINDS = ("hold", "settle", "release", "expiry")


# -- how things are written


@blueprint.app_template_filter()
def amount(number, unit=None):
    """12345, 'token' -> '12,345 tokens'; bytes in kB, MB, GB; None is 'unlimited'."""
    if number is None:
        return "unlimited"
    if unit == "byte":
        for size, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
            if abs(number) >= 0.9995 * size:
                return f"{number / size:.3g} {name}"
        return f"{number:,} bytes"
    if unit is None or unit == "MB":
        return f"{number:,} {unit or ''}".strip()
    return f"{number:,} {unit}{'' if abs(number) == 1 else 's'}"


@blueprint.app_template_filter()
def moment(value, with_time=True):
    """A datetime or ISO text -> a <time> element, in UTC."""
    if not value:
        return ""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    at = at.astimezone(timezone.utc)
    shown = f"{at.day} {at:%B %Y}" + (f", {at:%H:%M} UTC" if with_time else "")
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), shown)


@blueprint.app_template_filter()
def marked(snippet):
    """A search snippet with its matches in <mark>."""
    safe = str(escape(snippet))
    return Markup(safe.replace(service.MARK_START, "<mark>").replace(service.MARK_STOP, "</mark>"))


@blueprint.app_template_filter()
def price(cents):
    """1900 -> '$19'; 0 -> 'Free of charge'."""
    return f"${cents / 100:,.2f}".removesuffix(".00") if cents else "Free of charge"


@blueprint.app_context_processor
def _shared():
    return {"features": FEATURES, "new_key": lambda: uuid.uuid4().hex}


def _render(template, **values):
    """A page of the signed-in person, with what quota.me says for the header and the bars."""
    with current_app.db.app.connect() as connection:
        state = quota_client.me(connection, g.user.subject)
    return render_template(template, state=state, **values)


def paywall(error):
    """The page a browser without JavaScript gets for a refusal; quota_client calls it."""
    return _wall(error.detail, error.message)


@blueprint.app_errorhandler(web.Wall)
def _static_wall(wall):
    """The same for a limit that the application looks at itself."""
    if not web.wants_page():
        return wall.body, wall.status
    return _wall(wall.body, wall.body["message"]), wall.status


def _wall(detail, message):
    """What is in the way, which plans would do, and who can change it; its links lead back to what was refused."""
    offers, back, owner = [], None, None
    if detail and g.user and detail["feature"] in FEATURES:
        offers = account.plans_that_allow(detail["feature"], detail["requested"])
        owner = account.owner_name()
        back = url_for("pages.ask", question=request.form["question"]) if "question" in request.form else web.came_from()
    return render_template(
        "paywall.html", message=message, detail=detail, offers=offers, owner=owner, back=back
    )


# -- routes


@blueprint.get("/")
def home():
    """To the documents, or to sign in."""
    return redirect(url_for("pages.documents" if g.user else "auth.sign_in"))


@blueprint.get("/documents")
@signed_in
def documents():
    """Upload and the list of documents; ?q= searches them."""
    query = parsing.clean(request.args.get("q", ""))[:500]
    with current_app.db.session.begin() as session:
        listed = service.listing(session, g.user)
        found = service.search(session, g.user, query) if query else []
    return _render("documents.html", documents=listed, query=query, found=found)


@blueprint.get("/documents/<int:document_id>")
@signed_in
def document(document_id):
    """One document: its facts, mind map and chunks."""
    start = min(max(request.args.get("from", 0, type=int), 0), service.MOST_CHUNKS)
    with current_app.db.session.begin() as session:
        found = service.find(session, g.user, document_id)
        chunks = service.chunks_of(session, found, start, CHUNKS_ON_A_PAGE + 1)
        tree = session.get(MindMap, document_id)
    return _render(
        "document.html",
        document=found,
        chunks=chunks[:CHUNKS_ON_A_PAGE],
        start=start,
        step=CHUNKS_ON_A_PAGE,
        more=len(chunks) > CHUNKS_ON_A_PAGE,
        map=tree,
        drawing=Markup(mindmap.draw(tree.tree)) if tree else None,
    )


@blueprint.get("/ask")
@signed_in
def ask():
    """Ask a question; one's own last answers.  ?asked= is a question that found nothing, ?question= one that
    is still to be asked."""
    with current_app.db.session.begin() as session:
        answers = session.scalars(
            select(Answer).where(Answer.user_id == g.user.id).order_by(Answer.id.desc()).limit(ANSWERS_SHOWN)
        ).all()
    return _render("ask.html", answers=answers, asked=request.args.get("asked"))


@blueprint.get("/usage")
@signed_in
def usage():
    """What is used and what is left, feature by feature; ?feature= is charted by day."""
    feature = request.args.get("feature")
    if FEATURES.get(feature, {}).get("kind") != "metered":
        feature = "llm_tokens"
    since, until = chart.span(CHART_DAYS)
    begin = datetime.combine(since, datetime.min.time(), timezone.utc)
    whose = g.user.workspace.slug if g.user.role == "owner" else g.user.subject
    with current_app.db.app.connect() as connection:
        rows = quota_client.usage(connection, whose, feature, begin)
    unit = FEATURES[feature].get("unit")
    drawn = chart.draw(chart.days_of(rows, since, until), lambda point: f"{point.day:%-d %B}: {amount(point.amount, unit)}")
    return _render("usage.html", chart=drawn, charted=feature, top_ups=config.TOP_UPS)


@blueprint.get("/plans")
@signed_in
def plans():
    """The plans side by side, with the demo checkout."""
    with current_app.db.app.connect() as connection:
        state = quota_client.me(connection, g.user.subject)
    listed = [plan | {"losses": losses(state, plan)} for plan in current_app.plans.plans()]
    on_default = any(plan["default"] and plan["plan"] == state["plan"]["name"] for plan in listed)
    may_try = on_default and g.user.role == "owner" and not current_app.plans.has_had_trial(g.user.email)
    return render_template("plans.html", state=state, plans=listed, may_try=may_try)


def losses(state, plan):
    """What somebody in `state` (quota.me) would have less of under `plan`, as sentences: what is there and
    would be over its limit first, then what is switched off or becomes smaller than what is used."""
    given = {feature["feature"]: feature for feature in plan["features"]}
    told = []
    for name, feature in FEATURES.items():
        now, then, unit = state["features"][name], given.get(name), feature.get("unit")
        if feature["kind"] == "capacity":
            room = then["allowance"] if then else 0
            if room is not None and now["used"] > room:
                held = f"{feature['title']}: you have {amount(now['used'], unit)}, {plan['title']} has room for"
                told.append(f"{held} {amount(room, unit)}. Nothing is deleted, but nothing can be added.")
        elif feature["kind"] == "boolean":
            if now["allowed"] and not (then and then["value"]):
                told.append(f"{feature['title']}: not in {plan['title']}. What is there stays.")
        elif feature["kind"] == "static":
            value = then["value"] if then else 0
            if now["value"] is not None and value < now["value"]:
                told.append(f"{feature['title']}: {amount(value, unit)} in place of {amount(now['value'], unit)}.")
        elif then is None or (then["allowance"] is not None and now["used"] > then["allowance"] and not plan["default"]):
            told.append(
                f"{feature['title']}: you have used {amount(now['used'], unit)} this month,"
                f" {plan['title']} gives {amount(then['allowance'] if then else 0, unit)}."
            )
    return told


@blueprint.get("/history")
@signed_in
def history():
    """What was charged, when and why, entries of one action together; for the owner also changes of the plan.
    ?before= is where an older page begins."""
    before = _time(request.args.get("before"))
    with current_app.db.app.connect() as connection:
        actions, older = page_of_actions(connection, g.user, before)
    names = {}
    with current_app.db.session.begin() as session:
        for user in session.scalars(select(User).where(User.workspace_id == g.user.workspace_id)):
            names[user.subject] = user.name
    entries = [(action["at"], "action", action) for action in actions]
    if g.user.role == "owner":
        changes = current_app.plans.changes(g.user.workspace.slug, since=older, until=before)
        entries += [(change.at, "change", change) for change in changes]
    entries.sort(key=lambda entry: entry[0], reverse=True)
    titles = {plan["plan"]: plan["title"] for plan in current_app.plans.plans()}
    return _render("history.html", entries=entries, names=names, titles=titles, older=older)


def _time(text):
    """An ISO time of a query string, or None.  Raises Problem 400."""
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        at = None
    if text and (at is None or at.tzinfo is None):
        raise web.Problem(400, "bad_request", "before is an ISO time with its offset.")
    return at


def page_of_actions(connection, user, before=None):
    """A page of history: (actions, where the older page begins or None), each action whole.

    An action lies where it began.  What ends it may come up to LONGEST_ANSWER later, so as much newer rows are
    read and left out; of the rows at the old end, whose action may have begun before them, none is shown.
    """
    until, most = before and before + LONGEST_ANSWER, HISTORY_ROWS
    while True:
        rows = account.history_rows(connection, user, until=until, most=most)
        whole = len(rows) < most
        begin = None if whole else rows[-1].at
        actions = [
            action
            for action in actions_of(rows)
            if (before is None or action["at"] < before)
            and (whole or (action["at"] > begin and not action["ends_only"]))
        ]
        if actions or whole:
            return actions, None if whole else begin + timedelta(microseconds=1)
        most *= 2


def actions_of(rows):
    """Ledger rows, newest first -> what a person did: [{"at", "subject", "kind", "why", "charges"}].

    Rows of one moment belong together, and so do those of one hold, from its reservation to what settled or
    released it: shown is what it comes to (0: left out).  Extensions and releases carry no metadata; they
    are counted with the latest answer that the same person began.  What a gate charged says only which table
    did it: it is part of what was paid for in the same transaction, if anything was, else stands alone.
    """
    holds, moments, began, gates, paid = {}, {}, {}, [], {}
    for row in reversed(rows):
        why = row.metadata or {}
        if "table" in why:
            gates.append(row)
            continue
        if row.kind in HOLD_KINDS and ("ask" in why or row.subject in began):
            ask = began[row.subject] = why.get("ask") or began[row.subject]
            action = holds.setdefault(ask, _action(row) | {"ends_only": row.kind != "hold"})
        else:
            action = moments.setdefault((row.at, row.subject, str(row.metadata)), _action(row))
            paid[row.at, row.subject] = action
        _add(action, row)
    for row in gates:
        action = paid.get((row.at, row.subject))
        _add(action or moments.setdefault((row.at, row.subject, str(row.metadata)), _action(row)), row)
    actions = [*moments.values(), *holds.values()]
    for action in actions:
        action["charges"] = {feature: n for feature, n in sorted(action["charges"].items()) if n}
    return [action for action in actions if action["charges"]]


def _add(action, row):
    action["charges"][row.feature] = action["charges"].get(row.feature, 0) + row.amount


def _action(row):
    return {
        "at": row.at,
        "subject": row.subject,
        "kind": row.kind,
        "why": row.metadata or {},
        "charges": {},
        "ends_only": False,  # a hold's rows whose reservation was not read
    }


@blueprint.get("/team")
@signed_in
@owner_only
def team():
    """The workspace's members, their limits, and an invitation (?invited=)."""
    with current_app.db.session.begin() as session:
        members = session.scalars(
            select(User).where(User.workspace_id == g.user.workspace_id).order_by(User.id)
        ).all()
    with current_app.db.app.connect() as connection:
        state = quota_client.me(connection, g.user.workspace.slug)
        since = state["features"]["llm_tokens"]["period_start"]
        each = current_app.plans.member_limit(state["plan"]["name"])
        limits = {member.id: each if member.token_limit is None else member.token_limit for member in members}
        used = {member.id: account.tokens_used_by(connection, member, limits[member.id], since) for member in members}
    invited = request.args.get("invited")
    link = url_for("auth.sign_up", invitation=invited, _external=True) if invited else None
    return render_template("team.html", state=state, members=members, limits=limits, used=used, link=link)

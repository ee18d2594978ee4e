"""What support does for a customer: each action reads its form, then acts in the one transaction of acts.py."""

import json
from collections import namedtuple

import quota_client
from flask import flash, g, redirect, request, url_for

from .. import plans
from ..web import Problem
from . import acts, forms
from .access import acts as acting
from .access import blueprint
from .queries import customer as queries
from .queries import stamps
from .use import subject_asked

Action = namedtuple("Action", "read do")
ACTIONS = {}
STATUSES = {"active": "active", "past_due": "past due", "paused": "paused"}
EFFECTIVE = {"now": "now", "period_end": "when the period ends"}
PERIODS = ("", "month", "week", "day", "year")


def action(name, read):
    """Decorator: `do(connection, subject, asked)` carries out what read() found in the form, and says what it did."""

    def register(do):
        ACTIONS[name] = Action(read, do)
        return do

    return register


@blueprint.post("/customer/<name>")
@acting
def act_for_customer(name):
    """Carry an action of ACTIONS out, then show the customer's page with what was done."""
    if name not in ACTIONS:
        raise Problem(404, "not_found", "There is no such action.")
    subject = subject_asked()
    asked = ACTIONS[name].read() | {"why": forms.words("why", "Why", needed=False)}
    target = stamps.Subject(subject)
    outcome = acts.carry_out(name, lambda connection: ACTIONS[name].do(connection, subject, asked), asked, target, subject)
    flash(outcome)
    return redirect(url_for("console.customer", subject=subject), 303)


def _feature():
    return forms.words("feature", "Feature", 63)


def _noted(asked):
    """What the ledger and grants keep beside it."""
    return {"by": g.operator.email} | ({"why": asked["why"]} if asked["why"] else {})


def _key():
    return f"console:{acts.request_key()}"


# -- plan


def _plan_form():
    return {
        "plan": forms.words("plan", "Plan", 128),
        "effective": forms.choice("effective", "When", EFFECTIVE),
        "usage": forms.choice("usage", "Use", ("keep", "reset", "prorate")),
    }


@action("change_plan", _plan_form)
def change_plan(connection, subject, asked):
    """Move the customer to a plan, now or when the period ends."""
    quota_client.change_plan(connection, subject, asked["plan"], asked["effective"], asked["usage"])
    return f"The plan is {asked['plan']}, {EFFECTIVE[asked['effective']]}."


@action("cancel", lambda: {"effective": forms.choice("effective", "When", EFFECTIVE)})
def cancel(connection, subject, asked):
    """End the subscription."""
    ends_at = quota_client.cancel(connection, subject, asked["effective"])
    return f"The subscription ends at {ends_at:%Y-%m-%d %H:%M %Z}."


@action(
    "set_status",
    lambda: {"status": forms.choice("status", "Status", STATUSES), "until": forms.day("until", "Until")},
)
def set_status(connection, subject, asked):
    """Pause, resume, or mark as past due."""
    quota_client.set_status(connection, subject, asked["status"], asked["until"])
    return f"The subscription is {STATUSES[asked['status']]}" + (f" until {asked['until'][:10]}." if asked["until"] else ".")


def _amend_form():
    return {
        "quantity": forms.whole("quantity", "Quantity"),
        "timezone": forms.words("timezone", "Time zone", 64),
        "external_id": forms.words("external_id", "External id", 255, needed=False),
        "ends_at": forms.day("ends_at", "Ends"),
        "trial_ends_at": forms.day("trial_ends_at", "Trial ends"),
    }


@action("amend", _amend_form)
def amend(connection, subject, asked):
    """Change what the form has otherwise than the subscription; a day that stays the same keeps its time."""
    present = queries.present_subscription(connection, subject)
    if present is None:
        raise Problem(404, "not_found", "There is no subscription to amend. Nothing was done.")
    changes = {}
    for key in ("quantity", "timezone", "external_id"):
        if asked[key] != getattr(present, key):
            changes[key] = asked[key]
    for key in ("ends_at", "trial_ends_at"):
        was = getattr(present, key)
        if (asked[key] or "")[:10] != (was.isoformat()[:10] if was else ""):
            changes[key] = asked[key]
    if not changes:
        return "Nothing was to be amended."
    quota_client.amend(connection, subject, changes)
    return f"Amended: {', '.join(key.replace('_', ' ') for key in changes)}."


# -- what it gives


def _credit_form():
    return {
        "feature": _feature(),
        "amount": forms.whole("amount", "Amount"),
        "expires_at": forms.day("expires_at", "Until"),
        "every": forms.choice("every", "Anew each", PERIODS) or None,
        "beyond_caps": "beyond_caps" in request.form,
    }


@action("credit", _credit_form)
def credit(connection, subject, asked):
    """Give units on top of the plan."""
    row = quota_client.credit(
        connection,
        subject,
        asked["feature"],
        asked["amount"],
        expires_at=asked["expires_at"],
        every=asked["every"],
        source="support",
        key=_key(),
        metadata=_noted(asked),
        beyond_caps=asked["beyond_caps"],
    )
    left = "no limit" if row.remaining is None else f"{row.remaining:,} left"
    return f"Credited {asked['amount']:,} of {asked['feature']}; now {left}."


@action("revoke", lambda: {"grant_id": forms.whole("grant_id", "Grant"), "amount": forms.whole("amount", "Amount", needed=False)})
def revoke(connection, subject, asked):
    """Take back what is left of one of the customer's grants, or so much of it."""
    if all(grant["id"] != asked["grant_id"] for grant in queries.me(connection, subject)["grants"]):
        raise Problem(404, "not_found", "This customer has no such grant any more. Nothing was done.")
    taken = quota_client.revoke(connection, asked["grant_id"], asked["amount"], key=_key())
    return f"Took back {taken:,}."


def _override_form():
    entitlement = request.form.get("entitlement", "").strip()
    return {"feature": _feature(), "entitlement": forms.json_value(entitlement, "Entitlement", 20_000) if entitlement else None}


@action("override", _override_form)
def override(connection, subject, asked):
    """Give an entitlement of the customer's own in place of the plan's, or take it away.  What limits a member is
    known to the application as well, which shows it, so it is set there."""
    if "/" in subject and asked["feature"] == plans.LIMITED_BY_MEMBER:
        raise Problem(409, "theirs", "A member's limit is set by the owner, on the page Team. Nothing was done.")
    quota_client.override(connection, subject, asked["feature"], asked["entitlement"])
    if asked["entitlement"] is None:
        return f"The plan decides about {asked['feature']} again."
    return f"{asked['feature']} has an entitlement of its own: {json.dumps(asked['entitlement'])}."


# -- corrections


@action("set_usage", lambda: {"feature": _feature(), "used": forms.whole("used", "Used", least=0)})
def set_usage(connection, subject, asked):
    """Correct what was used in the present period."""
    row = quota_client.set_usage(connection, subject, asked["feature"], asked["used"], key=_key(), metadata=_noted(asked))
    if row.id is None:
        return "Nothing was to be corrected."
    return f"{asked['feature']}: {asked['used']:,} used from now on."


@action("clear_caps", lambda: {"feature": _feature()})
def clear_caps(connection, subject, asked):
    """Let the caps of a feature count from 0."""
    cleared = quota_client.clear_caps(connection, subject, asked["feature"])
    return f"{cleared} cap{'' if cleared == 1 else 's'} of {asked['feature']} cleared."


@action("release", lambda: {"hold_id": forms.whole("hold_id", "Hold")})
def release(connection, subject, asked):
    """Give back what one of the customer's holds has reserved."""
    if all(hold.id != asked["hold_id"] for hold in queries.holds(connection, subject, most=1000)):
        raise Problem(404, "not_found", "This customer has no such hold any more. Nothing was done.")
    quota_client.release(connection, asked["hold_id"])
    return "The hold is released; nothing is charged for it."

"""Looking, for roles of level app and reader: what writes nothing, and works on a standby."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .. import rows
from ..call import Call, document, many, one, scalar
from ..values import Amount, Id, Moment


def check(subject: Id, feature: str, amount: Amount = 1) -> Call[rows.Check]:
    """Would debit be allowed now?  Charges nothing, promises nothing: (allowed, reason, allowance, used,
    remaining, resets_at, retry_after, blocked_by)."""
    return Call("check", one(rows.Check), {"subject": subject, "feature": feature, "amount": amount})


def has(subject: Id, feature: str) -> Call[bool]:
    """True if the subject's plan gives the feature and is active, whatever room is left."""
    return Call("has", scalar(bool), {"subject": subject, "feature": feature})


def setting(subject: Id, feature: str) -> Call[Any]:
    """The JSON value of a static or boolean feature; None if the plan does not give it."""
    return Call("setting", document("setting"), {"subject": subject, "feature": feature})


def status(subject: Id) -> Call[list[rows.Status]]:
    """One row for every feature of the catalog, as quota.status describes it."""
    return Call("status", many(rows.Status), {"subject": subject})


def me(subject: Id) -> Call[dict[str, Any]]:
    """The dict of quota.me: plan, features, grants.  Fit to be sent to the subject's own browser."""
    return Call("me", document("me"), {"subject": subject})


def explain(subject: Id, feature: str, amount: Amount = 1) -> Call[list[rows.Explain]]:
    """Level by level, what would give how much: rows (step, level, source, detail, available, takes, verdict)."""
    return Call("explain", many(rows.Explain), {"subject": subject, "feature": feature, "amount": amount})


def offers(subject: Id, feature: str, amount: Amount = 1) -> Call[list[rows.Offer]]:
    """Plans that would allow `amount`, smallest first: rows (plan, title, allowance, metadata)."""
    return Call("offers", many(rows.Offer), {"subject": subject, "feature": feature, "amount": amount})


def preview(subject: Id, plan: str, usage: str | None = None) -> Call[list[rows.Preview]]:
    """Every feature as after change_plan now: rows (feature, kind, allowance, used, remaining, value, fits)."""
    return Call("preview", many(rows.Preview), {"subject": subject, "plan": plan}, usage=usage)


def plans() -> Call[list[rows.Plan]]:
    """The plans of a pricing page: rows (plan, title, is_default, entitlements, metadata)."""
    return Call("plans", many(rows.Plan), {})


def statement(
    subject: Id, feature: str, since: Moment | None = None, until: Moment | None = None, max_rows: int | None = None
) -> Call[list[rows.StatementEntry]]:
    """What was charged for the subject or below, newest last: rows (id, at, subject, kind, amount, source,
    running, metadata); amount > 0 was taken, < 0 was given back."""
    given = {"subject": subject, "feature": feature}
    return Call("statement", many(rows.StatementEntry), given, since=since, until=until, max_rows=max_rows)


def usage(
    subject: Id,
    feature: str,
    since: Moment,
    until: Moment | None = None,
    step: str | None = None,
    timezone: str | None = None,
) -> Call[list[rows.Usage]]:
    """Use in steps of an hour, day (the default), week or month: rows (bucket, used, debits)."""
    given = {"subject": subject, "feature": feature, "since": since}
    return Call("usage", many(rows.Usage), given, until=until, step=step, timezone=timezone)


def breakdown(
    subject: Id,
    feature: str,
    since: Moment,
    until: Moment | None = None,
    by: str | None = None,
    max_rows: int | None = None,
) -> Call[list[rows.Breakdown]]:
    """Use by child (the default) or by a key of metadata ('metadata.action'): rows (name, used, entries)."""
    given = {"subject": subject, "feature": feature, "since": since}
    return Call("breakdown", many(rows.Breakdown), given, until=until, by=by, max_rows=max_rows)


def unit_hours(subject: Id, feature: str, since: Moment, until: Moment | None = None) -> Call[Decimal]:
    """Capacity in use × hours: GB-hours to invoice."""
    given = {"subject": subject, "feature": feature, "since": since}
    return Call("unit_hours", scalar(Decimal), given, until=until)

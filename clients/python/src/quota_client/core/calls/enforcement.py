"""Spending, for roles of level app: what writes, in the caller's own transaction."""

from __future__ import annotations

from typing import Any

from .. import rows
from ..call import NOTHING, Call, many, one
from ..values import Amount, Id, Interval, Json, Moment


def debit(
    subject: Id, feature: str, amount: Amount = 1, key: Id | None = None, metadata: Json | None = None
) -> Call[rows.Debit]:
    """Take `amount` of `feature` or raise: (id, remaining, resets_at).

    The same `key` with the same arguments charges once, however often it is sent.  `remaining` is None when
    nothing limits the feature.  On a boolean feature this is an assertion and charges nothing (id None).
    Raises QuotaError: QT402 no room or inactive, QT403 not in the plan, QT429 too fast, QT409 key reused
    with other arguments, QT404 unknown feature.
    """
    given = {"subject": subject, "feature": feature, "amount": amount}
    return Call("debit", one(rows.Debit), given, key=key, metadata=metadata)


def try_debit(
    subject: Id,
    feature: str,
    amount: Amount = 1,
    key: Id | None = None,
    metadata: Json | None = None,
    up_to: bool = False,
) -> Call[rows.TryDebit]:
    """As debit, but a refusal is an answer: (allowed, reason, id, debited, remaining, resets_at, retry_after,
    blocked_by).  With up_to, takes what there is: read `debited`."""
    given = {"subject": subject, "feature": feature, "amount": amount, "up_to": up_to}
    return Call("try_debit", one(rows.TryDebit), given, key=key, metadata=metadata)


def debit_many(
    subject: Id, amounts: Json, key: Id | None = None, metadata: Json | None = None
) -> Call[list[rows.FeatureDebit]]:
    """Take {feature: amount}, all or none: rows (feature, id, remaining, resets_at)."""
    given = {"subject": subject, "amounts": amounts}
    return Call("debit_many", many(rows.FeatureDebit), given, key=key, metadata=metadata)


def charge(
    subject: Id, action: str, units: Amount = 1, key: Id | None = None, metadata: Json | None = None
) -> Call[list[rows.Charge]]:
    """Take what `units` of an action of the catalog cost: rows (feature, id, charged, remaining, resets_at).
    Here alone `units` may be a Decimal that is not whole."""
    given = {"subject": subject, "action": action, "units": units}
    return Call("charge", many(rows.Charge), given, key=key, metadata=metadata)


def charge_units(
    subject: Id, action: str, units: Json, key: Id | None = None, metadata: Json | None = None
) -> Call[list[rows.Charge]]:
    """As charge, for an action with several prices: units {"input": 1200, "output": 350}."""
    given = {"subject": subject, "action": action, "units": units}
    return Call("charge_units", many(rows.Charge), given, key=key, metadata=metadata)


def refund(id: int, amount: Amount | None = None, key: Id | None = None) -> Call[rows.Refund]:
    """Give back `amount` (None: all that is left) of debit `id`: (id, refunded, remaining)."""
    return Call("refund", one(rows.Refund), {"id": id}, amount=amount, key=key)


def give_back(
    subject: Id, feature: str, amount: Amount = 1, key: Id | None = None, metadata: Json | None = None
) -> Call[rows.Entry]:
    """Something held under a capacity feature ceased to exist: (id, remaining).  More than is used: 22023."""
    given = {"subject": subject, "feature": feature, "amount": amount}
    return Call("give_back", one(rows.Entry), given, key=key, metadata=metadata)


def throttle(subject: Id, feature: str, cost: Amount = 1) -> Call[rows.Throttle]:
    """May this call pass the rate of a feature of kind rate?  If so it is taken: (allowed, remaining,
    retry_after).  Too fast is an answer, not an error."""
    return Call("throttle", one(rows.Throttle), {"subject": subject, "feature": feature, "cost": cost})


def reserve(
    subject: Id,
    feature: str,
    amount: Amount,
    ttl: Interval | None = None,
    key: Id | None = None,
    metadata: Json | None = None,
    up_to: bool | None = None,
) -> Call[rows.Reserve]:
    """Reserve room for work of unknown price: (id, reserved, remaining, expires_at).  `hold` does it for you."""
    given = {"subject": subject, "feature": feature, "amount": amount}
    return Call("reserve", one(rows.Reserve), given, ttl=ttl, key=key, metadata=metadata, up_to=up_to)


def extend(id: int | None, ttl: Interval | None = None, amount: Amount | None = None) -> Call[rows.Extend]:
    """Renew a hold for `ttl` from now (None: the last one again); `amount` is the new total: (reserved, remaining,
    expires_at).  QT410: it is closed or has expired."""
    return Call("extend", one(rows.Extend), {"id": id}, ttl=ttl, amount=amount)


def settle(id: int | None, amount: Amount, metadata: Json | None = None) -> Call[rows.Settle]:
    """The work cost `amount` (0: nothing): (id, charged, overdrawn, remaining).  Never refused for lack of room."""
    return Call("settle", one(rows.Settle), {"id": id, "amount": amount}, metadata=metadata)


def release(id: int | None) -> Call[rows.Release]:
    """Nothing came of the work: (released, remaining)."""
    return Call("release", one(rows.Release), {"id": id})


def record(
    subject: Id,
    feature: str,
    amount: Amount,
    at: Moment | None = None,
    key: Id | None = None,
    metadata: Json | None = None,
) -> Call[rows.Record]:
    """Use that has already happened, never refused for lack of room: (id, overdrawn, remaining)."""
    given = {"subject": subject, "feature": feature, "amount": amount}
    return Call("record", one(rows.Record), given, at=at, key=key, metadata=metadata)


def quote(action: str, units: Json) -> Call[list[rows.Quote]]:
    """What charge_units would take: rows (feature, amount).  Charges nothing."""
    return Call("quote", many(rows.Quote), {"action": action, "units": units})


def note_denial(detail: dict[str, Any]) -> Call[None]:
    """Record a refusal in quota.denials that its own error took along: `detail` of a QuotaError, as it came.
    In a transaction of its own, after the rollback; the parts for web frameworks do it by themselves."""
    return Call("note_denial", NOTHING, {"detail": detail})


def authenticate(secret: str) -> Call[rows.ApiKeyOwner]:
    """Whose API key it is: (subject, key_id, scopes).  Raises QuotaError (401).  The commit notes its use."""
    return Call("authenticate", one(rows.ApiKeyOwner), {"secret": secret})

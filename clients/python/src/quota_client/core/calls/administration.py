"""Catalog, subscriptions, credits, gates and upkeep, for roles of level admin."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Optional

from .. import rows
from ..call import NOTHING, Call, document, many, one, scalar
from ..values import Amount, Id, Interval, Json, Moment

_Time: type[Optional[datetime]] = datetime


def apply_catalog(catalog: Json, dry_run: bool = False) -> Call[list[rows.CatalogChange]]:
    """Make the database match the catalog: rows (object, name, change)."""
    return Call("apply_catalog", many(rows.CatalogChange), {"catalog": catalog, "dry_run": dry_run})


def export_catalog() -> Call[dict[str, Any]]:
    """The catalog, as apply_catalog takes it."""
    return Call("export_catalog", document("export_catalog"), {})


def subscribe(
    subject: Id,
    plan: str,
    starts_at: Moment | None = None,
    ends_at: Moment | None = None,
    trial: Interval | None = None,
    timezone: str | None = None,
    external_id: Id | None = None,
    metadata: Json | None = None,
    quantity: Amount | None = None,
) -> Call[int]:
    """Subscribe; returns the subscription's id."""
    return Call(
        "subscribe",
        scalar(int),
        {"subject": subject, "plan": plan},
        starts_at=starts_at,
        ends_at=ends_at,
        trial=trial,
        timezone=timezone,
        external_id=external_id,
        metadata=metadata,
        quantity=quantity,
    )


def change_plan(subject: Id, plan: str, effective: str | None = None, usage: str | None = None) -> Call[int]:
    """Another plan, `effective` 'now' or 'period_end', with `usage` 'keep', 'reset' or 'prorate'."""
    return Call("change_plan", scalar(int), {"subject": subject, "plan": plan}, effective=effective, usage=usage)


def cancel(subject: Id, effective: str | None = None) -> Call[Optional[datetime]]:
    """Cancel at the period's end, or 'now'; returns when it ends."""
    return Call("cancel", scalar(_Time), {"subject": subject}, effective=effective)


def set_status(subject: Id, status: str, until: Moment | None = None) -> Call[None]:
    """'active', 'past_due', or 'paused' (until a time, if given)."""
    return Call("set_status", NOTHING, {"subject": subject, "status": status}, until=until)


def amend(subject: Id, changes: Json) -> Call[int]:
    """Change of a subscription what is no change of plan, such as {"quantity": 12}."""
    return Call("amend", scalar(int), {"subject": subject, "changes": changes})


def migrate(plan: str, max_subjects: int | None = None) -> Call[int]:
    """Move subscribers of older versions to the newest; returns how many, 0 when done."""
    return Call("migrate", scalar(int), {"plan": plan}, max_subjects=max_subjects)


def rename(subject: Id, new_subject: Id) -> Call[int]:
    """A subject and everything below it under another path; returns the entries that were rewritten."""
    return Call("rename", scalar(int), {"subject": subject, "new_subject": new_subject})


def export_subject(subject: Id) -> Call[dict[str, Any]]:
    """All of a subject of one segment and below, for import_subject in another database."""
    return Call("export_subject", document("export_subject"), {"subject": subject})


def import_subject(document: Json) -> Call[int]:
    """Store a subject that comes from another database; returns the number of ledger entries that came."""
    return Call("import_subject", scalar(int), {"document": document})


def override(subject: Id, feature: str, entitlement: Json | None) -> Call[None]:
    """An entitlement of the subject's own; None removes it."""
    return Call("override", NOTHING, {"subject": subject, "feature": feature, "entitlement": entitlement})


def credit(
    subject: Id,
    feature: str,
    amount: Amount,
    expires_at: Moment | None = None,
    effective_at: Moment | None = None,
    every: str | None = None,
    priority: int | None = None,
    source: str | None = None,
    key: Id | None = None,
    metadata: Json | None = None,
    beyond_caps: bool | None = None,
) -> Call[rows.Entry]:
    """Credits on top of the plan: (id, remaining)."""
    return Call(
        "credit",
        one(rows.Entry),
        {"subject": subject, "feature": feature, "amount": amount},
        expires_at=expires_at,
        effective_at=effective_at,
        every=every,
        priority=priority,
        source=source,
        key=key,
        metadata=metadata,
        beyond_caps=beyond_caps,
    )


def revoke(grant_id: int, amount: Amount | None = None, key: Id | None = None) -> Call[int]:
    """Take credits back, all that is left or at most `amount`; returns how much."""
    return Call("revoke", scalar(int), {"grant_id": grant_id}, amount=amount, key=key)


def set_usage(
    subject: Id, feature: str, used: Amount, key: Id | None = None, metadata: Json | None = None
) -> Call[rows.Entry]:
    """Support's correction: use of the present period becomes `used`: (id, remaining)."""
    given = {"subject": subject, "feature": feature, "used": used}
    return Call("set_usage", one(rows.Entry), given, key=key, metadata=metadata)


def clear_caps(subject: Id, feature: str) -> Call[int]:
    """The caps of the subject's own account count from 0; returns how many had counted something."""
    return Call("clear_caps", scalar(int), {"subject": subject, "feature": feature})


def create_api_key(
    subject: Id, name: str, expires_at: Moment | None = None, scopes: list[str] | None = None
) -> Call[rows.ApiKey]:
    """A key that acts for the subject: (id, secret).  The secret is shown this once."""
    given = {"subject": subject, "name": name}
    return Call("create_api_key", one(rows.ApiKey), given, expires_at=expires_at, scopes=scopes)


def revoke_api_key(id: int) -> Call[None]:
    """End a key."""
    return Call("revoke_api_key", NOTHING, {"id": id})


def grant_access(grantee: str, level: str) -> Call[None]:
    """Give a role level 'app', 'reader' or 'admin'."""
    return Call("grant_access", NOTHING, {"grantee": grantee, "level": level})


def revoke_access(grantee: str) -> Call[None]:
    """Take a role's level."""
    return Call("revoke_access", NOTHING, {"grantee": grantee})


def protect(
    target: str,
    feature: str,
    subject: str,
    amount: str | None = None,
    refund: str | None = None,
    exceed: str | None = None,
    remember: bool | None = None,
) -> Call[str]:
    """Let the rows of a table charge by themselves; subject and amount are SQL expressions over the row `r`."""
    given = {"target": target, "feature": feature, "subject": subject}
    return Call("protect", scalar(str), given, amount=amount, refund=refund, exceed=exceed, remember=remember)


def unprotect(target: str, feature: str) -> Call[None]:
    """Take a gate off."""
    return Call("unprotect", NOTHING, {"target": target, "feature": feature})


def recount(feature: str, dry_run: bool = True) -> Call[list[rows.Recount]]:
    """Counts that are not what the rows are worth: (subject, recorded, actual); corrects them unless dry_run."""
    return Call("recount", many(rows.Recount), {"feature": feature, "dry_run": dry_run})


def maintain() -> Call[list[rows.Maintained]]:
    """Tidy: rows (task, rows).  Nothing is wrong while it does not run."""
    return Call("maintain", many(rows.Maintained), {})


def verify() -> Call[list[rows.Finding]]:
    """Invariants that do not hold: (check_name, subject, feature, detail).  None: all is well."""
    return Call("verify", many(rows.Finding), {})


def simulate(catalog: Json, since: Moment, until: Moment | None = None) -> Call[list[rows.Simulated]]:
    """A time that is past under another catalog: who would have been stopped."""
    return Call("simulate", many(rows.Simulated), {"catalog": catalog, "since": since}, until=until)


def forget(subject: Id) -> Call[int]:
    """Erase a subject and everything below it; returns the number of entries erased."""
    return Call("forget", scalar(int), {"subject": subject})

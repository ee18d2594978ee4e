"""quota_client for connections that are awaited: asyncpg, psycopg 3's AsyncConnection, SQLAlchemy's AsyncConnection
and AsyncSession::

    from quota_client.aio import debit

    async with engine.begin() as connection:
        await debit(connection, "acme/alice", "reports")

Errors are those of quota_client.
"""

from __future__ import annotations

from typing import Any

from .core import rows
from .core.ahold import hold
from .core.calls import administration, enforcement, state
from .core.errors import (
    HoldClosed,
    IdempotencyConflict,
    InvalidArgument,
    NotEntitled,
    NotFound,
    QuotaError,
    QuotaExceeded,
    RateLimited,
    Refused,
    SubscriptionInactive,
    Unauthenticated,
    is_transient,
    refusals,
)
from .core.requiring import requiring
from .core.run import adrive
from .core.surface import awaited
from .core.values import Amount, Id

debit = awaited(enforcement.debit)
try_debit = awaited(enforcement.try_debit)
debit_many = awaited(enforcement.debit_many)
charge = awaited(enforcement.charge)
charge_units = awaited(enforcement.charge_units)
refund = awaited(enforcement.refund)
give_back = awaited(enforcement.give_back)
throttle = awaited(enforcement.throttle)
reserve = awaited(enforcement.reserve)
extend = awaited(enforcement.extend)
settle = awaited(enforcement.settle)
release = awaited(enforcement.release)
record = awaited(enforcement.record)
quote = awaited(enforcement.quote)
note_denial = awaited(enforcement.note_denial)
authenticate = awaited(enforcement.authenticate)

check = awaited(state.check)
has = awaited(state.has)
setting = awaited(state.setting)
status = awaited(state.status)
me = awaited(state.me)
explain = awaited(state.explain)
offers = awaited(state.offers)
preview = awaited(state.preview)
plans = awaited(state.plans)
statement = awaited(state.statement)
usage = awaited(state.usage)
breakdown = awaited(state.breakdown)
unit_hours = awaited(state.unit_hours)

apply_catalog = awaited(administration.apply_catalog)
export_catalog = awaited(administration.export_catalog)
export_subject = awaited(administration.export_subject)
import_subject = awaited(administration.import_subject)
subscribe = awaited(administration.subscribe)
change_plan = awaited(administration.change_plan)
cancel = awaited(administration.cancel)
set_status = awaited(administration.set_status)
amend = awaited(administration.amend)
migrate = awaited(administration.migrate)
rename = awaited(administration.rename)
override = awaited(administration.override)
credit = awaited(administration.credit)
revoke = awaited(administration.revoke)
set_usage = awaited(administration.set_usage)
clear_caps = awaited(administration.clear_caps)
create_api_key = awaited(administration.create_api_key)
revoke_api_key = awaited(administration.revoke_api_key)
grant_access = awaited(administration.grant_access)
revoke_access = awaited(administration.revoke_access)
protect = awaited(administration.protect)
unprotect = awaited(administration.unprotect)
recount = awaited(administration.recount)
maintain = awaited(administration.maintain)
verify = awaited(administration.verify)
simulate = awaited(administration.simulate)
forget = awaited(administration.forget)


async def require(connection: Any, subject: Id, feature: str, amount: Amount = 1) -> None:
    """check(), but raise the QuotaError that debit would raise now.  Nothing is charged."""
    await adrive(None, requiring(connection, subject, feature, amount))


__all__ = [
    "HoldClosed",
    "IdempotencyConflict",
    "InvalidArgument",
    "NotEntitled",
    "NotFound",
    "QuotaError",
    "QuotaExceeded",
    "RateLimited",
    "Refused",
    "SubscriptionInactive",
    "Unauthenticated",
    "amend",
    "apply_catalog",
    "authenticate",
    "breakdown",
    "cancel",
    "change_plan",
    "charge",
    "charge_units",
    "check",
    "clear_caps",
    "create_api_key",
    "credit",
    "debit",
    "debit_many",
    "explain",
    "export_catalog",
    "export_subject",
    "extend",
    "forget",
    "give_back",
    "grant_access",
    "has",
    "hold",
    "import_subject",
    "is_transient",
    "maintain",
    "me",
    "migrate",
    "note_denial",
    "offers",
    "override",
    "plans",
    "preview",
    "protect",
    "quote",
    "record",
    "recount",
    "refund",
    "refusals",
    "release",
    "rename",
    "require",
    "reserve",
    "revoke",
    "revoke_access",
    "revoke_api_key",
    "rows",
    "set_status",
    "set_usage",
    "setting",
    "settle",
    "simulate",
    "statement",
    "status",
    "subscribe",
    "throttle",
    "try_debit",
    "unit_hours",
    "unprotect",
    "usage",
    "verify",
]

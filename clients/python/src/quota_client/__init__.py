"""quota, the paywall inside the database, from Python.

Every function of quota's is here, with the open connection first: a psycopg 3, psycopg 2 or Django connection, a
SQLAlchemy Connection or Session.  It runs inside *its* transaction, so what was charged and what was paid for
commit or roll back together::

    from quota_client import debit, QuotaError

    with engine.begin() as connection:
        row = insert(reports).values(request=request_id, ...).on_conflict_do_nothing()  # request is unique
        if connection.execute(row).rowcount:                            # a retry stores and pays nothing
            debit(connection, "acme/alice", "reports")                  # raises QuotaError when refused

`quota_client.aio` has the same for connections that are awaited.  Arguments that are None are left out, so the
function's own defaults apply.  A refused `debit` aborts the transaction, as any SQL error does: roll back (or use a
savepoint) before going on.  `try_debit` answers instead of raising and leaves the transaction usable.

A gate (quota.protect) refuses an INSERT, so its error comes from a statement, flush or commit, as the driver's
own.  Code that wants it as a QuotaError says::

    with refusals():
        session.flush()

`hold` is for work whose price is known only when it is done, such as what a language model streams::

    with hold(engine, "acme/alice", "llm_tokens", 2000, ttl="2 minutes") as h:  # committed, or QuotaError
        for piece in model.stream(prompt):
            h.count(tokens_of(piece))     # before it is delivered; QuotaError where the room ends
            send(piece)
    # left by whatever way, an error or a client that is gone included: what was counted is charged

quota_client.flask, .asgi, .starlette and .django turn refusals into HTTP answers; .testing and .pytest_plugin are for
tests.
"""

from __future__ import annotations

from typing import Any

from .core import rows
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
from .core.hold import hold
from .core.requiring import requiring
from .core.run import drive
from .core.surface import at_once
from .core.values import Amount, Id

debit = at_once(enforcement.debit)
try_debit = at_once(enforcement.try_debit)
debit_many = at_once(enforcement.debit_many)
charge = at_once(enforcement.charge)
charge_units = at_once(enforcement.charge_units)
refund = at_once(enforcement.refund)
give_back = at_once(enforcement.give_back)
throttle = at_once(enforcement.throttle)
reserve = at_once(enforcement.reserve)
extend = at_once(enforcement.extend)
settle = at_once(enforcement.settle)
release = at_once(enforcement.release)
record = at_once(enforcement.record)
quote = at_once(enforcement.quote)
note_denial = at_once(enforcement.note_denial)
authenticate = at_once(enforcement.authenticate)

check = at_once(state.check)
has = at_once(state.has)
setting = at_once(state.setting)
status = at_once(state.status)
me = at_once(state.me)
explain = at_once(state.explain)
offers = at_once(state.offers)
preview = at_once(state.preview)
plans = at_once(state.plans)
statement = at_once(state.statement)
usage = at_once(state.usage)
breakdown = at_once(state.breakdown)
unit_hours = at_once(state.unit_hours)

apply_catalog = at_once(administration.apply_catalog)
export_catalog = at_once(administration.export_catalog)
export_subject = at_once(administration.export_subject)
import_subject = at_once(administration.import_subject)
subscribe = at_once(administration.subscribe)
change_plan = at_once(administration.change_plan)
cancel = at_once(administration.cancel)
set_status = at_once(administration.set_status)
amend = at_once(administration.amend)
migrate = at_once(administration.migrate)
rename = at_once(administration.rename)
override = at_once(administration.override)
credit = at_once(administration.credit)
revoke = at_once(administration.revoke)
set_usage = at_once(administration.set_usage)
clear_caps = at_once(administration.clear_caps)
create_api_key = at_once(administration.create_api_key)
revoke_api_key = at_once(administration.revoke_api_key)
grant_access = at_once(administration.grant_access)
revoke_access = at_once(administration.revoke_access)
protect = at_once(administration.protect)
unprotect = at_once(administration.unprotect)
recount = at_once(administration.recount)
maintain = at_once(administration.maintain)
verify = at_once(administration.verify)
simulate = at_once(administration.simulate)
forget = at_once(administration.forget)


def require(connection: Any, subject: Id, feature: str, amount: Amount = 1) -> None:
    """check(), but raise the QuotaError that debit would raise now.  Nothing is charged."""
    drive(None, requiring(connection, subject, feature, amount))


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

"""The question before the work: would a debit be allowed now?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .calls import state
from .errors import REASONS, QuotaError
from .run import Step, Steps
from .values import Amount, Id


def requiring(connection: Any, subject: Id, feature: str, amount: Amount = 1) -> Steps[None]:
    """check, then the QuotaError that debit would raise now."""
    answer = yield Step((state.check(subject, feature, amount),), connection)
    if answer.allowed:
        return
    plan = None
    if answer.reason != "not_entitled":
        found = yield Step((state.status(subject),), connection)
        plan = {row.feature: row.plan for row in found}.get(feature)
    wait = answer.retry_after
    detail = {
        "code": answer.reason,
        "subject": str(subject),
        "feature": feature,
        "requested": int(amount),
        "remaining": answer.remaining,
        "allowance": answer.allowance,
        "used": answer.used,
        "plan": plan,
        "blocked_by": answer.blocked_by,
        "resets_at": answer.resets_at.isoformat() if answer.resets_at else None,
        "retry_after": None if wait is None else -(-wait // timedelta(seconds=1)),
    }
    raise QuotaError.of(
        REASONS[answer.reason],
        f'{answer.reason.replace("_", " ")} for feature "{feature}" of subject "{subject}"',
        detail,
    )

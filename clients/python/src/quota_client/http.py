"""A refusal as an HTTP answer, whatever the framework, and its record."""

from __future__ import annotations

from typing import Any, NamedTuple

from .core.call import set_local
from .core.calls.enforcement import note_denial
from .core.errors import QuotaError
from .core.run import Step, Steps


class Answer(NamedTuple):
    """An HTTP answer; the body is to be sent as JSON."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def answer(error: QuotaError) -> Answer:
    """Its three digits as the status, DETAIL as the body, and Retry-After in seconds where waiting helps."""
    headers = {"Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return Answer(error.status, headers, error.body)


def prefers_page(accept: str) -> bool:
    """Does a browser ask, by its Accept header?  One names text/html, and before application/json."""
    page, data = accept.find("text/html"), accept.find("application/json")
    return page >= 0 and (data < 0 or page < data)


def noting(detail: dict[str, Any]) -> Steps[None]:
    """Record a refusal in quota.denials, in a transaction of its own that waits for nothing long."""
    quickly = (set_local("statement_timeout", "1s"), set_local("synchronous_commit", "off"))
    yield Step((*quickly, note_denial(detail)))

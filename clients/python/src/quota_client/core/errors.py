"""What the database says when it says no, as one family of exceptions, whichever driver it came through."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

#: SQLSTATE -> code in the body.  The three digits are the HTTP status.
CODES = {
    "QT401": "unauthenticated",
    "QT402": "quota_exceeded",
    "QT403": "not_entitled",
    "QT404": "not_found",
    "QT409": "idempotency_conflict",
    "QT410": "hold_closed",
    "QT429": "rate_limited",
}

#: SQLSTATE -> code in the body, of arguments that quota refuses; any other of class 22 is a data_exception
DATA_CODES = {
    "22001": "string_data_right_truncation",
    "22003": "numeric_value_out_of_range",
    "22004": "null_value_not_allowed",
    "22023": "invalid_parameter_value",
}

#: reason of check and try_debit -> SQLSTATE that debit would raise
REASONS = {
    "quota_exceeded": "QT402",
    "subscription_inactive": "QT402",
    "not_entitled": "QT403",
    "rate_limited": "QT429",
}

#: SQLSTATEs of a transaction that did nothing wrong: the same again may pass
_TRANSIENT = {"40001": "serialization_failure", "40P01": "deadlock_detected", "55P03": "lock_not_available"}


class QuotaError(Exception):
    """The database said no.

    sqlstate  such as 'QT402', or '22023' where an argument is wrong
    status    the HTTP status, an int: the digits of a QT code, 400 for a wrong argument
    code      such as 'quota_exceeded' or 'subscription_inactive'
    detail    for QT402, QT403 and QT429 the dict with the eleven keys of quota's DETAIL; otherwise None
    message   the server's message, without anything of the driver's
    hint      a sentence for a person, or None
    """

    def __init__(self, sqlstate: str, message: str, detail: dict[str, Any] | None = None, hint: str | None = None):
        super().__init__(message)
        self.sqlstate = sqlstate
        self.status = int(sqlstate[2:]) if sqlstate in CODES else 400
        self.detail = detail
        self.code: str = detail["code"] if detail else CODES.get(sqlstate) or DATA_CODES.get(sqlstate, "data_exception")
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.sqlstate, self.message, self.detail, self.hint)

    @property
    def retry_after(self) -> int | None:
        """Whole seconds after which trying again can help; None where waiting does not help."""
        return self.detail.get("retry_after") if self.detail else None

    @property
    def body(self) -> dict[str, Any]:
        """What a client gets as JSON: DETAIL itself, or code and message where there is no DETAIL object."""
        return self.detail or {"code": self.code, "message": self.message}

    @staticmethod
    def of(
        sqlstate: str, message: str, detail: dict[str, Any] | None = None, hint: str | None = None
    ) -> QuotaError:
        """The error of the class that its code has."""
        code = detail["code"] if detail else CODES.get(sqlstate)
        return _CLASSES.get(code, InvalidArgument)(sqlstate, message, detail, hint)

    @staticmethod
    def from_exception(error: BaseException, asked_quota: bool = False) -> QuotaError | None:
        """Read an error of a driver, of SQLAlchemy or of Django.

        Returns None if the error is not one of quota's own: the caller then raises it again.  A QT code is
        quota's alone.  Class 22 is everybody's: such an error is quota's if `asked_quota` says that the
        statement was nothing but a call of it, or if the server says that it was raised in quota's code.
        """
        if isinstance(error, QuotaError):
            return error
        said = _server_said(error)
        if said is None:
            return None
        if said.sqlstate not in CODES:
            is_quotas = asked_quota or said.source_file.startswith("quota:")  # its source files are named so
            if not (said.sqlstate.startswith("22") and is_quotas):
                return None
        return QuotaError.of(said.sqlstate, said.message, _verdict(said.detail), said.hint)


class Refused(QuotaError):
    """QT402, QT403, QT429: what was asked for is not to be had.  `detail` says why and when it may be."""


class QuotaExceeded(Refused):
    """QT402: no room in the allowance, the grants, the overage or a cap."""


class SubscriptionInactive(Refused):
    """QT402: the subscription is paused, or past due beyond its grace."""


class NotEntitled(Refused):
    """QT403: the plan does not give the feature."""


class RateLimited(Refused):
    """QT429: too fast.  `retry_after` None: more at once than the rate ever allows."""


class Unauthenticated(QuotaError):
    """QT401: the API key is unknown, has expired or was revoked."""


class NotFound(QuotaError):
    """QT404: there is no such feature, plan, action, debit, hold or grant."""


class IdempotencyConflict(QuotaError):
    """QT409: the key was used before with other arguments."""


class HoldClosed(QuotaError):
    """QT410: the hold was closed with another amount, or has expired."""


class InvalidArgument(QuotaError):
    """SQLSTATE class 22: quota refuses an argument."""


_CLASSES: dict[str | None, type[QuotaError]] = {
    "unauthenticated": Unauthenticated,
    "quota_exceeded": QuotaExceeded,
    "subscription_inactive": SubscriptionInactive,
    "not_entitled": NotEntitled,
    "rate_limited": RateLimited,
    "not_found": NotFound,
    "idempotency_conflict": IdempotencyConflict,
    "hold_closed": HoldClosed,
}


class _ServerSaid(NamedTuple):
    """The fields of an ErrorResponse that matter here."""

    sqlstate: str
    message: str
    detail: str | None
    hint: str | None
    source_file: str


def _layers(error: BaseException) -> Iterator[BaseException]:
    """The error and, where SQLAlchemy or Django wrapped a driver's, what is inside."""
    for _ in range(4):
        yield error
        inner = getattr(error, "orig", None)
        if inner is None and type(error).__module__.partition(".")[0] in ("sqlalchemy", "django"):
            inner = error.__cause__
        if inner is None:
            return
        error = inner


def _server_said(error: BaseException) -> _ServerSaid | None:
    for layer in _layers(error):
        sqlstate = getattr(layer, "sqlstate", None) or getattr(layer, "pgcode", None)
        diag = getattr(layer, "diag", None)
        if not sqlstate:
            continue
        if diag is not None:  # psycopg 2 and 3
            source_file = getattr(diag, "source_file", None) or ""
            return _ServerSaid(sqlstate, diag.message_primary or "", diag.message_detail, diag.message_hint, source_file)
        if hasattr(layer, "server_source_filename"):  # asyncpg
            source_file = layer.server_source_filename or ""
            message = getattr(layer, "message", None) or str(layer)
            return _ServerSaid(sqlstate, message, getattr(layer, "detail"), getattr(layer, "hint"), source_file)
    return None


def _verdict(detail: str | None) -> dict[str, Any] | None:
    """DETAIL, where it is the JSON object of a refusal."""
    try:
        verdict = json.loads(detail or "null")
    except ValueError:
        return None
    return verdict if isinstance(verdict, dict) and "code" in verdict else None


def is_unknown(error: BaseException, function: str) -> bool:
    """Does the server say that quota has no such function?  (Code of others that a call runs may miss one of its own.)"""
    said = _server_said(error)
    return said is not None and said.sqlstate == "42883" and f"quota.{function}(" in said.message


def is_transient(error: BaseException) -> bool:
    """Did the transaction only meet another one (40001, 40P01, 55P03)?  Run as a whole again, it may pass.

    A QuotaError never is: its `retry_after` says when waiting helps.
    """
    said = _server_said(error)
    return said is not None and said.sqlstate in _TRANSIENT


@contextlib.contextmanager
def refusals(asked_quota: bool = False) -> Iterator[None]:
    """A context in which a refusal is a QuotaError, also one by a gate, which a driver raises as an error of
    the statement, flush or commit that wrote the row.  Every other error passes through unchanged.

    asked_quota  the block does nothing but call quota: errors of class 22, too, are answers of quota's
    """
    try:
        yield
    except QuotaError:
        raise
    except Exception as error:
        refusal = QuotaError.from_exception(error, asked_quota)
        if refusal is None:
            raise
        raise refusal from error

"""Python values as parameters of quota's functions.

The functions have no overloads, and drivers disagree on what they send for a value.  So each parameter is cast
to its type in the statement, and what is sent is a str, an int, a bool or a list: every driver sends those alike.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Union
from uuid import UUID

from .errors import QuotaError

#: A subject, key or other id of the application's: an int or UUID is taken as its text
Id = Union[str, int, UUID]
#: Units of a feature.  A Decimal must be whole
Amount = Union[int, Decimal]
#: A JSON value, or a str that is JSON text
Json = Union[Mapping[str, Any], Sequence[Any], int, str]
#: A moment: a datetime with a time zone, or text as PostgreSQL reads it
Moment = Union[datetime, str]
#: A length of time: a timedelta, or text as PostgreSQL reads it
Interval = Union[timedelta, str]

_IDS = ("subject", "new_subject", "key", "external_id")

_TYPES = {
    **dict.fromkeys((*_IDS, "feature", "action", "secret", "plan", "effective", "usage", "status", "timezone"), "text"),
    **dict.fromkeys(("by", "step", "every", "source", "name", "level", "grantee", "exceed", "value"), "text"),
    **dict.fromkeys(("amount", "cost", "id", "grant_id", "used", "quantity"), "bigint"),
    **dict.fromkeys(("max_rows", "max_subjects", "priority"), "integer"),
    **dict.fromkeys(("up_to", "dry_run", "beyond_caps", "remember"), "boolean"),
    **dict.fromkeys(("metadata", "amounts", "units", "detail", "catalog", "changes", "entitlement", "document"), "jsonb"),
    **dict.fromkeys(("since", "until", "at", "expires_at", "effective_at", "starts_at", "ends_at"), "timestamptz"),
    **dict.fromkeys(("ttl", "trial"), "interval"),
    "scopes": "text[]",
    "target": "regclass",
}

_TYPES_IN = {
    ("charge", "units"): "numeric",
    ("protect", "amount"): "text",
    ("protect", "refund"): "text",
}

#: Types whose parameter is sent as text, for the server to read
_READ_BY_SERVER = ("jsonb", "numeric", "timestamptz", "interval", "regclass")


def type_of(function: str, name: str) -> str | None:
    """The SQL type of a parameter; None where it is not known, and the server is left to resolve it."""
    return _TYPES_IN.get((function, name)) or _TYPES.get(name)


def slot(sql_type: str | None, placeholder: str) -> str:
    """The placeholder as the statement has it."""
    if sql_type is None:
        return placeholder
    if sql_type in _READ_BY_SERVER:
        placeholder = f"CAST({placeholder} AS text)"
    return f"CAST({placeholder} AS {sql_type})"


def parameter(function: str, name: str, value: Any) -> Any:
    """What is sent for a value.  TypeError: the parameter takes none of that type.  QuotaError: of the type, but
    nothing that could be stored."""
    if value is None:
        return None
    sql_type = type_of(function, name)
    if sql_type is None:
        return value
    try:
        sent = _CONVERTERS[sql_type](name, value)
    except TypeError as error:
        raise TypeError(f"quota.{function} takes no {name} of type {type(value).__name__}: {error}") from None
    _must_be_storable(name, sent)
    return sent


def _must_be_storable(name: str, sent: Any) -> None:
    """Drivers disagree on what becomes of such values, and some end the connection."""
    if isinstance(sent, list):
        for item in sent:
            _must_be_storable(name, item)
    elif isinstance(sent, str):
        if "\0" in sent or not _is_unicode(sent):
            raise QuotaError.of("22023", f"{name} has a character that no text in the database may have")
    elif not -(2**63) <= sent < 2**63:
        raise QuotaError.of("22003", f"{name} is out of range")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(name: str, value: Any) -> str:
    if name in _IDS and (isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool))):
        return str(value)
    if not isinstance(value, str):
        raise TypeError("it is a str")
    return str(value)


def _integer(_name: str, value: Any) -> int:
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    if isinstance(value, bool):
        raise TypeError("it is an int")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError("it is an int") from None


def _boolean(_name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("it is True or False")
    return value


def _numeric(name: str, value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        raise TypeError("a float is not exact; it is an int or a Decimal")
    return str(_integer(name, value))


def _json(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=_as_json, allow_nan=False)
    except ValueError as error:
        raise QuotaError.of("22023", f"{name} is not JSON: {error}") from None


def _as_json(value: Any) -> Any:
    """What json does not know by itself."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        return _integer("", value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _moment(_name: str, value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("without a time zone it could be any of several moments")
        return value.isoformat()
    if not isinstance(value, str):
        raise TypeError("it is a datetime or a str")
    return value


def _interval(_name: str, value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value // timedelta(microseconds=1)} microseconds"
    if not isinstance(value, str):
        raise TypeError("it is a timedelta or a str")
    return value


def _texts(_name: str, value: Any) -> list[str]:
    if isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise TypeError("it is a list of str")
    return list(value)


_CONVERTERS = {
    "text": _text,
    "regclass": _text,
    "bigint": _integer,
    "integer": _integer,
    "boolean": _boolean,
    "numeric": _numeric,
    "jsonb": _json,
    "timestamptz": _moment,
    "interval": _interval,
    "text[]": _texts,
}

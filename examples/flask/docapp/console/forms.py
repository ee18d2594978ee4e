"""Fields of a form, read and checked before a transaction begins.  What is wrong is a Problem 422 that says which."""

import json
from datetime import date, datetime, time, timezone

from flask import request

from ..web import Problem

MOST = 2**63 - 1


def _wrong(label, what):
    return Problem(422, "bad_field", f"{label}: {what} Nothing was done.")


def words(name, label, most=200, needed=True):
    """A line of text; empty is None, if it may be."""
    value = request.form.get(name, "").strip()
    if not value and not needed:
        return None
    if not value or len(value) > most or not value.isprintable():
        raise _wrong(label, f"a text of 1 to {most} characters is needed.")
    return value


def whole(name, label, least=1, needed=True):
    """A whole number; empty is None, if it may be.  People write 1,000,000 and 1 000 000."""
    value = request.form.get(name, "").strip().replace(",", "").replace(" ", "").replace("\u202f", "")
    if not value and not needed:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 20 and least <= int(value) <= MOST):
        raise _wrong(label, f"a whole number from {least:,} is needed.")
    return int(value)


def choice(name, label, among):
    """One of the words that the form offers."""
    value = request.form.get(name, "")
    if value not in among:
        raise _wrong(label, "that is not one of the choices.")
    return value


def day(name, label, needed=False):
    """A day, as the ISO text of its beginning in UTC; empty is None, if it may be."""
    value = request.form.get(name, "").strip()
    if not value and not needed:
        return None
    try:
        return datetime.combine(date.fromisoformat(value), time(), timezone.utc).isoformat()
    except ValueError as error:
        raise _wrong(label, "a day such as 2027-01-31 is needed.") from error


def json_value(text, label, most=1_000_000):
    """A JSON object out of a field's text.  Says where it is wrong."""
    if len(text) > most:
        raise _wrong(label, "that is too long.")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else error
        raise _wrong(label, f"this is not JSON ({where}).") from error
    if not isinstance(value, dict):
        raise _wrong(label, "a JSON object is needed, in braces.")
    return value


def _no_constant(word):
    raise ValueError(f"{word} is no number of JSON")

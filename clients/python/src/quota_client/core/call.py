"""A call of one of quota's functions: its statement, in the style of any driver, and how its rows are read."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from . import values

T = TypeVar("T")
U = TypeVar("U")
Row = TypeVar("Row", bound=NamedTuple)
Rows = Sequence[Sequence[Any]]

_JSON_COLUMNS = ("metadata", "value", "entitlements")


@dataclass(frozen=True)
class Shape(Generic[T]):
    """What a function answers: the columns to select, and their rows as a Python value."""

    columns: str
    read: Callable[[Rows], T]


def _selected(fields: Sequence[str], computed: Mapping[str, str]) -> str:
    # JSON comes as text: what a driver makes of jsonb depends on what its connection was told
    return ", ".join(
        computed.get(name) or (f"CAST({name} AS text)" if name in _JSON_COLUMNS else name) for name in fields
    )


def _reader(row: type[Row]) -> Callable[[Sequence[Any]], Row]:
    json_places = [place for place, name in enumerate(row._fields) if name in _JSON_COLUMNS]

    def read(values: Sequence[Any]) -> Row:
        found = list(values)
        for place in json_places:
            found[place] = _from_json(found[place])
        return row._make(found)

    return read


def _from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def one(row: type[Row], **computed: str) -> Shape[Row]:
    """A function that returns one row; columns that it does not have are `computed` by SQL."""
    read = _reader(row)
    return Shape(_selected(row._fields, computed), lambda rows: read(rows[0]))


def many(row: type[Row]) -> Shape[list[Row]]:
    """A function that returns a set of rows."""
    read = _reader(row)
    return Shape(_selected(row._fields, {}), lambda rows: [read(found) for found in rows])


def scalar(_kind: type[T]) -> Shape[T]:
    """A function that returns a value."""

    def read(rows: Rows) -> T:
        value: T = rows[0][0]
        return value

    return Shape("*", read)


def document(function: str) -> Shape[Any]:
    """A function that returns jsonb."""
    return Shape(f"CAST({function} AS text)", lambda rows: _from_json(rows[0][0]))


NOTHING: Shape[None] = Shape("*", lambda rows: None)


class Call(Generic[T]):
    """quota.<function>(name => value, ...).

    `required` is sent as it is, NULL included, which the server answers; of `optional` arguments those that are
    None are left out, so the function's own defaults apply.
    """

    def __init__(self, function: str, shape: Shape[T], required: Mapping[str, Any], **optional: Any):
        given = dict(required) | {name: value for name, value in optional.items() if value is not None}
        self.function = function
        self.shape = shape
        self.arguments = {name: values.parameter(function, name, value) for name, value in given.items()}

    def statement(self, placeholder: Callable[[int, str], str]) -> str:
        """The statement, with placeholder(number from 1, name) where a driver wants a parameter."""
        slots = (
            f"{name} => {values.slot(values.type_of(self.function, name), placeholder(number, name))}"
            for number, name in enumerate(self.arguments, 1)
        )
        return f"SELECT {self.shape.columns} FROM quota.{self.function}({', '.join(slots)})"

    def answering(self, shape: Shape[U]) -> Call[U]:
        """The same call, its answer read otherwise."""
        same: Call[Any] = copy.copy(self)
        same.shape = shape
        return same

    def read(self, rows: Rows) -> T:
        """The answer."""
        return self.shape.read(rows)


class _Expression(Call[T]):
    """What is no function of quota's: an expression with a {slot} for each argument, all of them texts."""

    def __init__(self, expression: str, shape: Shape[T], **arguments: str):
        super().__init__("", shape, arguments)
        self._expression = expression

    def statement(self, placeholder: Callable[[int, str], str]) -> str:
        slots = {name: f"CAST({placeholder(number, name)} AS text)" for number, name in enumerate(self.arguments, 1)}
        return f"SELECT {self._expression.format_map(slots)}"


def set_local(name: str, value: str) -> Call[None]:
    """A setting for the rest of the transaction."""
    return _Expression("set_config({name}, {value}, true)", NOTHING, name=name, value=value)


def set_session(name: str, value: str) -> Call[None]:
    """A setting for the rest of the session."""
    return _Expression("set_config({name}, {value}, false)", NOTHING, name=name, value=value)


def transaction_status(value: str) -> Call[str]:
    """What became of a transaction, by its id: 'in progress', 'committed' or 'aborted'."""
    return _Expression("pg_xact_status(CAST({value} AS xid8))", scalar(str), value=value)


def column(expression: str) -> Call[list[Any]]:
    """The values of a query of one column."""
    return _Expression(expression, Shape("", lambda rows: [row[0] for row in rows]))

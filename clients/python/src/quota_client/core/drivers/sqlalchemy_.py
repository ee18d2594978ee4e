"""SQLAlchemy 1.4 and 2: Core connections and ORM sessions, both ways, over any driver that it has for PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from sqlalchemy import text

from ..call import Call
from ..errors import refusals


def _rendered(call: Call[Any]) -> tuple[Any, dict[str, Any]]:
    return text(call.statement(lambda number, name: f":{name}")), call.arguments


class _Sync:
    def fetch(self, connection: Any, call: Call[Any]) -> Sequence[Sequence[Any]]:
        if hasattr(connection, "flush"):  # an ORM Session: rows this call may depend on go first
            with refusals():
                connection.flush()
        rows: list[Any] = connection.execute(*_rendered(call)).fetchall()
        return rows

    def transaction(self, connection: Any) -> AbstractContextManager[Any]:
        block: AbstractContextManager[Any] = connection.begin()
        return block


class _Async:
    async def fetch(self, connection: Any, call: Call[Any]) -> Sequence[Sequence[Any]]:
        if hasattr(connection, "flush"):
            with refusals():
                await connection.flush()
        rows: list[Any] = (await connection.execute(*_rendered(call))).fetchall()
        return rows

    def transaction(self, connection: Any) -> AbstractAsyncContextManager[Any]:
        block: AbstractAsyncContextManager[Any] = connection.begin()
        return block


SYNC = _Sync()
ASYNC = _Async()

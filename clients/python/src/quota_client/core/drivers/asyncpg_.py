"""asyncpg."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from ..call import Call


class _Async:
    async def fetch(self, connection: Any, call: Call[Any]) -> Sequence[Sequence[Any]]:
        statement = call.statement(lambda number, name: f"${number}")
        return [tuple(record) for record in await connection.fetch(statement, *call.arguments.values())]

    def transaction(self, connection: Any) -> AbstractAsyncContextManager[Any]:
        block: AbstractAsyncContextManager[Any] = connection.transaction()
        return block


ASYNC = _Async()

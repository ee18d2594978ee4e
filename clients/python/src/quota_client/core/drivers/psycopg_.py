"""psycopg 3, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg.rows import tuple_row

from ..call import Call
from .dbapi import rendered


class _Sync:
    def fetch(self, connection: Connection[Any], call: Call[Any]) -> Sequence[Sequence[Any]]:
        with connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(*rendered(call))
            return cursor.fetchall()

    def transaction(self, connection: Connection[Any]) -> AbstractContextManager[Any]:
        return connection.transaction()


class _Async:
    async def fetch(self, connection: AsyncConnection[Any], call: Call[Any]) -> Sequence[Sequence[Any]]:
        async with connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(*rendered(call))
            return await cursor.fetchall()

    def transaction(self, connection: AsyncConnection[Any]) -> AbstractAsyncContextManager[Any]:
        return connection.transaction()


SYNC = _Sync()
ASYNC = _Async()

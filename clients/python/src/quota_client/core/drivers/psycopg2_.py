"""psycopg 2."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg2.extensions as extensions

from ..call import Call
from .dbapi import rendered


class _Sync:
    def fetch(self, connection: Any, call: Call[Any]) -> Sequence[Sequence[Any]]:
        # a plain cursor, whatever the connection's own would make of rows
        with connection.cursor(cursor_factory=extensions.cursor) as cursor:
            cursor.execute(*rendered(call))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def transaction(self, connection: Any) -> AbstractContextManager[Any]:
        block: AbstractContextManager[Any] = connection  # its own block commits and does not close
        return block


SYNC = _Sync()

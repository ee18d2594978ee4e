"""Django's connections: django.db.connection, connections[alias]."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from django.db import transaction

from ..call import Call
from .dbapi import rendered


class _Sync:
    def fetch(self, connection: Any, call: Call[Any]) -> Sequence[Sequence[Any]]:
        with connection.cursor() as cursor:
            cursor.execute(*rendered(call))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def transaction(self, connection: Any) -> AbstractContextManager[Any]:
        block: AbstractContextManager[Any] = transaction.atomic(using=connection.alias, durable=True)
        return block


SYNC = _Sync()

"""How a call is made over each kind of connection.  No driver is imported before a connection of its own is there."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

from ..call import Call


class Driver(Protocol):
    """One kind of connection that answers at once."""

    def fetch(self, connection: Any, call: Call[Any]) -> Sequence[Sequence[Any]]:
        """Make the call in the connection's transaction; its rows."""

    def transaction(self, connection: Any) -> AbstractContextManager[Any]:
        """A transaction of a connection that has none: committed at the end, rolled back by an error."""


class AsyncDriver(Protocol):
    """One kind of connection that is awaited."""

    async def fetch(self, connection: Any, call: Call[Any]) -> Sequence[Sequence[Any]]: ...

    def transaction(self, connection: Any) -> AbstractAsyncContextManager[Any]: ...


_SYNC = {
    "psycopg2": ("connection",),
    "psycopg": ("Connection",),
    "sqlalchemy": ("Connection", "Session", "scoped_session"),
    "django": ("BaseDatabaseWrapper", "ConnectionProxy"),
}
_ASYNC = {
    "psycopg": ("AsyncConnection",),
    "asyncpg": ("Connection", "PoolConnectionProxy"),
    "sqlalchemy": ("AsyncConnection", "AsyncSession", "async_scoped_session"),
}


def _kind(connection: Any, kinds: dict[str, tuple[str, ...]]) -> str | None:
    for cls in type(connection).__mro__:
        root = cls.__module__.partition(".")[0]
        if cls.__name__ in kinds.get(root, ()):
            return root
    return None


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}_")


def is_connection(thing: Any) -> bool:
    """Is it an open connection or session, of either kind?"""
    return bool(_kind(thing, _SYNC) or _kind(thing, _ASYNC))


def is_async(connection: Any) -> bool:
    """Is it a connection that is awaited?"""
    return _kind(connection, _ASYNC) is not None


def of(connection: Any) -> Driver:
    """The driver of an open connection or session."""
    kind = _kind(connection, _SYNC)
    if kind is None:
        if is_async(connection):
            raise TypeError(f"{_described(connection)} is awaited: use quota_client.aio")
        raise TypeError(f"{_described(connection)} is no connection that quota_client knows")
    driver: Driver = _module(kind).SYNC
    return driver


def async_of(connection: Any) -> AsyncDriver:
    """The driver of an open connection or session that is awaited."""
    kind = _kind(connection, _ASYNC)
    if kind is None:
        if _kind(connection, _SYNC):
            raise TypeError(f"{_described(connection)} is not awaited: use quota_client itself, without aio")
        raise TypeError(f"{_described(connection)} is no connection that quota_client knows")
    driver: AsyncDriver = _module(kind).ASYNC
    return driver


def _described(thing: Any) -> str:
    return f"a {type(thing).__module__}.{type(thing).__qualname__}"

"""For an application's own tests: the test clock, and the way back to the start.

Both need rights that no application's role has: a superuser's, or for the clock GRANT SET ON PARAMETER quota.clock and
for forgetting level admin.  quota_client.pytest_plugin has the same as fixtures.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any

from .core.call import column, set_session
from .core.calls.administration import forget
from .core.calls.state import has
from .core.run import Step, Steps, adrive, drive

_LOG = logging.getLogger(__name__)

_VIEWS = ("ledger", "subscriptions", "periods", "holds", "api_keys", "denials", "events", "gate_charge")
_NAMED = " UNION ".join(f"SELECT subject FROM quota.{view}" for view in _VIEWS)


def _setting(connection: Any, moment: datetime | None) -> Steps[None]:
    """Put the clock of a session to a moment; None: the time of day."""
    text = moment.isoformat() if moment else ""
    # a session knows the setting once it has called quota
    yield Step((has(None, None), set_session("quota.clock", text)), connection)  # type: ignore[arg-type]


def _erasing(connection: Any) -> Steps[None]:
    subjects = yield Step((column(f"DISTINCT split_part(subject, '/', 1) FROM ({_NAMED}) AS s WHERE subject <> ''"),), connection)
    if subjects:
        yield Step(tuple(forget(subject) for subject in subjects), connection)


def _checked(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise TypeError("a moment without a time zone could be any of several")
    return moment


@contextmanager
def _told() -> Iterator[None]:
    """A session that has ended has no clock to put back, and one whose transaction is aborted will not take it."""
    try:
        yield
    except Exception as error:
        _LOG.warning("the clock of a session was not put back: %s", error)


class Clock:
    """The time of day as quota has it, in one session or in every transaction of an Engine."""

    def __init__(self, moment: datetime):
        self.now = _checked(moment)

    def set(self, moment: datetime) -> None:
        """It is `moment`, and stays so until the next call."""
        self.now = _checked(moment)

    def advance(self, **lapse: float) -> None:
        """So much later: the arguments of a timedelta, such as days=31."""
        self.now += timedelta(**lapse)


class _SessionClock(Clock):
    def __init__(self, connection: Any, moment: datetime):
        super().__init__(moment)
        self._connection = connection
        drive(None, _setting(connection, self.now))

    def set(self, moment: datetime) -> None:
        drive(None, _setting(self._connection, _checked(moment)))
        self.now = moment

    def advance(self, **lapse: float) -> None:
        self.set(self.now + timedelta(**lapse))


@contextmanager
def clock(target: Any, moment: datetime) -> Iterator[Clock]:
    """quota's time of day is `moment` for `target`, and the real one again afterwards.

    target  an open connection or session that is not awaited; or a SQLAlchemy Engine or AsyncEngine: each of its
            transactions that begins meanwhile, whoever opens it
    """
    engine = getattr(target, "sync_engine", target)
    if not any(cls.__module__.startswith("sqlalchemy.") and cls.__name__ == "Engine" for cls in type(engine).__mro__):
        found = _SessionClock(target, moment)
        try:
            yield found
        finally:
            with _told():
                drive(None, _setting(target, None))
        return

    from sqlalchemy import event

    everywhere = Clock(moment)

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("SELECT quota.has(NULL, NULL)")
        connection.exec_driver_sql(f"SET LOCAL quota.clock = '{everywhere.now.isoformat()}'")

    event.listen(engine, "begin", begin)
    try:
        yield everywhere
    finally:
        event.remove(engine, "begin", begin)


class AsyncClock:
    """The time of day as quota has it in one session."""

    def __init__(self, connection: Any, moment: datetime):
        self._connection = connection
        self.now = _checked(moment)

    async def set(self, moment: datetime) -> None:
        """It is `moment`, and stays so until the next call."""
        await adrive(None, _setting(self._connection, _checked(moment)))
        self.now = moment

    async def advance(self, **lapse: float) -> None:
        """So much later: the arguments of a timedelta, such as days=31."""
        await self.set(self.now + timedelta(**lapse))


@asynccontextmanager
async def aclock(connection: Any, moment: datetime) -> AsyncIterator[AsyncClock]:
    """quota's time of day is `moment` for an open connection that is awaited, and the real one again afterwards."""
    found = AsyncClock(connection, moment)
    await found.set(moment)
    try:
        yield found
    finally:
        with _told():
            await adrive(None, _setting(connection, None))


def erase(bind: Any) -> None:
    """Forget every subject that a view names (one that was only throttled is named by none); the catalog stays.

    bind  what opens connections, of level admin, as a hold takes it
    """
    drive(bind, _erasing(None))


async def aerase(bind: Any) -> None:
    """erase(), awaited."""
    await adrive(bind, _erasing(None))

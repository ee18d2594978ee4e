"""Holds as an asynchronous context manager."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from . import rows
from .holding import Holding
from .run import adrive
from .values import Amount, Interval, Json


class hold(Holding):
    """quota_client.hold, awaited::

        async with hold(bind, subject, feature, amount, ttl="2 minutes") as h:
            async for piece in work():
                await h.count(n)         # n units more, before they are delivered
                await deliver(piece)

    bind  what opens connections (quota_client.core.run.abegin says what it may be), never an open one.  All else is
          as there.  Where the task is cancelled, as a web framework does when its client disconnects, the hold is
          still closed before the block is left; where it is cancelled while it reserves, what the server had reserved
          by then ends at its expiry.
    """

    async def __aenter__(self) -> hold:
        await adrive(self._bind, self._entering())
        return self

    async def count(self, n: int) -> int:
        """`n` units more are about to be delivered: they will be charged.  Returns `counted`, with them."""
        return await adrive(self._bind, self._counting(n))

    async def extend(self, amount: Amount | None = None, ttl: Interval | None = None) -> hold:
        """Renew for `ttl` from now (None: the last one again); `amount`, if given, is the new total."""
        await adrive(self._bind, self._extending(amount, ttl))
        return self

    async def settle(
        self, amount: Amount | None = None, metadata: Json | None = None, connection: Any = None
    ) -> rows.Settle | None:
        """The work cost `amount` (None: what was counted; 0: nothing): a row (id, charged, overdrawn, remaining)."""
        return await adrive(self._bind, self._settling(amount, metadata, connection))

    async def release(self) -> None:
        """Give all of it back now, also what was counted: nothing of it was worth paying for."""
        await adrive(self._bind, self._releasing())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _to_its_end(asyncio.ensure_future(adrive(self._bind, self._leaving(kind is not None))))


async def _to_its_end(task: asyncio.Future[None]) -> None:
    """Wait for a task that is not to be cancelled with the one that waits: what was delivered is paid for."""
    cancelled = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled

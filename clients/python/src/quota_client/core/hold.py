"""Holds as a context manager."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from . import rows
from .holding import Holding
from .run import drive
from .values import Amount, Interval, Json


class hold(Holding):
    """Room reserved while work of unknown price is done; what was done is paid for::

        with hold(bind, subject, feature, amount, ttl="2 minutes") as h:
            for piece in work():
                h.count(n)               # n units more, before they are delivered
                deliver(piece)
            with bind.begin() as connection:
                connection.execute(...)  # if there is a result to store
                h.settle(connection=connection)

    bind      what opens connections, never an open one (quota_client.core.run.begin says what it may be): every step below
              is a short transaction of its own on a connection of its own, and is committed when the call returns.
              So no row stays locked while the work runs, and other processes see what is reserved.
    amount    the estimate.  No room for it: entering raises QuotaError (QT402), and nothing was reserved.
    ttl       an interval as text or timedelta, a little longer than the longest silence of the work; None: 5
              minutes.  When it is over without count() or extend(), the room is free again by itself.
    up_to     reserve what there is, if that is less: read `h.reserved`
    key       a retry with the same key gets the same hold; whichever caller ends first closes it for both.

    Whatever way the block is left, without settle() or by an error (also KeyboardInterrupt, a cancelled task, and
    GeneratorExit, which is how a disconnected client ends a streamed response), what was counted is charged and
    the rest comes back; where nothing was counted, all of it comes back.  An error goes on as it was.  Where that
    fails, because the database is gone, it is tried once more and logged; then, and where the process is killed
    (SIGKILL, and SIGTERM where nothing handles it), all that is left is the hold's end at `expires_at`, which
    charges nothing.

    id, reserved, remaining and expires_at are as of the last call, counted is what count() has added up.  In
    observe mode `id` may be None: then nothing was reserved, and nothing below asks the database.
    """

    def __enter__(self) -> hold:
        drive(self._bind, self._entering())
        return self

    def count(self, n: int) -> int:
        """`n` units more are about to be delivered: they will be charged.  Returns `counted`, with them.

        Asks the database only where they are more than is reserved, to extend the hold (by half the estimate
        more than is needed, as long as there is room for it), or where half of its ttl is over, to renew it.
        QuotaError: there is no room for them (QT402, QT429), or the hold has expired (QT410).  Then they are not
        counted, and should not be delivered; what was counted before will be charged all the same.
        """
        return drive(self._bind, self._counting(n))

    def extend(self, amount: Amount | None = None, ttl: Interval | None = None) -> hold:
        """Renew for `ttl` from now (None: the last one again); `amount`, if given, is the new total.

        A refusal (QT402) raises and leaves the hold as it was.  QT410: it has expired; its work may still
        be settled.  A committed transaction of its own.
        """
        drive(self._bind, self._extending(amount, ttl))
        return self

    def settle(
        self, amount: Amount | None = None, metadata: Json | None = None, connection: Any = None
    ) -> rows.Settle | None:
        """The work cost `amount` (None: what was counted; 0: nothing): a row (id, charged, overdrawn, remaining).

        Never refused for lack of room, also after expiry.  Without `connection` it is committed when this
        returns.  With the open connection or Session that stores the result, both commit together; open that
        transaction inside the block of the hold: where it is rolled back, what was counted is charged all the
        same when the block is left, for it was delivered.
        """
        return drive(self._bind, self._settling(amount, metadata, connection))

    def release(self) -> None:
        """Give all of it back now, also what was counted: nothing of it was worth paying for."""
        drive(self._bind, self._releasing())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drive(self._bind, self._leaving(kind is not None))

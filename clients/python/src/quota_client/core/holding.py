"""What a hold does, without saying how the database is asked: its methods are generators of Steps, which
quota_client.hold and quota_client.aio.hold carry out."""

from __future__ import annotations

import logging
import math
import operator
import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Optional

from . import rows
from .call import Call, one, set_local, transaction_status
from .calls import enforcement
from .errors import HoldClosed, QuotaError
from .run import Step, Steps, must_open
from .values import Amount, Id, Interval, Json

_LOG = logging.getLogger("quota_client")
_LASTS = "expires_at - clock_timestamp()"  # by the server's clock
_TRANSACTION = "CAST(pg_current_xact_id() AS text)"


class _Reserved(NamedTuple):
    id: Optional[int]
    reserved: Optional[int]
    remaining: Optional[int]
    expires_at: Optional[datetime]
    lasts: Optional[timedelta]


class _Settled(NamedTuple):
    id: Optional[int]
    charged: int
    overdrawn: int
    remaining: Optional[int]
    transaction: str


class _Extended(NamedTuple):
    reserved: Optional[int]
    remaining: Optional[int]
    expires_at: Optional[datetime]
    lasts: Optional[timedelta]


class Holding:
    """The state of one hold.  quota_client.hold says what its arguments and attributes mean."""

    def __init__(
        self,
        bind: Any,
        subject: Id,
        feature: str,
        amount: Amount,
        ttl: Interval | None = None,
        key: Id | None = None,
        metadata: Json | None = None,
        up_to: bool | None = None,
    ):
        must_open(bind)
        self._bind = bind
        self._reserve = enforcement.reserve(subject, feature, amount, ttl, key, metadata, up_to)
        self._metadata = metadata
        self.id: int | None = None
        self.reserved: int | None = None
        self.remaining: int | None = None
        self.expires_at: datetime | None = None
        self.counted = 0
        self._spare = 0
        self._renew_at = math.inf
        self._closed = False  # for good: by a transaction that we have committed
        self._settled_in: str | None = None  # the transaction of a settle() that is not ours to commit

    def _entering(self) -> Steps[None]:
        row = yield Step((self._reserve.answering(one(_Reserved, lasts=_LASTS)),))
        self.id = row.id
        self._take(row)
        self._spare = (self.reserved or 0) // 2

    def _take(self, row: _Reserved | _Extended) -> None:
        self.reserved, self.remaining, self.expires_at = row.reserved, row.remaining, row.expires_at
        seconds = row.lasts.total_seconds() if row.lasts else 0
        self._renew_at = time.monotonic() + seconds / 2 if seconds > 0 else math.inf

    def _counting(self, n: int) -> Steps[int]:
        n = operator.index(n)
        if n < 0:
            raise ValueError("what was delivered does not come back")
        if self._closed:
            raise RuntimeError("this hold is closed: what is counted now would never be charged")
        total = self.counted + n
        if self.id is None:
            pass
        elif total > (self.reserved or 0):
            yield from self._growing(total)
        elif time.monotonic() >= self._renew_at:
            yield from self._extending(None, None)
        self.counted = total
        return total

    def _growing(self, total: int) -> Steps[None]:
        if self._spare:
            try:
                yield from self._extending(total + self._spare, None)
                return
            except QuotaError as refusal:
                if refusal.status not in (402, 429):
                    raise
                self._spare = 0  # near the end of the room: what is needed, and no more
        yield from self._extending(total, None)

    def _extending(self, amount: Amount | None, ttl: Interval | None) -> Steps[None]:
        if self.id is not None:
            call = enforcement.extend(self.id, ttl, amount)
            self._take((yield Step((call.answering(one(_Extended, lasts=_LASTS)),))))

    def _settling(self, amount: Amount | None, metadata: Json | None, connection: Any) -> Steps[rows.Settle | None]:
        if self.id is None:
            self._closed = True
            return None
        call = enforcement.settle(self.id, self.counted if amount is None else amount, metadata)
        if connection is None:
            row: rows.Settle = yield Step((call,))
            self._closed = True
        else:
            *settled, self._settled_in = yield Step((call.answering(one(_Settled, transaction=_TRANSACTION)),), connection)
            row = rows.Settle(*settled)
        self.reserved, self.remaining = 0, row.remaining
        return row

    def _releasing(self) -> Steps[None]:
        self.counted = 0
        yield from self._closing()

    def _closing(self) -> Steps[None]:
        """Charge what was counted and give the rest back, now."""
        if self.id is not None:
            end: Call[Any] = enforcement.release(self.id)
            if self.counted:
                end = enforcement.settle(self.id, self.counted, self._metadata)
            try:
                # a settle() of ours whose transaction is still open would make this wait for ourselves
                row = yield Step((set_local("lock_timeout", "5s"), end))
                self.remaining = row.remaining
            except HoldClosed:  # by a transaction of ours that did commit, or by a twin with our key
                pass
            self.reserved = 0
        self._closed = True

    def _leaving(self, failed: bool) -> Steps[None]:
        for last in (False, True):
            if self._closed:
                return
            try:
                if not failed and self._settled_in is not None:
                    status = yield Step((transaction_status(self._settled_in),))
                    if status == "in progress":  # a transaction around the block commits its settle after us
                        return
                yield from self._closing()
            except Exception:
                if last:
                    _LOG.error(
                        "hold %s is not settled: %s delivered units are not charged, and it ends at %s",
                        self.id, self.counted, self.expires_at, exc_info=True,
                    )  # fmt: skip

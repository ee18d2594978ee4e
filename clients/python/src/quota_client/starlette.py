"""The early look before a view, in FastAPI and Starlette; quota_client.asgi turns refusals into answers::

    quota = Quota(connect=pool, subject=lambda request: request.state.user)
    app.add_middleware(QuotaMiddleware, connect=pool)

    @app.post("/reports", dependencies=[Depends(quota.requires("reports"))])    # FastAPI
    async def create_report(): ...

    async def create_report(request):                                           # Starlette
        await quota.require(request, "reports")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Union

from starlette.requests import Request

from .asgi import InThreads, QuotaMiddleware, carry_out
from .core.requiring import requiring

Wanted = Union[int, Callable[[Request], int]]


class Quota:
    """Who pays, and where to look.

    connect   what opens connections (an AsyncEngine, a pool, a function); InThreads(...) of those not awaited
    subject   callable(request), awaited if need be: the path of who pays
    """

    def __init__(self, connect: Any, subject: Callable[[Request], Any]):
        self.connect = connect
        self.subject = subject

    async def require(self, request: Request, feature: str, amount: Wanted = 1) -> None:
        """Raise QuotaError if `amount` of `feature` could not be taken now.

        It saves work and gives an early answer; it reserves nothing.  The debit inside the view's transaction decides.
        """
        subject = self.subject(request)
        if isawaitable(subject):
            subject = await subject
        wanted = amount(request) if callable(amount) else amount
        await carry_out(self.connect, requiring(None, subject, feature, wanted))

    def requires(self, feature: str, amount: Wanted = 1) -> Callable[[Request], Awaitable[None]]:
        """The same as a dependency for FastAPI's Depends."""

        async def look(request: Request) -> None:
            await self.require(request, feature, amount)

        return look


__all__ = ["InThreads", "Quota", "QuotaMiddleware"]

"""quota in an ASGI application (FastAPI, Starlette, Quart, ...): every refusal becomes an HTTP answer::

    app.add_middleware(QuotaMiddleware, connect=pool)       # or QuotaMiddleware(app, connect=pool)

A refusal is answered as quota_client.flask does it: status, DETAIL as JSON, Retry-After, and a record in quota.denials
once the answer is sent.  That covers the refusals of gates, too, which come from a statement, flush or commit as the
driver's own.  Where the answer has begun already, as with a stream, the error goes on as it is.
quota_client.starlette has the early look before a view.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

from . import http
from .core.errors import QuotaError
from .core.run import Steps, adrive, drive

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class InThreads:
    """What opens connections that are not awaited (an Engine, a psycopg 2 pool, ...), for an application that is:
    QuotaMiddleware and Quota then ask the database in threads."""

    def __init__(self, bind: Any):
        self.bind = bind


async def carry_out(connect: Any, steps: Steps[T]) -> T:
    """Carry steps out over what opens connections of either kind."""
    if isinstance(connect, InThreads):
        return await asyncio.to_thread(drive, connect.bind, steps)
    return await adrive(connect, steps)


class QuotaMiddleware:
    """Answers what quota refuses.

    connect   what opens connections (an AsyncEngine, a pool, a function), to note refusals; InThreads(...) of those
              that are not awaited; None: nothing is noted
    render    optional callable (scope, QuotaError) -> an ASGI application, such as a Starlette response, for a browser
              that asked for a page; without it, or for any other client, the answer is the JSON body
    """

    def __init__(self, app: App, connect: Any = None, render: Callable[[Scope, QuotaError], App] | None = None):
        self.app = app
        self.connect = connect
        self.render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            refusal = None if begun else QuotaError.from_exception(error)
            if refusal is None:
                raise
            await self._respond(refusal, scope, receive, send)
            await self.note(refusal.detail)

    async def _respond(self, error: QuotaError, scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, body = http.answer(error)
        ours = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = [name for name, _ in ours]
                rest = [pair for pair in message.get("headers", []) if pair[0].lower() not in names]
                message = {**message, "status": status, "headers": [*rest, *ours]}
            await send(message)

        if self.render is not None and http.prefers_page(_accept(scope)):
            await self.render(scope, error)(scope, receive, marked)
            return
        content = json.dumps(body).encode()
        kind = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await marked({"type": "http.response.start", "headers": kind})
        await send({"type": "http.response.body", "body": content})

    async def note(self, detail: dict[str, Any] | None) -> None:
        """Record a refusal (`detail` of its QuotaError) in quota.denials; what is answered here is recorded here.
        In a transaction of its own that waits for nothing long, and whatever goes wrong is only logged."""
        if self.connect is None or detail is None:
            return
        try:
            await carry_out(self.connect, http.noting(detail))
        except Exception:
            _LOG.warning("a refusal was not noted: %s", detail, exc_info=True)


def _accept(scope: Scope) -> str:
    return ", ".join(value.decode("latin-1") for name, value in scope.get("headers", []) if name == b"accept")

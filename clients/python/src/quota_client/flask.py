"""quota in a Flask application: every refusal becomes an HTTP answer::

    quota = Quota(app, connect=engine.connect, subject=lambda: current_user.subject)

    @app.post("/reports")
    @quota.requires("reports")           # a cheap look before the view does any work
    def create_report(): ...             # the debit in the view's own transaction decides

A refusal by the database (QT402, QT403, QT429) is answered with its three digits as the status, the DETAIL
of the error as a JSON body, and ``Retry-After`` in seconds where waiting helps.  It is noted in quota.denials
once the answer is on its way, for the error took its own record along.  An argument that quota refuses
(SQLSTATE 22xxx, such as a refund of more than is left) is a 400.  That also covers refusals that this package did
not ask for: a gate (``quota.protect``) refuses an INSERT, so the error comes from an ``execute``, ``flush`` or
``commit`` as the driver's own, and any that is quota's is answered in the same way.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, Union

from flask import Flask, Response, current_app, jsonify, make_response, request

from . import http
from .core.errors import QuotaError
from .core.requiring import requiring
from .core.run import begin, drive

_LOG = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])
Wanted = Union[int, Callable[[], int]]

#: What a statement raises, by the drivers and layers that an application may use
_DATABASE_ERRORS = (("sqlalchemy.exc", "DBAPIError"), ("psycopg2", "Error"), ("psycopg", "Error"))


def _database_errors() -> Iterator[type[Exception]]:
    for module, name in _DATABASE_ERRORS:
        with contextlib.suppress(ImportError):
            yield getattr(importlib.import_module(module), name)


class Quota:
    """The error handlers and the `requires` decorator.

    connect   what opens connections: a callable that gives a context manager of a SQLAlchemy Connection or Session,
              such as engine.connect, or anything else that a hold takes (an engine, a pool, a function)
    subject   callable, run inside a request: the path of who pays
    render    optional callable (QuotaError) -> response for a browser that asked for a page; without it, or
              for any client that prefers JSON, the answer is the JSON body
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        connect: Any = None,
        subject: Callable[[], Any] | None = None,
        render: Callable[[QuotaError], Any] | None = None,
    ):
        self.connect = connect
        self.subject = subject
        self.render = render
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register the handlers for QuotaError and for any error of the database that is quota's."""
        app.extensions["quota"] = self
        app.register_error_handler(QuotaError, self.respond)
        for error in _database_errors():
            app.register_error_handler(error, self._respond_to_database)

    def respond(self, error: QuotaError) -> Response:
        """QuotaError -> response: status, DETAIL as JSON, Retry-After.  Never cached.  Once it is sent, the
        refusal is noted."""
        status, headers, body = http.answer(error)
        accept = request.accept_mimetypes
        wants_page = accept["text/html"] > accept["application/json"]
        response = make_response(self.render(error) if self.render and wants_page else jsonify(body))
        response.status_code = status
        response.headers.update(headers)
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        response.call_on_close(lambda: self.note(error.detail, app))
        return response

    def note(self, detail: dict[str, Any] | None, app: Flask | None = None) -> None:
        """Record a refusal (`detail` of its QuotaError) in quota.denials; what respond() answers it records itself.
        In a transaction of its own that waits for nothing long, and whatever goes wrong is only logged."""
        if self.connect is None or detail is None:
            return
        try:
            with contextlib.ExitStack() as stack:
                if app is not None:
                    stack.enter_context(app.app_context())
                drive(self.connect, http.noting(detail))
        except Exception:
            _LOG.warning("a refusal was not noted: %s", detail, exc_info=True)

    def _respond_to_database(self, error: Exception) -> Response:
        refusal = QuotaError.from_exception(error)
        if refusal is None:
            raise error
        return self.respond(refusal)

    def requires(self, feature: str, amount: Wanted = 1) -> Callable[[View], View]:
        """Decorator: refuse before the view runs if `amount` of `feature` could not be taken now.

        `amount` is a number or a callable run inside the request.  It saves work and gives an early answer;
        it reserves nothing.  The debit inside the view's transaction decides.
        """
        return _guard(lambda: self, feature, amount)


def requires(feature: str, amount: Wanted = 1) -> Callable[[View], View]:
    """`Quota.requires` for views defined before the app exists (blueprints): looks the Quota of the current
    application up when the request comes."""
    return _guard(_current, feature, amount)


def _current() -> Quota:
    quota: Quota = current_app.extensions["quota"]
    return quota


def _guard(find: Callable[[], Quota], feature: str, amount: Wanted) -> Callable[[View], View]:
    def decorate(view: Any) -> Any:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            quota = find()
            assert quota.subject is not None, "Quota(subject=...) says who pays"
            wanted = amount() if callable(amount) else amount
            with begin(quota.connect) as connection:
                drive(None, requiring(connection, quota.subject(), feature, wanted))
            return view(*args, **kwargs)

        return guarded

    return decorate

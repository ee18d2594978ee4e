"""quota in a Django application: every refusal becomes an HTTP answer.

In the settings::

    MIDDLEWARE = [..., "quota_client.django.QuotaMiddleware"]       # last: nearest to the views
    QUOTA = {
        "SUBJECT": "shop.billing.subject",      # callable(request): the path of who pays
        "DATABASE": "default",                  # the alias, if another
        "RENDER": "shop.billing.paywall",       # callable(request, error) -> response for a browser, if wanted
    }

In a view::

    @requires("reports")                        # a cheap look before the view does any work
    def create_report(request):
        with transaction.atomic():
            Report.objects.create(...)
            debit(connection, request.user.username, "reports")     # django.db.connection

The answer is as quota_client.flask gives it: status, DETAIL as JSON, Retry-After, and a record in quota.denials once
it is on its way.  That covers the refusals of gates, too, which come from save() as Django's own DatabaseError.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from inspect import iscoroutinefunction
from typing import Any, TypeVar, Union

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.http import JsonResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from . import http
from .core.errors import QuotaError
from .core.requiring import requiring
from .core.run import drive

_LOG = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])
Wanted = Union[int, Callable[[Any], int]]


class Database:
    """What a hold takes in Django: an alias of settings.DATABASES.

    A hold commits by itself.  So inside an atomic block, that of ATOMIC_REQUESTS included, each of its steps opens a
    connection of its own; outside it uses the thread's.
    """

    def __init__(self, alias: str = "default"):
        self.alias = alias

    @contextmanager
    def begin(self) -> Iterator[Any]:
        if connections[self.alias].in_atomic_block:
            with closing(connections.create_connection(self.alias)) as connection:
                connection.set_autocommit(False)
                yield connection
                connection.commit()
        else:
            with transaction.atomic(using=self.alias):
                yield connections[self.alias]


def _setting(name: str, default: Any = None) -> Any:
    return getattr(settings, "QUOTA", {}).get(name, default)


def _named(name: str) -> Callable[..., Any] | None:
    """A setting that is a callable or the dotted path of one."""
    found = _setting(name)
    loaded: Callable[..., Any] | None = import_string(found) if isinstance(found, str) else found
    return loaded


def _database() -> Database:
    return Database(_setting("DATABASE", "default"))


class QuotaMiddleware(MiddlewareMixin):  # type: ignore[misc]
    """Answers what quota refuses."""

    def process_exception(self, request: Any, error: Exception) -> Any:
        """The answer to a QuotaError, or to an error of the database that is quota's; None for any other."""
        if not isinstance(error, (QuotaError, DatabaseError)):
            return None
        refusal = QuotaError.from_exception(error)
        return None if refusal is None else respond(request, refusal)


def respond(request: Any, error: QuotaError) -> Any:
    """QuotaError -> response, never cached.  Once it is sent, the refusal is noted."""
    status, headers, body = http.answer(error)
    render = _named("RENDER")
    wants_page = render is not None and http.prefers_page(request.META.get("HTTP_ACCEPT", ""))
    response = render(request, error) if render is not None and wants_page else JsonResponse(body)
    response.status_code = status
    for name, value in headers.items():
        response[name] = value
    close = response.close

    def close_and_note() -> None:
        response.close = close  # it may be closed again
        note(error.detail)  # first: closing ends the request, and with it the thread's connection
        close()

    response.close = close_and_note
    return response


def note(detail: dict[str, Any] | None) -> None:
    """Record a refusal (`detail` of its QuotaError) in quota.denials; what respond() answers it records itself.
    In a transaction of its own that waits for nothing long, and whatever goes wrong is only logged."""
    if detail is None:
        return
    try:
        drive(_database(), http.noting(detail))
    except Exception:
        _LOG.warning("a refusal was not noted: %s", detail, exc_info=True)


def requires(feature: str, amount: Wanted = 1) -> Callable[[View], View]:
    """Decorator: refuse before the view runs if `amount` of `feature` could not be taken now.

    `amount` is a number or a callable(request).  It saves work and gives an early answer; it reserves nothing.  The
    debit inside the view's transaction decides.
    """

    def look(request: Any) -> None:
        subject = _named("SUBJECT")
        assert subject is not None, 'settings.QUOTA["SUBJECT"] says who pays'
        wanted = amount(request) if callable(amount) else amount
        drive(None, requiring(connections[_database().alias], subject(request), feature, wanted))

    def decorate(view: Any) -> Any:
        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
                await sync_to_async(look)(request)
                return await view(request, *args, **kwargs)

        else:

            @functools.wraps(view)
            def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
                look(request)
                return view(request, *args, **kwargs)

        return guarded

    return decorate

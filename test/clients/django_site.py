"""The site of sites.py in Django, and its settings, which are of the process."""

import os
import sys
import types

import django
import quota_client
import sites
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import path
from quota_client.django import requires


def configure(place):
    """Configure Django, once for all tests of a process."""
    # Django refuses its connections to a thread with a running event loop, for they would block it; here they may
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    if not settings.configured:
        settings.configure(
            DATABASES={"default": database(place)},
            ALLOWED_HOSTS=["*"],
            MIDDLEWARE=["quota_client.django.QuotaMiddleware"],
            QUOTA={"SUBJECT": "django_site.who", "RENDER": "django_site.page"},
            ROOT_URLCONF="django_site",
            SECRET_KEY="of tests",
            USE_TZ=True,
        )
        django.setup()


def database(place):
    """libpq's parameters as Django has them."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": place["dbname"],
        "USER": place["user"],
        "HOST": place["host"],
        "PORT": place["port"],
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


def client(place, urls, atomic):
    """A test client for either list of URLs."""
    configure(place)
    from django.db import connections
    from django.test import Client

    settings.ROOT_URLCONF = urls
    connections["default"].settings_dict["ATOMIC_REQUESTS"] = atomic
    return Client(raise_request_exception=False)


def close():
    """End the thread's connection, so that the database can be dropped."""
    from django.db import connections

    connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
    connections.close_all()


def who(request):
    return request.headers["X-Subject"]


def page(request, error):
    return HttpResponse(sites.PAGE)


@requires("documents")
def take(request, n):
    from django.db import connection, transaction

    with transaction.atomic():
        return JsonResponse({"remaining": quota_client.debit(connection, who(request), "documents", n).remaining})


def paper(request, n):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sites.rows(who(request), n))
    return JsonResponse({})


@requires("tokens", lambda request: 9000)
def many(request):
    raise AssertionError("the view must not run")


def nothing(request):
    from django.db import connection

    quota_client.debit(connection, who(request), "tokens", 0)


def broken(request):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")


urlpatterns = [
    path("take/<int:n>", take),
    path("paper/<int:n>", paper),
    path("many", many),
    path("nothing", nothing),
    path("broken", broken),
]


def _awaited(view):
    async def awaited(request, **given):
        return await sync_to_async(view)(request, **given)

    return awaited


@requires("documents")
async def take_awaited(request, n):
    return await sync_to_async(take.__wrapped__)(request, n)


awaited = types.ModuleType("django_site.awaited")
awaited.urlpatterns = [path("take/<int:n>", take_awaited)] + [
    path(str(pattern.pattern), _awaited(pattern.callback)) for pattern in urlpatterns[1:]
]
sys.modules["django_site.awaited"] = awaited

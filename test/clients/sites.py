"""One small application in every framework: the same routes, so that each test of HTTP is written once.

POST /take/N     documents: an early look, then a debit of N
POST /paper/N    N rows in a table with a gate, whose refusal is the driver's own error
POST /many       an early look for 9000 tokens
POST /nothing    a debit of 0, which is a wrong argument
POST /broken     1/0 in the database

The path of who pays comes in the header X-Subject.  A site's .post(path, subject, accept) returns (status, headers,
text); statuses of 500 and more are answers, too.
"""

import functools
import uuid

import psycopg
import psycopg2.pool
import psycopg_pool
import quota_client
import quota_client.aio
import sqlalchemy
from quota_client import flask as quota_flask
from quota_client.asgi import InThreads, QuotaMiddleware
from quota_client.starlette import Quota
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine

PAGE = "<h1>Pay</h1>"


def rows(subject, n):
    """An INSERT of n papers."""
    first = uuid.uuid4().int % 2**50
    return "INSERT INTO paper VALUES " + ", ".join(f"({first + i}, '{subject}')" for i in range(n))


def url(place, driver):
    query = {"host": place["host"], "port": str(place["port"])} if driver == "psycopg2" else {"host": place["host"]}
    port = None if driver == "psycopg2" else place["port"]
    return URL.create(f"postgresql+{driver}", place["user"], database=place["dbname"], query=query, port=port)


class FlaskSite:
    def __init__(self, place):
        from flask import Flask, Response, request

        app = Flask("site")
        self.open(place)

        def subject():
            return request.headers["X-Subject"]

        quota = quota_flask.Quota(app, connect=self.connect, subject=subject, render=lambda error: Response(PAGE))

        @app.post("/take/<int:n>")
        @quota.requires("documents")
        def take(n):
            return self.debit(subject(), "documents", n)

        @app.post("/paper/<int:n>")
        def paper(n):
            return self.execute(rows(subject(), n))

        @app.post("/many")
        @quota_flask.requires("tokens", lambda: 9000)
        def many():
            raise AssertionError("the view must not run")

        @app.post("/nothing")
        def nothing():
            return self.debit(subject(), "tokens", 0)

        @app.post("/broken")
        def broken():
            return self.execute("SELECT 1/0")

        self.client = app.test_client()

    def post(self, path, subject, accept="application/json"):
        with self.client.post(path, headers={"X-Subject": subject, "Accept": accept}) as answer:
            return answer.status_code, dict(answer.headers), answer.text


class FlaskOverSQLAlchemy(FlaskSite):
    def open(self, place):
        self.engine = sqlalchemy.create_engine(url(place, "psycopg2"), future=True)
        self.connect = self.engine.connect

    def debit(self, *given):
        with self.engine.begin() as connection:
            return {"remaining": quota_client.debit(connection, *given).remaining}

    def execute(self, sql):
        with self.engine.begin() as connection:
            connection.execute(sqlalchemy.text(sql))
        return {}

    def close(self):
        self.engine.dispose()


class FlaskOverPsycopg(FlaskSite):
    def open(self, place):
        self.connect = self.pool = psycopg_pool.ConnectionPool(kwargs=place, min_size=1, max_size=2)

    def debit(self, *given):
        with self.pool.connection() as connection:
            return {"remaining": quota_client.debit(connection, *given).remaining}

    def execute(self, sql):
        with self.pool.connection() as connection:
            connection.execute(sql)
        return {}

    def close(self):
        self.pool.close()


class FlaskOverPsycopg2(FlaskSite):
    def open(self, place):
        self.connect = functools.partial(psycopg2.connect, **place)

    def debit(self, *given):
        with self.connect() as connection:
            return {"remaining": quota_client.debit(connection, *given).remaining}

    def execute(self, sql):
        with self.connect() as connection:
            connection.cursor().execute(sql)
        return {}

    def close(self):
        pass


class AsgiSite:
    """Over TestClient, which runs the application in an event loop of its own."""

    def __init__(self, place):
        from starlette.testclient import TestClient

        self.open(place)
        self.client = TestClient(self.application(), raise_server_exceptions=False)
        self.client.__enter__()

    def close(self):
        self.client.__exit__(None, None, None)

    def post(self, path, subject, accept="application/json"):
        answer = self.client.post(path, headers={"X-Subject": subject, "Accept": accept})
        return answer.status_code, dict(answer.headers), answer.text


def who(request):
    return request.headers["x-subject"]


def page(scope, error):
    from starlette.responses import HTMLResponse

    return HTMLResponse(PAGE)


class StarletteOverSQLAlchemy(AsgiSite):
    """Asynchronous connections over asyncpg."""

    def open(self, place):
        self.engine = create_async_engine(url(place, "asyncpg"), future=True, poolclass=sqlalchemy.pool.NullPool)
        self.quota = Quota(self.engine, subject=who)

    async def debit(self, *given):
        from starlette.responses import JSONResponse

        async with self.engine.begin() as connection:
            return JSONResponse({"remaining": (await quota_client.aio.debit(connection, *given)).remaining})

    def application(self):
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route

        async def take(request):
            await self.quota.require(request, "documents")
            return await self.debit(who(request), "documents", request.path_params["n"])

        async def paper(request):
            async with self.engine.begin() as connection:
                await connection.execute(sqlalchemy.text(rows(who(request), request.path_params["n"])))
            return JSONResponse({})

        async def many(request):
            await self.quota.require(request, "tokens", lambda request: 9000)
            raise AssertionError("what comes after the look must not run")

        async def nothing(request):
            return await self.debit(who(request), "tokens", 0)

        async def broken(request):
            async with self.engine.begin() as connection:
                await connection.execute(sqlalchemy.text("SELECT 1/0"))

        routes = {"/take/{n:int}": take, "/paper/{n:int}": paper, "/many": many, "/nothing": nothing, "/broken": broken}
        app = Starlette(routes=[Route(path, view, methods=["POST"]) for path, view in routes.items()])
        app.add_middleware(QuotaMiddleware, connect=self.engine, render=page)
        return app


class FastApiOverPsycopg(AsgiSite):
    """Asynchronous connections; the pool lives as long as the application."""

    def open(self, place):
        self.connect = functools.partial(psycopg.AsyncConnection.connect, **place)
        self.quota = Quota(self.connect, subject=self.awaited_subject)

    async def awaited_subject(self, request):
        return who(request)

    def application(self):
        from fastapi import Depends, FastAPI, Header

        app = FastAPI()
        app.add_middleware(QuotaMiddleware, connect=self.connect, render=page)

        async def debit(*given):
            async with await self.connect() as connection:
                return {"remaining": (await quota_client.aio.debit(connection, *given)).remaining}

        @app.post("/take/{n}", dependencies=[Depends(self.quota.requires("documents"))])
        async def take(n: int, x_subject: str = Header()):
            return await debit(x_subject, "documents", n)

        @app.post("/paper/{n}")
        async def paper(n: int, x_subject: str = Header()):
            async with await self.connect() as connection:
                await connection.execute(rows(x_subject, n))
            return {}

        @app.post("/many", dependencies=[Depends(self.quota.requires("tokens", 9000))])
        async def many():
            raise AssertionError("the view must not run")

        @app.post("/nothing")
        async def nothing(x_subject: str = Header()):
            return await debit(x_subject, "tokens", 0)

        @app.post("/broken")
        async def broken():
            async with await self.connect() as connection:
                await connection.execute("SELECT 1/0")

        return app


class FastApiInThreads(AsgiSite):
    """Plain views, which FastAPI runs in threads, over an Engine that is not awaited."""

    def open(self, place):
        self.engine = sqlalchemy.create_engine(url(place, "psycopg2"), future=True)
        self.quota = Quota(InThreads(self.engine), subject=who)

    def close(self):
        super().close()
        self.engine.dispose()

    def application(self):
        from fastapi import Depends, FastAPI, Header

        app = FastAPI()
        app.add_middleware(QuotaMiddleware, connect=InThreads(self.engine), render=page)

        @app.post("/take/{n}", dependencies=[Depends(self.quota.requires("documents"))])
        def take(n: int, x_subject: str = Header()):
            with self.engine.begin() as connection:
                return {"remaining": quota_client.debit(connection, x_subject, "documents", n).remaining}

        @app.post("/paper/{n}")
        def paper(n: int, x_subject: str = Header()):
            with self.engine.begin() as connection:
                connection.execute(sqlalchemy.text(rows(x_subject, n)))
            return {}

        @app.post("/many", dependencies=[Depends(self.quota.requires("tokens", 9000))])
        def many():
            raise AssertionError("the view must not run")

        @app.post("/nothing")
        def nothing(x_subject: str = Header()):
            with self.engine.begin() as connection:
                quota_client.debit(connection, x_subject, "tokens", 0)

        @app.post("/broken")
        def broken():
            with self.engine.begin() as connection:
                connection.execute(sqlalchemy.text("SELECT 1/0"))

        return app


class DjangoSite:
    """Django is configured once for a process, so its views stand in a module of their own (django_site.py)."""

    atomic = False
    urls = "django_site"

    def __init__(self, place):
        import django_site

        self.client = django_site.client(place, self.urls, self.atomic)

    def close(self):
        import django_site

        django_site.close()

    def post(self, path, subject, accept="application/json"):
        answer = self.client.post(path, HTTP_X_SUBJECT=subject, HTTP_ACCEPT=accept)
        text = answer.content.decode()
        answer.close()
        return answer.status_code, dict(answer.items()), text


class DjangoWithAtomicRequests(DjangoSite):
    atomic = True


class DjangoWithAsyncViews(DjangoSite):
    urls = "django_site.awaited"


ALL = [
    FlaskOverSQLAlchemy, FlaskOverPsycopg, FlaskOverPsycopg2, StarletteOverSQLAlchemy, FastApiOverPsycopg,
    FastApiInThreads, DjangoSite, DjangoWithAtomicRequests, DjangoWithAsyncViews,
]  # fmt: skip

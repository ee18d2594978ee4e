"""Every way to reach a database from Python, under one surface: so each test is written once.

A way has .client (quota_client or quota_client.aio), .bind (what a hold takes), .begin() (a connection in a
transaction), .call(name, connection, ...) for the client's functions and .execute(connection, sql) for the
application's own statements; all are awaited, whether the driver is or not.
"""

import contextlib
import functools
import inspect
import json

import asyncpg
import django_site
import psycopg
import psycopg2
import psycopg2.pool
import psycopg_pool
import quota_client
import quota_client.aio
import sqlalchemy
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, sessionmaker


class Way:
    client = quota_client

    def __init__(self, where, server):
        self.where, self.server = where, server

    @contextlib.asynccontextmanager
    async def open(self):
        yield

    @property
    def is_bounced(self):
        """Does PgBouncer stand between?  Then no statement may be prepared for later; else as many as can be."""
        return self.where != self.server

    @property
    def psycopg_options(self):
        return self.where | {"prepare_threshold": None if self.is_bounced else 0}

    async def call(self, name, connection, *args, **kwargs):
        answer = getattr(self.client, name)(connection, *args, **kwargs)
        return await answer if inspect.isawaitable(answer) else answer

    async def disconnect(self, connection):
        """Let the server end the connection, as a restart of it would."""
        ((backend,),) = await self.execute(connection, "SELECT pg_backend_pid() AS pid")
        with psycopg.connect(**self.server, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])

    @contextlib.asynccontextmanager
    async def hold(self, *args, **kwargs):
        """The client's hold, its methods awaited whether they have to be or not."""
        held = self.client.hold(self.bind, *args, **kwargs)
        if hasattr(held, "__aenter__"):
            async with held:
                yield held
        else:
            with held:
                yield Awaited(held)

    def url(self, driver):
        there = self.where
        return URL.create(
            f"postgresql+{driver}",
            username=there["user"],
            database=there["dbname"],
            query={"host": there["host"], "port": str(there["port"])} if driver == "psycopg2" else {"host": there["host"]},
            port=None if driver == "psycopg2" else there["port"],
        )


class Awaited:
    """A hold whose methods are awaited."""

    def __init__(self, held):
        self._held = held

    def __getattr__(self, name):
        found = getattr(self._held, name)
        if not inspect.ismethod(found):
            return found

        async def method(*args, **kwargs):
            return found(*args, **kwargs)

        return method


class Psycopg2(Way):
    @property
    def bind(self):
        return functools.partial(psycopg2.connect, **self.where)

    @contextlib.asynccontextmanager
    async def begin(self):
        connection = self.bind()
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    async def execute(self, connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None


class Psycopg2Pool(Psycopg2):
    @contextlib.asynccontextmanager
    async def open(self):
        self.pool = psycopg2.pool.ThreadedConnectionPool(0, 3, **self.where)
        yield
        self.pool.closeall()

    @property
    def bind(self):
        return self.pool

    @contextlib.asynccontextmanager
    async def begin(self):
        connection = self.pool.getconn()
        try:
            with connection:
                yield connection
        finally:
            self.pool.putconn(connection)


class Psycopg(Way):
    @property
    def bind(self):
        return functools.partial(psycopg.connect, **self.psycopg_options)

    @contextlib.asynccontextmanager
    async def begin(self):
        with self.bind() as connection:
            yield connection

    async def execute(self, connection, sql):
        cursor = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(sql)
        return cursor.fetchall() if cursor.description else None


class PsycopgDict(Psycopg):
    """Rows as dicts, and every statement a transaction of its own unless it is in a block."""

    @property
    def bind(self):
        rows = psycopg.rows.dict_row
        return functools.partial(psycopg.connect, **self.psycopg_options, row_factory=rows, autocommit=True)

    @contextlib.asynccontextmanager
    async def begin(self):
        with self.bind() as connection, connection.transaction():
            yield connection


class PsycopgPool(Psycopg):
    @contextlib.asynccontextmanager
    async def open(self):
        with psycopg_pool.ConnectionPool(kwargs=self.psycopg_options, min_size=1, max_size=3) as self.pool:
            yield

    @property
    def bind(self):
        return self.pool

    @contextlib.asynccontextmanager
    async def begin(self):
        with self.pool.connection() as connection:
            yield connection


class Core(Way):
    """SQLAlchemy's connections, over psycopg 2."""

    @contextlib.asynccontextmanager
    async def open(self):
        self.bind = self.engine = sqlalchemy.create_engine(self.url("psycopg2"), future=True)
        yield
        self.engine.dispose()

    @contextlib.asynccontextmanager
    async def begin(self):
        with self.engine.begin() as connection:
            yield connection

    async def execute(self, connection, sql):
        result = connection.execute(sqlalchemy.text(sql))
        return result.fetchall() if result.returns_rows else None


class CoreOverPsycopg(Core):
    """SQLAlchemy 2's connections, over psycopg 3."""

    @contextlib.asynccontextmanager
    async def open(self):
        options = {"prepare_threshold": self.psycopg_options["prepare_threshold"]}
        self.bind = self.engine = sqlalchemy.create_engine(self.url("psycopg"), connect_args=options)
        yield
        self.engine.dispose()


class Orm(Core):
    """SQLAlchemy's sessions, over psycopg 2."""

    @contextlib.asynccontextmanager
    async def open(self):
        async with super().open():
            self.bind = sessionmaker(self.engine, future=True)
            yield

    @contextlib.asynccontextmanager
    async def begin(self):
        with Session(self.engine, future=True) as session, session.begin():
            yield session


class Django(Way):
    @contextlib.asynccontextmanager
    async def open(self):
        django_site.configure(self.where)
        from django.db import connections

        self.alias = f"at_{self.where['port']}"
        connections.databases[self.alias] = connections.databases["default"] | django_site.database(self.where)
        yield
        connections[self.alias].close()

    @property
    def bind(self):
        from quota_client.django import Database

        return Database(self.alias)

    @contextlib.asynccontextmanager
    async def begin(self):
        from django.db import connections, transaction

        with transaction.atomic(using=self.alias):
            yield connections[self.alias]

    async def execute(self, connection, sql):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None


class Asyncpg(Way):
    client = quota_client.aio

    @property
    def options(self):
        there = self.where
        place = {"host": there["host"], "port": there["port"], "user": there["user"], "database": there["dbname"]}
        return place | ({"statement_cache_size": 0} if self.is_bounced else {})

    @property
    def bind(self):
        return functools.partial(asyncpg.connect, **self.options)

    @contextlib.asynccontextmanager
    async def begin(self):
        connection = await self.bind()
        try:
            async with connection.transaction():
                yield connection
        finally:
            await connection.close()

    async def execute(self, connection, sql):
        return [tuple(row) for row in await connection.fetch(sql)]


class AsyncpgPool(Asyncpg):
    """Its connections have a codec of their own for jsonb, as many applications' have."""

    @contextlib.asynccontextmanager
    async def open(self):
        async def prepare(connection):
            await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)

        async with asyncpg.create_pool(**self.options, min_size=1, max_size=3, init=prepare) as self.pool:
            yield

    @property
    def bind(self):
        return self.pool

    @contextlib.asynccontextmanager
    async def begin(self):
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection


class AsyncPsycopg(Way):
    client = quota_client.aio

    @property
    def bind(self):
        return functools.partial(psycopg.AsyncConnection.connect, **self.psycopg_options)

    @contextlib.asynccontextmanager
    async def begin(self):
        async with await self.bind() as connection:
            yield connection

    async def execute(self, connection, sql):
        cursor = await connection.execute(sql)
        return await cursor.fetchall() if cursor.description else None


class AsyncPsycopgPool(AsyncPsycopg):
    @contextlib.asynccontextmanager
    async def open(self):
        async with psycopg_pool.AsyncConnectionPool(kwargs=self.psycopg_options, min_size=1, max_size=3) as self.pool:
            yield

    @property
    def bind(self):
        return self.pool

    @contextlib.asynccontextmanager
    async def begin(self):
        async with self.pool.connection() as connection:
            yield connection


class AsyncCore(Way):
    """SQLAlchemy's asynchronous connections, over asyncpg."""

    client = quota_client.aio

    @contextlib.asynccontextmanager
    async def open(self):
        options = {"statement_cache_size": 0, "prepared_statement_cache_size": 0} if self.is_bounced else {}
        self.bind = self.engine = create_async_engine(self.url("asyncpg"), future=True, connect_args=options)
        yield
        await self.engine.dispose()

    @contextlib.asynccontextmanager
    async def begin(self):
        async with self.engine.begin() as connection:
            yield connection

    async def execute(self, connection, sql):
        result = await connection.execute(sqlalchemy.text(sql))
        return result.fetchall() if result.returns_rows else None


class AsyncCoreOverPsycopg(AsyncCore):
    """SQLAlchemy 2's asynchronous connections, over psycopg 3."""

    @contextlib.asynccontextmanager
    async def open(self):
        options = {"prepare_threshold": self.psycopg_options["prepare_threshold"]}
        self.bind = self.engine = create_async_engine(self.url("psycopg"), connect_args=options)
        yield
        await self.engine.dispose()


class AsyncOrm(AsyncCore):
    """SQLAlchemy's asynchronous sessions, over asyncpg."""

    @contextlib.asynccontextmanager
    async def open(self):
        async with super().open():
            self.bind = sessionmaker(self.engine, class_=AsyncSession, future=True)
            yield

    @contextlib.asynccontextmanager
    async def begin(self):
        async with AsyncSession(self.engine, future=True) as session, session.begin():
            yield session


ALL = [
    Psycopg2, Psycopg2Pool, Psycopg, PsycopgDict, PsycopgPool, Core, Orm, Django,
    Asyncpg, AsyncpgPool, AsyncPsycopg, AsyncPsycopgPool, AsyncCore, AsyncOrm,
]  # fmt: skip
if int(sqlalchemy.__version__.partition(".")[0]) >= 2:
    ALL += [CoreOverPsycopg, AsyncCoreOverPsycopg]

"""The extension, called through SQLAlchemy as an application would."""

import json
import os
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO

import psycopg2
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from oracle import times
from oracle.errors import Fault

from . import tables

TIMES = {"starts_at", "ends_at", "trial_ends_at", "since", "until", "expires_at", "effective_at", "at"}
JSONS = {"catalog", "changes", "entitlement", "metadata", "amounts", "units"}
class ServerGone(Exception):
    """The server crashed, or ended the session."""


TEMPLATE = f"quota_model_{os.getpid()}_template"
TABLES = """
SELECT c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = ANY ('{quota,quota_internal}'::regnamespace[]) AND c.relkind IN ('r', 'p') ORDER BY 1"""


def psycopg2_url(url):
    """The URL with the driver named; the text may be libpq's."""
    url = make_url(url.replace("postgres://", "postgresql://", 1))
    return url.set(drivername="postgresql+psycopg2")


def maintenance_engine(url):
    return create_engine(url, isolation_level="AUTOCOMMIT", future=True, poolclass=NullPool)


def execute(url, *statements):
    """Outside a transaction."""
    engine = maintenance_engine(url)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@contextmanager
def make_template(url):
    """A database with the extension and nothing else, from which each run copies.
    Gives the URL of the maintenance database."""
    url = psycopg2_url(url)
    execute(url, f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)", f"CREATE DATABASE {TEMPLATE}")
    try:
        execute(url.set(database=TEMPLATE), "CREATE EXTENSION quota CASCADE")
        yield url
    finally:
        execute(url, f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")


def literal(name, value):
    """The argument as the driver shall send it."""
    if value is None:
        return None
    if name in TIMES:
        return times.text_of(value)
    if name == "changes":  # times in it, as instants
        return json.dumps({key: times.text_of(at) if key in TIMES else at for key, at in value.items()})
    if name in JSONS and not isinstance(value, str):  # charge's units are a number as text
        return json.dumps(value)
    return value


def plain(value):
    """A column of a row, without the driver's types: times are instants,
    intervals microseconds."""
    if isinstance(value, datetime):
        return times.of_datetime(value)
    if isinstance(value, timedelta):
        return (value.days * 86400 + value.seconds) * times.SECOND + value.microseconds
    return value


class Database:
    """A database of its own on the cluster of `url`, one session in it."""

    def __init__(self, url, name, session_zone="UTC"):
        self.url, self.name, self.zone = url, name, session_zone
        execute(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        self.gone = False
        self._engine = create_engine(url.set(database=name), future=True, poolclass=NullPool)
        self._connect()
        self._tables = [t for t, in self.rows(TABLES) if not self.rows(f"SELECT 1 FROM {t} LIMIT 1")]
        self.commit()

    def _connect(self):
        for _ in range(50):  # after a crash the server needs a moment
            try:
                self.connection = self._engine.connect()
                break
            except DBAPIError:
                time.sleep(0.2)
        self.sql("SET timezone = :zone", zone=self.zone)
        self.sql("SET synchronous_commit = off")
        self.commit()

    def reset(self):
        """As new, but for sequences: whatever was empty is empty, in a new session."""
        if self.gone:
            self.gone = False
            self._connect()
        self.rollback()
        self.sql("SET session_replication_role = replica")
        self.sql(f"TRUNCATE {', '.join(self._tables)} CASCADE")
        self.sql(tables.DROP)
        self.commit()
        self.connection.close()
        self._connect()

    def close(self):
        if self.gone:
            self._connect()
        self.connection.close()
        self._engine.dispose()
        execute(self.url, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def sql(self, statement, **parameters):
        return self.connection.execute(text(statement), parameters)

    def rows(self, statement, **parameters):
        """Rows of plain values."""
        return [tuple(plain(v) for v in row) for row in self.sql(statement, **parameters)]

    def copy(self, statement, lines):
        """COPY from stdin: how many rows."""
        if not self.connection.in_transaction():
            self.connection.begin()
        cursor = self.connection.connection.cursor()
        try:
            cursor.copy_expert(statement, StringIO(lines))
        except psycopg2.Error as error:
            raise DBAPIError(statement, None, error) from error
        return cursor.rowcount

    def call(self, function, arguments):
        """Rows of quota.<function>(arguments), or of a statement; or a Fault."""
        named = ", ".join(f"{name} => :{name}" for name in arguments)
        values = {name: literal(name, value) for name, value in arguments.items()}
        try:
            if function in tables.FUNCTIONS:
                return tables.run(self, function, arguments)
            return self.rows(f"SELECT * FROM quota.{function}({named})", **values)
        except DBAPIError as error:
            if error.connection_invalidated or error.orig.pgcode is None:
                self.gone = True
                raise ServerGone(str(error.orig)) from error
            raise fault_of(error) from error

    def guarded(self, function, arguments):
        """As call(), inside a savepoint that an error rolls back to."""
        nested = self.connection.begin_nested()
        try:
            rows = self.call(function, arguments)
        except Fault:
            nested.rollback()
            raise
        nested.commit()
        return rows

    def commit(self):
        self.connection.commit()

    def rollback(self):
        self.connection.rollback()


def fault_of(error):
    """A driver's error as a Fault, its DETAIL read if it is JSON."""
    diag = error.orig.diag
    detail = diag.message_detail
    try:
        detail = json.loads(detail) if detail else None
    except ValueError:
        pass
    return Fault(error.orig.pgcode or "?????", diag.message_primary or str(error.orig), detail)

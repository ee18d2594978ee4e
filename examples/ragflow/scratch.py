"""A database to try it in: psql, and the application's role and tables in a database of their own."""

import os
import secrets
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

HERE = Path(__file__).resolve().parent


def psql(url, *arguments):
    """Runs psql, which must succeed; returns what it said, messages included."""
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stdout)
    return done.stdout


@dataclass
class Scratch:
    """A database: the superuser's door to it, and that of the application, whose role owns the tables."""

    owner: str
    app: str
    role: str

    def run(self, *files, **variables):
        """Runs files of this folder as superuser, each in one transaction."""
        given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        return "".join(psql(self.owner, "-1", *given, "-f", HERE / file) for file in files)

    def all(self, sql, *values):
        """The rows of a statement by the superuser, in a transaction of its own."""
        connection = psycopg2.connect(self.owner)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def one(self, sql, *values):
        (row,) = self.all(sql, *values)
        return row[0] if len(row) == 1 else row


@contextmanager
def scratch(maintenance, *files):
    """A new database with the extension, the application's tables, and then these files; dropped at the end.

    `maintenance` is a superuser's URL of another database of the cluster.
    """
    suffix = secrets.token_hex(3)
    name, role = f"quota_ragflow_{os.getpid()}_{suffix}", f"ragflow_{suffix}"
    parts = urlsplit(maintenance)._replace(path=f"/{name}")
    owner, app = parts.geturl(), parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()
    psql(maintenance, "-c", f"CREATE ROLE {role} LOGIN")
    try:
        psql(maintenance, "-c", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        psql(owner, "-c", "SET client_min_messages = warning", "-c", "CREATE EXTENSION quota CASCADE",
             "-c", f"GRANT CREATE ON SCHEMA public TO {role}")  # fmt: skip
        psql(app, "-f", HERE / "schema.sql")
        place = Scratch(owner, app, role)
        place.run(*files)
        yield place
    finally:
        psql(maintenance, "-c", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", "-c", f"DROP ROLE {role}")

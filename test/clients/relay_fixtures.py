"""Fixtures of the tests of the relay; conftest.py makes them known."""

import os
import secrets

import psycopg
import pytest
from relay_kit import CATALOG, Database, Receiver, Relay


@pytest.fixture(scope="session")
def relay_template(maintenance_url):
    """(name of a database to copy, name of the role that relays)"""
    name, role = f"quota_relay_{os.getpid()}", f"qr_{secrets.token_hex(3)}"
    with psycopg.connect(maintenance_url, autocommit=True) as maintenance:
        maintenance.execute(f"CREATE ROLE {role} LOGIN")
        maintenance.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(maintenance_url, dbname=name, autocommit=True) as own:
            own.execute("CREATE EXTENSION quota CASCADE")
            own.execute("SELECT quota.apply_catalog(%s)", [CATALOG])
            own.execute("SELECT quota.subscribe('acme', 'pro')")
        yield name, role
        maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")
        maintenance.execute(f"DROP ROLE {role}")


@pytest.fixture
def database(maintenance_url, relay_template, tmp_path):
    """A database of the test's own; the relay's tables are there.  The events are those that the test makes."""
    template, role = relay_template
    name = f"{template}_{secrets.token_hex(3)}"
    with psycopg.connect(maintenance_url, autocommit=True) as maintenance:
        maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        database = Database(maintenance_url, name, role)
        database.execute("DELETE FROM quota_internal.event")
        done = Relay(database.relay, tmp_path).call("init", "--database", database.owner, "--grant", role)
        assert done.returncode == 0, done.stderr
        yield database
        database.connection.close()
        maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def receiver():
    receiver = Receiver().start()
    yield receiver
    receiver.stop()


@pytest.fixture
def relay_of(database, tmp_path):
    """Makes the relay over these sections of a configuration; what runs is ended."""
    made = []

    def make(*sections, **options):
        made.append(Relay(database.relay, tmp_path, *sections, **options))
        return made[-1]

    yield make
    for relay in made:
        relay.end()

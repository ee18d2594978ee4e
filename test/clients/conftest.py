"""Fixtures: a database with a catalog, directly and through PgBouncer, and every way to reach it from Python.

QUOTA_TEST_URL names the maintenance database of a private cluster as a superuser.  Without it the run fails: there
is nothing to skip to.  The packages of clients/ are used where they are, as the example application uses them.
"""

import asyncio
import inspect
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_CLIENT = ROOT / "clients" / "python"
sys.path.insert(0, str(PYTHON_CLIENT / "src"))
pytest_plugins = ["relay_fixtures"]
sys.dont_write_bytecode = True

import ways  # noqa: E402

CATALOG = {
    "features": {
        "tokens": {"kind": "metered", "unit": "token"},
        "documents": {"kind": "capacity"},
        "api": {"kind": "rate"},
        "mindmap": {"kind": "boolean"},
        "max_mb": {"kind": "static"},
    },
    "plans": {
        "free": {
            "default": True,
            "metadata": {"price": 0},
            "entitlements": {
                "tokens": {"allowance": 1000, "period": "month"},
                "documents": {"allowance": 5},
                "api": {"rate": {"limit": 2, "per": "1 hour"}},
                "max_mb": {"value": 1},
            },
        },
        "pro": {
            "title": "Pro",
            "entitlements": {
                "tokens": {"allowance": 100000, "period": "month"},
                "documents": {"allowance": None},
                "mindmap": {"value": True},
            },
        },
        "bare": {"entitlements": {"tokens": {"allowance": 10}}},
    },
    "actions": {"chat": {"charges": {"tokens": {"per_unit": {"input": 1, "output": 4}}}}},
}


@pytest.fixture(scope="session")
def maintenance_url():
    given = os.environ.get("QUOTA_TEST_URL")
    if not given:
        pytest.fail("QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database")
    return given


@pytest.fixture(scope="session")
def place(maintenance_url):
    """A database with the extension and CATALOG, as libpq's parameters for a superuser."""
    name = f"quota_clients_{os.getpid()}"
    with psycopg.connect(maintenance_url, autocommit=True) as cluster:
        cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cluster.execute(f"CREATE DATABASE {name}")
        place = {"host": cluster.info.host, "port": cluster.info.port, "user": cluster.info.user, "dbname": name}
    with psycopg.connect(**place) as connection:
        connection.execute("CREATE EXTENSION quota CASCADE")
        connection.execute("SELECT * FROM quota.apply_catalog(%s::jsonb)", [json.dumps(CATALOG)])
        connection.execute("CREATE TABLE paper (id bigint PRIMARY KEY, owner text NOT NULL)")
        connection.execute("SELECT quota.protect('paper', 'documents', 'r.owner')")
    yield place
    with psycopg.connect(maintenance_url, autocommit=True) as cluster:
        cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def bouncer(place, tmp_path_factory):
    """The same database through PgBouncer in transaction mode: a connection lasts no longer than a transaction."""
    folder = tmp_path_factory.mktemp("bouncer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{place['dbname']} = host={place['host']} port={place['port']} user={place['user']}\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = {port}\nunix_socket_dir = {folder}\n"
        "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
        f"logfile = {folder}/log\nignore_startup_parameters = extra_float_digits\n"
    )
    process = subprocess.Popen(["/usr/sbin/pgbouncer", "-q", str(config)])
    there = place | {"host": str(folder), "port": port}
    for _ in range(100):
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(**there).close()
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    yield there
    process.terminate()
    process.wait(20)


@pytest.fixture
def owner(place):
    """A superuser's connection in autocommit, for looking at what is stored."""
    with psycopg.connect(**place, autocommit=True) as connection:
        yield connection


@pytest.fixture
def subject(request):
    """A subject of the test's own."""
    return f"{re.sub('[^a-zA-Z0-9_]+', '-', request.node.name)[:80]}-{secrets.token_hex(3)}/me"


@pytest.fixture
def used(owner, subject):
    """(used, reserved) of a feature, as another session sees them."""

    def look(feature="tokens", whose=None):
        query = "SELECT used, reserved FROM quota.status(%s) WHERE feature = %s"
        return owner.execute(query, [whose or subject, feature]).fetchone()

    return look


@pytest.fixture(params=["direct", "bouncer"])
def where(request):
    """libpq's parameters of either place."""
    return request.getfixturevalue("place" if request.param == "direct" else "bouncer")


@pytest.fixture(params=ways.ALL, ids=lambda way: way.__name__)
def way(request, where, place):
    """One way to reach the database; open while the test runs."""
    return request.param(where, place)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests that are coroutines run in an event loop of their own, inside of which their way is open."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def whole():
        if "way" not in given:
            return await pyfuncitem.obj(**given)
        async with given["way"].open():
            return await pyfuncitem.obj(**given)

    asyncio.run(whole())
    return True

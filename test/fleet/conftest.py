"""Fixtures: a fleet of examples/fleet on servers of its own, which it makes with the initdb and pg_ctl on PATH."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "fleet"
sys.path.insert(0, str(ROOT / "clients" / "python" / "src"))

CATALOG = {
    "features": {"pages": {"kind": "metered"}, "seats": {"kind": "capacity"}, "api": {"kind": "rate"}, "export": {"kind": "boolean"}},
    "plans": {
        "free": {
            "default": True,
            "entitlements": {"pages": {"allowance": 100, "period": "month"}, "seats": {"allowance": 3}, "api": {"rate": {"limit": 60, "per": "1 minute"}}},
        },
        "pro": {"entitlements": {"pages": {"allowance": 1000000, "period": "month"}, "seats": {"allowance": 50}, "export": {"value": True}}},
    },
    "actions": {"parse": {"charges": {"pages": {"per_unit": {"sheets": 2}}}}, "print": {"charges": {"pages": {"per_unit": 3}}}},
}


class Fleet:
    """Where it is, and how to ask it."""

    def __init__(self, folder):
        self.folder = folder
        self.connections = []

    def servers(self, verb, *names):
        done = subprocess.run([EXAMPLE / "servers", verb, self.folder, *names], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def crash(self, name):
        subprocess.run(["pg_ctl", f"--pgdata={self.folder}/{name}/data", "--mode=immediate", "--wait", "stop"], check=True, stdout=subprocess.DEVNULL, timeout=60)

    def fleet(self, *arguments):
        return subprocess.run([EXAMPLE / "fleet", *arguments], capture_output=True, text=True, timeout=120)

    def where(self, name):
        return self.servers("where", name)

    def connect(self, name="router", user="postgres", **options):
        connection = psycopg.connect(self.where(name), user=user, autocommit=True, **options)
        self.connections.append(connection)
        return connection

    def close(self):
        while self.connections:
            self.connections.pop().close()

    def add_shard(self, name):
        done = self.fleet("add", self.where("router"), self.where(name))
        assert done.returncode == 0, done.stderr
        return int(done.stdout)


def one(connection, query, *arguments):
    """The first row; of one column its value."""
    row = connection.execute(query, arguments).fetchone()
    return row[0] if row is not None and len(row) == 1 else row


@pytest.fixture(scope="session")
def whole_fleet():
    folder = tempfile.mkdtemp(prefix="fleet", dir=os.environ.get("TMPDIR"))
    fleet = Fleet(folder)
    names = ["router", "s0", "s1", "s2"]
    try:
        fleet.servers("start", *names)
        done = fleet.fleet("init", fleet.where("router"), "2")
        assert done.returncode == 0, done.stderr
        for name in names:
            with fleet.connect(name) as connection:
                connection.execute("CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE nobody LOGIN")
        for number in (0, 1):
            assert fleet.add_shard(f"s{number}") == number
            with fleet.connect(f"s{number}") as connection:
                connection.execute("SELECT quota.grant_access('app', 'app'), quota.grant_access('reader', 'reader')")
        with fleet.connect() as router:
            assert one(router, "SELECT fleet.apply_catalog(%s)", Jsonb(CATALOG)) == 1
        yield fleet
    finally:
        fleet.close()
        fleet.servers("stop", *names)
        shutil.rmtree(folder)


@pytest.fixture
def fleet(whole_fleet):
    yield whole_fleet
    whole_fleet.close()


@pytest.fixture
def router(fleet):
    return fleet.connect()


@pytest.fixture
def tenant_on(router):
    """A new tenant's name, whose hash leads to a shard."""

    def find(shard):
        while True:
            name = "t" + uuid.uuid4().hex[:10]
            if one(router, "SELECT fleet.home(%s)", name) == shard:
                return name

    return find


@pytest.fixture(autouse=True)
def books(whole_fleet):
    """Whatever a test does, the books are right afterwards, and no tenant is in two places."""
    yield
    homes = []
    with whole_fleet.connect() as router:
        for (number,) in router.execute("SELECT number FROM fleet.shard").fetchall():
            with whole_fleet.connect(f"s{number}") as shard:
                assert shard.execute("SELECT * FROM quota.verify()").fetchall() == []
                subjects = shard.execute("SELECT DISTINCT fleet.tenant_of(subject) FROM quota.ledger").fetchall()
                homes += [(subject, number) for (subject,) in subjects]
        assert len({subject for subject, _ in homes}) == len(homes)
        assert [(s, n) for s, n in homes if one(router, "SELECT fleet.home(%s)", s) != n] == []

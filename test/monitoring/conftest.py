"""Fixtures: a database with some use in it, Debian's exporter over it, and a Prometheus that scrapes it,
all with the files of packaging/monitoring.

QUOTA_TEST_URL names the maintenance database of a private cluster as a superuser.  Without it the run
fails: there is nothing to skip to.
"""

import contextlib
import os
import secrets
import socket
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
import requests
import yaml

FILES = Path(__file__).resolve().parents[2] / "packaging" / "monitoring"

USE = """
CREATE EXTENSION quota CASCADE;
SELECT quota.apply_catalog('{
  "features": {"tokens": {"kind": "metered"}, "maps": {"kind": "boolean"}},
  "plans": {"free": {"default": true, "entitlements": {"tokens": {"allowance": 100, "period": "month"}}},
            "pro": {"entitlements": {"tokens": {"allowance": 1000, "period": "month"}}}}}');
SELECT quota.subscribe('acme', 'pro'), quota.subscribe('bolt', 'pro', trial => '3 days');
SELECT quota.debit('acme/ann', 'tokens', 7), quota.reserve('acme/ann', 'tokens', 5), quota.try_debit('zoe', 'tokens', 200),
       quota.try_debit('zoe', 'tokens', 300), quota.try_debit('zoe', 'maps'), quota.create_api_key('acme', 'one');
"""


SCHEMA_OF_RELAY = Path(__file__).resolve().parents[2] / "clients/python/src/quota_client/relay/schema.sql"
RELAY = """
INSERT INTO quota_relay.destination (name, kind, xid, event_id, system, sent, attempts)
    SELECT n, 'webhook', e.xid, e.id, 1, 3, 2 FROM quota.events e, unnest('{crm,ops}'::text[]) n ORDER BY e.xid, e.id LIMIT 2;
INSERT INTO quota_relay.dead_letter (destination, event_id, message_id, type, payload, attempts, error)
    VALUES ('crm', 1, 'evt_1', 'credited', '{}', 8, 'answered 422');
"""


def connect(url):
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


@pytest.fixture(scope="session")
def database():
    """(the database's superuser connection, what a login as `role` needs as a libpq string)"""
    given = os.environ.get("QUOTA_TEST_URL")
    if not given:
        pytest.fail("QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database")
    name, role = f"quota_monitoring_{os.getpid()}", f"qm_{secrets.token_hex(3)}"
    maintenance = connect(given)
    maintenance.cursor().execute(f"CREATE DATABASE {name}")
    own = psycopg2.connect(given, dbname=name)
    own.autocommit = True
    cursor = own.cursor()
    cursor.execute(USE)
    cursor.execute(f"CREATE ROLE {role} LOGIN")
    cursor.execute("SELECT quota.grant_access(%s, 'reader')", [role])
    cursor.execute(SCHEMA_OF_RELAY.read_text(encoding="utf-8") + RELAY)
    cursor.execute(f"GRANT USAGE ON SCHEMA quota_relay TO {role}; GRANT SELECT ON quota_relay.metrics TO {role}")
    cursor.execute("ANALYZE")
    there = own.get_dsn_parameters()
    yield cursor, f"host={there['host']} port={there['port']} dbname={name} user={role} sslmode=disable"
    own.close()
    maintenance.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    maintenance.cursor().execute(f"DROP ROLE {role}")
    maintenance.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, log, ready, **options):
    """A process that has answered at URL `ready`, ended afterwards."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        for _ in range(300):
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(ready, timeout=10).ok:
                    break
            time.sleep(0.1)
        else:
            pytest.fail(f"{command[0]} does not answer:\n{log.read_text()}")
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def exporter(database, tmp_path_factory):
    """host:port of the exporter, started as README.md says, as a role of level reader."""
    folder, address = tmp_path_factory.mktemp("exporter"), f"127.0.0.1:{free_port()}"
    queries, log = folder / "queries.yml", folder / "log"
    queries.write_text("".join((FILES / name).read_text(encoding="utf-8") for name in ("queries.yml", "queries-relay.yml")))
    command = [
        "prometheus-postgres-exporter",
        f"--web.listen-address={address}",
        f"--extend.query-path={queries}",
    ]
    environment = os.environ | {"DATA_SOURCE_NAME": database[1]}
    with running(command, log, f"http://{address}/metrics", env=environment):
        yield address


class Prometheus:
    """Its HTTP API."""

    def __init__(self, address):
        self.base = f"http://{address}/api/v1"

    def query(self, expression):
        """[(labels, value)] of an instant query; fails if Prometheus cannot evaluate it."""
        answer = requests.get(f"{self.base}/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def rules(self):
        groups = requests.get(f"{self.base}/rules", timeout=30).json()["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def wait_for_scrape(self, after):
        """Until the numbers are from after that time."""
        for _ in range(300):
            found = self.query("timestamp(quota_events_total)")
            if found and found[0][1] > after:
                return
            time.sleep(0.1)
        pytest.fail(f"Prometheus has scraped nothing: {requests.get(self.base + '/targets', timeout=30).text}")


@pytest.fixture(scope="session")
def prometheus(exporter, tmp_path_factory):
    """Prometheus with our configuration, but for the address and the pace."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((FILES / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FILES / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [exporter]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with running(command, folder / "log", f"http://{address}/-/ready"):
        yield Prometheus(address)

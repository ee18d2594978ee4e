"""Fixtures: a database of our own in a private cluster, set up by manage.py, and a real server over it.

QUOTA_TEST_URL names the maintenance database of that cluster as a superuser
(postgresql://postgres@127.0.0.1:5999/postgres).  Without it the run fails: there is nothing to skip to.
"""

import html
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "flask"
CLIENT = ROOT / "clients" / "python" / "src"
sys.path[:0] = [str(EXAMPLE), str(CLIENT)]
sys.dont_write_bytecode = True

from docapp import create_app, db  # noqa: E402
from docapp.callbacks import Callbacks  # noqa: E402
from sqlalchemy import text  # noqa: E402
from sqlalchemy.engine import make_url  # noqa: E402

PASSWORD = "correct horse battery"
pytest_plugins = ["chromium"]


def manage(environment, *command):
    """Run manage.py as the set-up scripts do; returns its standard output."""
    done = subprocess.run(
        ["/usr/bin/python3", str(EXAMPLE / "manage.py"), *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def environment():
    """The environment of the application, over a database made for this run and dropped after it."""
    given = os.environ.get("QUOTA_TEST_URL")
    if not given:
        pytest.fail("QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database")
    maintenance = make_url(given)
    if maintenance.drivername == "postgresql":
        maintenance = maintenance.set(drivername="postgresql+psycopg2")
    name, suffix = f"quota_example_{os.getpid()}", secrets.token_hex(3)
    app_role, admin_role, reader_role = (f"qf_{level}_{suffix}" for level in ("app", "admin", "reader"))
    cluster = db.engine(given, isolation_level="AUTOCOMMIT")
    with cluster.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))

    def url(role=None):
        there = maintenance.set(database=name)
        if role:
            there = there.set(username=role, password="p's w/@rd")
        return there.render_as_string(hide_password=False)

    yield os.environ | {
        "QUOTA_OWNER_URL": url(),
        "QUOTA_APP_URL": url(app_role),
        "QUOTA_ADMIN_URL": url(admin_role),
        "QUOTA_READER_URL": url(reader_role),
        "SECRET_KEY": secrets.token_hex(16),
        "CALLBACK_SECRET": secrets.token_hex(16),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with cluster.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"DROP ROLE IF EXISTS {app_role}, {admin_role}, {reader_role}, {app_role}_owner"))
    cluster.dispose()


@pytest.fixture(scope="session")
def ready(environment):
    """The environment, after `manage.py setup`, twice: the second run must find nothing to do."""
    manage(environment, "setup")
    manage(environment, "setup")
    return environment


@pytest.fixture(scope="session")
def seeded(ready):
    """The two accounts of `manage.py seed`: dicts with email, password, plan, note."""
    return json.loads(manage(ready, "seed"))["accounts"]


@pytest.fixture(scope="session")
def owner(ready):
    """A superuser's engine: for looking at what is stored."""
    engine = db.engine(ready["QUOTA_OWNER_URL"])
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def app_engine(ready):
    """The engine of role level app, as an application has it."""
    engine = db.engine(ready["QUOTA_APP_URL"])
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def app(ready):
    """The application in this process, for its services; the HTTP tests use the server instead."""
    from docapp import config

    application = create_app(config.from_environment(ready))
    yield application
    application.db.app.dispose()
    application.db.admin.dispose()
    application.db.reader.dispose()


@pytest.fixture(scope="session")
def server(ready, tmp_path_factory):
    """The base URL of `manage.py serve`, a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log_path = tmp_path_factory.mktemp("server") / "log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            ["/usr/bin/python3", str(EXAMPLE / "manage.py"), "serve", "--port", str(port)],
            env=ready,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            assert process.poll() is None, log_path.read_text()
            try:
                if requests.get(f"{base}/healthz", timeout=2).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        else:
            pytest.fail("the server did not come up:\n" + log_path.read_text())
        yield base
        assert " 500 " not in log_path.read_text(), log_path.read_text()
    finally:
        process.terminate()
        process.wait(10)


class Client:
    """A person with a browser's cookies, talking HTTP to the server."""

    def __init__(self, base):
        self.base = base
        self.http = requests.Session()
        self.email = None

    def csrf(self, path="/sign-in"):
        page = self.http.get(self.base + path).text
        return html.unescape(re.search(r'name="csrf-token" content="([^"]+)"', page).group(1))

    def get(self, path, **options):
        return self.http.get(self.base + path, timeout=60, **options)

    def post(self, path, data=None, key=None, headers=None, **options):
        headers = {"X-CSRF-Token": self.token} | ({"Idempotency-Key": key} if key else {}) | (headers or {})
        return self.http.post(self.base + path, data=data, headers=headers, timeout=60, **options)

    def delete(self, path):
        return self.http.delete(self.base + path, headers={"X-CSRF-Token": self.token}, timeout=60)

    def upload(self, name, content, key=None, **options):
        return self.post("/api/documents", files={"file": (name, content)}, key=key, **options)

    def me(self):
        return self.get("/api/user/me").json()

    def feature(self, name):
        return self.me()["quota"]["features"][name]

    def sign_up(self, name, **fields):
        self.email = f"{name[0].lower()}-{secrets.token_hex(4)}@example.org"
        form = {"name": name, "email": self.email, "password": PASSWORD, "csrf_token": self.csrf("/sign-up")}
        answer = self.http.post(self.base + "/sign-up", data=form | fields, timeout=60)
        if answer.ok:
            self.token = self.csrf("/documents")
        return answer

    def sign_in(self, email, password=PASSWORD):
        form = {"email": email, "password": password, "csrf_token": self.csrf()}
        answer = self.http.post(self.base + "/sign-in", data=form, timeout=60)
        if answer.ok:
            self.email, self.token = email, self.csrf("/documents")
        return answer


@pytest.fixture
def person(server):
    """A new account on the Free plan, signed in; call it again for another."""

    def make(name="Test", **fields):
        client = Client(server)
        answer = client.sign_up(name, **fields)
        assert answer.status_code == 200, answer.text
        return client

    return make


@pytest.fixture
def client(server):
    """Somebody who has not signed in."""
    return Client(server)


@pytest.fixture
def callback(ready, server):
    """Send a payment provider's callback; returns the response.  `tamper` changes the body after signing."""
    callbacks, created_at = Callbacks(ready["CALLBACK_SECRET"]), {}

    def send(workspace, plan, effective="now", event=None, tamper=lambda body: body, at=None, created=None):
        event = event or f"evt_{secrets.token_hex(8)}"
        # an event that is sent again was created when it was
        created = created_at.setdefault(event, created or datetime.now(timezone.utc).isoformat())
        asked = {"id": event, "workspace": workspace, "plan": plan, "effective": effective, "created": created}
        body = json.dumps(asked).encode()
        headers = {"X-Signature": callbacks.sign(body, at), "Content-Type": "application/json"}
        return requests.post(server + "/api/user/plan", data=tamper(body), headers=headers, timeout=60)

    return send


@pytest.fixture
def stored(owner):
    """Count the rows of an application table that belong to a workspace (by its slug)."""

    def count(slug):
        with owner.connect() as connection:
            return connection.execute(
                text(
                    "SELECT (SELECT count(*) FROM docapp.documents WHERE workspace_id = w.id),"
                    " (SELECT count(*) FROM docapp.chunks JOIN docapp.documents d ON d.id = document_id"
                    "   WHERE d.workspace_id = w.id),"
                    " (SELECT count(*) FROM docapp.answers a JOIN docapp.users u ON u.id = a.user_id"
                    "   WHERE u.workspace_id = w.id),"
                    " (SELECT count(*) FROM docapp.receipts r JOIN docapp.users u ON u.id = r.user_id"
                    "   WHERE u.workspace_id = w.id),"
                    " (SELECT count(*) FROM quota.ledger WHERE subject = w.slug OR subject LIKE w.slug || '/%')"
                    " FROM docapp.workspaces w WHERE slug = :slug"
                ),
                {"slug": slug},
            ).one()

    return count


def text_of(topic, paragraphs=6):
    """A small real text with headings, different for every topic."""
    parts = [f"# About {topic}\n"]
    for number in range(paragraphs):
        parts.append(
            f"## Part {number + 1} of {topic}\n\nThe {topic} number {number} explains how {topic} works."
            f" It says that a {topic} of size {number * 7 + 3} needs care. Nobody should change a {topic}"
            f" without reading part {number + 1} first.\n"
        )
    return "\n".join(parts).encode()

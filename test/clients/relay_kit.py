"""What the tests of the relay share: a database with events, a receiver that can misbehave, the command itself."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
from conftest import PYTHON_CLIENT
from quota_client.relay import new_secret, verify

CATALOG = """{"features": {"t": {"kind": "metered"}},
  "plans": {"pro": {"entitlements": {"t": {"allowance": 10, "period": "month"}}}}}"""


def wait_until(holds, what, seconds=60):
    """Until it holds; a busy machine takes its time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"after {seconds} s not yet: {what}"
        time.sleep(0.02)


class Database:
    """A database with the extension, a subject whose credits are events, and the relay's role."""

    def __init__(self, maintenance_url, name, role):
        self.role = role
        there = psycopg.conninfo.conninfo_to_dict(maintenance_url) | {"dbname": name}
        self.owner = psycopg.conninfo.make_conninfo(**there)
        self.relay = psycopg.conninfo.make_conninfo(**there | {"user": role})
        self.connection = self.connect()

    def connect(self):
        return psycopg.connect(self.owner, autocommit=True)

    def execute(self, statement, values=None):
        cursor = self.connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else None

    def value(self, statement, values=None):
        return self.execute(statement, values)[0][0]

    def credit(self, *amounts):
        """One event for each amount, each in a transaction of its own."""
        for amount in amounts:
            self.execute("SELECT quota.credit('acme', 't', %s)", [amount])

    def credit_at_once(self, first, last):
        self.execute("SELECT count(quota.credit('acme', 't', n)) FROM generate_series(%s::bigint, %s::bigint) n", [first, last])

    def destination(self, name):
        """Its row, or zeros while there is none."""
        columns = "sent, died, passed_over, attempts, retry_at, error"
        found = self.execute(f"SELECT {columns} FROM quota_relay.destination WHERE name = %s", [name])
        return dict(zip(columns.split(", "), found[0] if found else (0, 0, 0, 0, None, None)))

    def letters(self):
        return self.execute("SELECT (payload -> 'data' -> 'data' ->> 'amount')::int, attempts, error, resend_at, resent_at FROM quota_relay.dead_letter ORDER BY id")


class Receiver:
    """An HTTP server whose behaviour is a function of the amount in the message and of how often it came: a status,
    (status, headers), or a function that gets the handler and answers by itself."""

    def __init__(self):
        self.secret = new_secret()
        self.behave = lambda amount, times: 200
        self.asked = []  # the amount of every request, as it began
        self.taken = []  # amounts that were answered with 2xx, as they came
        self.came = []  # (amount, status, when, message id) of every request, as it was answered
        self.port = None
        self._server = None

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message_id = verify(receiver.secret, self.headers, body)
                amount = json.loads(body)["data"]["data"]["amount"]
                receiver.asked.append(amount)
                answer = receiver.behave(amount, receiver.asked.count(amount))
                if callable(answer):
                    receiver.came.append((amount, None, time.monotonic(), message_id))
                    return answer(self)
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                receiver.came.append((amount, status, time.monotonic(), message_id))
                if 200 <= status < 300:
                    receiver.taken.append(amount)
                self.answer(status, headers)

            def answer(self, status, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 50

            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], ConnectionError):  # a relay that was killed
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", self.port or 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def first_times(self):
        """The amounts that were taken, each once, in the order in which they first came."""
        return list(dict.fromkeys(self.taken))

    def section(self, name, **settings):
        return section("webhook", name, url=f"http://127.0.0.1:{self.port}/hook", secret=self.secret, **settings)


def section(kind, name, **settings):
    given = {"first_wait": 0.05, "longest_wait": 0.2, "rate": 10000, "start": "beginning"} | settings
    return f"[{kind} {name}]\n" + "".join(f"{key} = {value}\n" for key, value in given.items())


class Relay:
    """The command quota-relay over one configuration, in processes of its own."""

    def __init__(self, database, folder, *sections, poll=0.05):
        self.config = folder / "relay.conf"
        self.config.write_text(f"[relay]\ndatabase = {database}\npoll = {poll}\n" + "".join(sections))
        self.log = folder / "relay.log"
        self.processes = []

    def _command(self, *arguments):
        return [sys.executable, "-m", "quota_client.relay", "--config", str(self.config), *arguments]

    def call(self, *arguments):
        """Run it to its end; returns what it did."""
        return subprocess.run(self._command(*arguments), env=environment(), capture_output=True, text=True, timeout=120)

    def start(self):
        with open(self.log, "ab") as log:
            process = subprocess.Popen(self._command("run"), env=environment(), stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def said(self):
        return self.log.read_text()

    def end(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait(20)


def environment():
    return os.environ | {"PYTHONPATH": str(PYTHON_CLIENT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

#!/usr/bin/python3
"""A small receiver of quota-relay's webhooks: checks the signature, takes each event once, and shows what came.

    RELAY_SECRET=whsec_... receiver.py [--port 8090]

    POST /hook      an event; 204, also for one that came before; 401 for a signature that is wrong or stale
    GET /           the last events, as a page
    GET /state      {"taken", "repeated", "in_order", "first_at", "last_at"} as JSON

What came is in memory, which is right for a demo alone: a receiver that acts keeps the ids where it acts, in the same
transaction (docs/relay.md).
"""

import argparse
import html
import json
import os
import sys
import time
from collections import OrderedDict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))

from quota_client.relay import BadSignature, verify  # noqa: E402

LARGEST_BODY = 1_000_000
KEPT_IDS = 100_000

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Events</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1d2733 }}
table {{ border-collapse: collapse }}
td, th {{ border-bottom: 1px solid #d5dce4; padding: .3rem .8rem; text-align: left; vertical-align: top }}
td:first-child {{ white-space: nowrap }}
code {{ font-size: 13px; overflow-wrap: anywhere }}
</style>
<h1>What quota-relay has sent</h1>
<p>{taken} events, {repeated} of them repeated; the newest first.</p>
<table><tr><th>at</th><th>event</th><th>subject</th><th>feature</th><th>facts</th></tr>
{rows}</table></html>
"""


class Inbox:
    """What came."""

    def __init__(self):
        self._ids = OrderedDict()  # of the last events: what is repeated is noticed
        self.last = deque(maxlen=200)
        self.taken = self.repeated = self._newest = 0
        self.in_order = True
        self.first_at = self.last_at = None

    def take(self, message_id, event):
        if message_id in self._ids:
            self.repeated += 1
            return
        self._ids[message_id] = None
        if len(self._ids) > KEPT_IDS:
            self._ids.popitem(last=False)
        self.last_at = time.time()
        self.first_at = self.first_at or self.last_at
        self.taken += 1
        self.in_order = self.in_order and event["data"]["id"] > self._newest
        self._newest = event["data"]["id"]
        self.last.appendleft(event)

    def state(self):
        return {name: getattr(self, name) for name in ("taken", "repeated", "in_order", "first_at", "last_at")}

    def page(self):
        rows = []
        for event in list(self.last):
            data = event["data"]
            facts = ", ".join(f"{key}: {json.dumps(value)}" for key, value in data["data"].items() if value is not None)
            cells = (event["timestamp"][:19], event["type"], data["subject"], data["feature"] or "", facts)
            shown = [html.escape(str(cell)) for cell in cells]
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in shown[:-1]) + f"<td><code>{shown[-1]}</code></td></tr>")
        return PAGE.format(taken=self.taken, repeated=self.repeated, rows="\n".join(rows))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if self.path != "/hook" or not length.isdigit() or int(length) > LARGEST_BODY:
            self.close_connection = True
            return self._answer(404 if self.path != "/hook" else 413)
        body = self.rfile.read(int(length))
        try:
            message_id = verify(self.server.secret, self.headers, body)
            self.server.inbox.take(message_id, json.loads(body))
        except BadSignature as error:
            self.log_message("not believed: %s", error)
            return self._answer(401)
        self._answer(204)

    def do_GET(self):
        if self.path == "/":
            self._answer(200, self.server.inbox.page().encode(), "text/html; charset=utf-8")
        elif self.path == "/state":
            self._answer(200, json.dumps(self.server.inbox.state()).encode(), "application/json")
        else:
            self._answer(404)

    def _answer(self, status, body=b"", kind="text/plain"):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, secret):
        super().__init__(("127.0.0.1", port), Handler)
        self.secret, self.inbox = secret, Inbox()


def main():
    parser = argparse.ArgumentParser(description="shows what quota-relay sends")
    parser.add_argument("--port", type=int, default=8090)
    port = parser.parse_args().port
    secret = os.environ.get("RELAY_SECRET")
    if not secret:
        sys.exit("receiver.py: RELAY_SECRET is not set in the environment")
    server = Server(port, secret)
    print(f"receiving at http://127.0.0.1:{server.server_address[1]}/hook", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

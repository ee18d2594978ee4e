"""The paywall put in front of a running application, told step by step.

    /usr/bin/python3 walk.py postgresql://postgres@localhost/postgres

The URL is a superuser's; a database and a role are made and dropped again.  The application listens on a port of
its own, the ingress on another, and both are asked over HTTP.
"""

import http.client
import json
import logging
import sys
import threading
import uuid
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

from app.api import create_app
from app.with_peewee.models import DB
from ingress import Ingress
from scratch import scratch

PLANS = "https://example.org/plans"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(wsgi):
    """The port on which an application answers, in a thread of its own."""
    server = make_server("127.0.0.1", 0, wsgi, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Client:
    """A person at one of the two ports."""

    def __init__(self, port, tenant=""):
        self.port, self.tenant = port, tenant

    def post(self, path, body, content_type="application/json"):
        """(status, the answer)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": content_type, "Tenant": self.tenant}
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.status, json.loads(answer.read())
        connection.close()
        return said

    def upload(self, kb_id, names):
        mark = uuid.uuid4().hex
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="kb_id"\r\n\r\n{kb_id}\r\n']
        for name in names:
            parts.append(
                f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n{"x" * 1000}\r\n'
            )
        body = "".join(parts) + f"--{mark}--\r\n"
        return self.post("/v1/document/upload", body.encode(), f"multipart/form-data; boundary={mark}")


@contextmanager
def application(place):
    """The application over a database: (a client of it, a client of the ingress)."""
    logging.getLogger("app.api").setLevel(logging.CRITICAL)
    if not DB.deferred:
        DB.close_all()
    DB.init(place.app)
    try:
        with served(create_app()) as port, served(Ingress(f"http://127.0.0.1:{port}", PLANS)) as front:
            yield Client(port), Client(front)
    finally:
        DB.close_all()


def names(first, last):
    return [f"{n}.pdf" for n in range(first, last + 1)]


def walk(place, say):
    def mode(setting):
        """As a superuser would, then the application's connections are made anew."""
        place.all(f"ALTER ROLE {place.role} IN DATABASE {place.one('SELECT current_database()')} {setting}")
        DB.close_all()

    def held():
        return place.one("SELECT used FROM quota.check(%s, 'documents')", direct.tenant)

    with application(place) as (direct, front):
        _, answer = direct.post("/v1/user/register", {"nickname": "Ada", "email": "ada@example.org"})
        direct.tenant = front.tenant = answer["data"]["id"]
        _, answer = direct.post("/v1/kb/create", {"name": "Engines"})
        kb = answer["data"]["kb_id"]
        direct.upload(kb, names(1, 4))
        say("No paywall", "4 documents are stored")

        mode("SET quota.enforcement = 'observe'")
        place.run("paywall.sql")
        say("The paywall, observing", f"it has counted what was there: {held()} documents")
        status, answer = direct.upload(kb, names(5, 7))
        say("3 documents more, where 1 fits", f"HTTP {status}, code {answer['code']}: all are stored, {held()} are held")
        denials = place.all("SELECT feature, reason, times FROM quota.denials")
        say("What would have been refused", *(f"{times} × {reason} for {feature}" for feature, reason, times in denials))

        mode("RESET quota.enforcement")
        status, answer = direct.upload(kb, ["8.pdf"])
        say("The paywall, enforcing; what the application itself answers", f"HTTP {status}, code {answer['code']}", answer["message"])
        status, answer = front.upload(kb, ["8.pdf"])
        say("The same through ingress.py", f"HTTP {status}, code {answer['code']}", answer["message"])

        place.all("SELECT quota.subscribe(%s, 'pro')", direct.tenant)
        status, answer = front.upload(kb, ["8.pdf"])
        say("Upgraded to Pro", f"HTTP {status}, code {answer['code']}: stored, {held()} are held")

        front.post("/v1/kb/rm", {"kb_id": kb})
        say("The knowledge base is deleted, and its documents after it", f"{held()} are held")
        drifted = place.all("SELECT * FROM quota.recount('documents')")
        say("recount('documents') finds", f"{len(drifted)} tenants whose number is not that of their rows")


def main():
    def say(step, *lines):
        print(f"\n* {step}")
        for line in lines:
            print("    " + line.strip().replace("\n", "\n    "))

    with scratch(sys.argv[1]) as place:
        walk(place, say)


if __name__ == "__main__":
    main()

"""examples/relay/receiver.py: believes signatures, takes an event once, and shows it as text."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from conftest import ROOT
from quota_client.relay import new_secret, sign
from quota_client.relay.signature import key_of
from relay_kit import environment, section

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Running:
    def __init__(self, secret, base):
        self.secret, self.base = secret, base

    def get(self, path):
        with OPENER.open(self.base + path, timeout=20) as answer:
            return answer.read().decode()

    def post(self, body, message_id="evt_1", at=None, secret=None, path="/hook"):
        at = int(time.time() if at is None else at)
        signature = sign([key_of(secret or self.secret)], message_id, at, body)
        headers = {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signature}
        try:
            with OPENER.open(urllib.request.Request(self.base + path, body, headers), timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def shown():
    secret = new_secret()
    command = [sys.executable, str(ROOT / "examples/relay/receiver.py"), "--port", "0"]
    process = subprocess.Popen(command, env=environment() | {"RELAY_SECRET": secret}, stderr=subprocess.PIPE, text=True)
    yield Running(secret, process.stderr.readline().split()[-1].removesuffix("/hook"))
    process.terminate()
    process.wait(20)
    process.stderr.close()


def event(number, subject="acme"):
    told = {"id": number, "subject": subject, "feature": None, "actor": "app", "data": {"percent": 80, "spare": None}}
    return json.dumps({"type": "threshold_reached", "timestamp": "2026-03-10T12:00:00.000000Z", "data": told}).encode()


def test_an_event_is_taken_once(shown):
    assert [shown.post(event(1)), shown.post(event(1)), shown.post(event(2), "evt_2")] == [204, 204, 204]
    state = json.loads(shown.get("/state"))
    assert (state["taken"], state["repeated"], state["in_order"]) == (2, 1, True)


def test_it_believes_signatures_alone(shown):
    assert shown.post(event(1), secret=new_secret()) == 401
    assert shown.post(event(1), at=time.time() - 301) == 401
    assert shown.post(event(1), path="/") == 404
    assert json.loads(shown.get("/state"))["taken"] == 0


def test_what_came_is_text_on_its_page(shown):
    shown.post(event(1, "<script>alert(1)</script>"))
    page = shown.get("/")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "<script>" not in page
    assert "percent: 80" in page and "spare" not in page


def test_the_relay_sends_to_it(database, shown, relay_of):
    database.credit(1, 2, 3)
    relay = relay_of(section("webhook", "shown", url=shown.base + "/hook", secret=shown.secret))
    assert relay.call("run", "--once").returncode == 0
    state = json.loads(shown.get("/state"))
    assert (state["taken"], state["in_order"]) == (3, True)

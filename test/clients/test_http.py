"""Refusals as HTTP answers, in every framework."""

import json
import logging

import pytest
import sites
from quota_client import QuotaError, http
from quota_client.asgi import QuotaMiddleware
from test_calls import KEYS


@pytest.fixture(scope="module", params=sites.ALL, ids=lambda site: site.__name__)
def site(request, place):
    opened = request.param(place)
    yield opened
    opened.close()


@pytest.fixture
def denied(owner, subject):
    """What quota.denials has of the subject: {(feature, reason): times}."""

    def look():
        query = "SELECT feature, reason, times FROM quota.denials WHERE subject = %s"
        return {row[:2]: row[2] for row in owner.execute(query, [subject])}

    return look


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def test_a_refused_debit_is_a_402(site, subject, used, denied):
    status, _, text = site.post("/take/4", subject)
    assert (status, json.loads(text)) == (200, {"remaining": 1})
    status, headers, text = site.post("/take/2", subject)  # passes the look, refused by the debit
    body, headers = json.loads(text), lower(headers)
    assert status == 402 and set(body) == KEYS
    assert (body["code"], body["requested"], body["remaining"]) == ("quota_exceeded", 2, 1)
    assert headers["cache-control"] == "no-store" and headers["content-type"].startswith("application/json")
    assert "retry-after" not in headers  # waiting brings no room for documents
    assert used("documents") == (4, 0) and denied() == {("documents", "quota_exceeded"): 1}


def test_an_early_look_refuses_before_the_view(site, subject, used, denied):
    status, headers, text = site.post("/many", subject)
    assert status == 402 and json.loads(text)["requested"] == 9000
    assert used() == (0, 0) and denied() == {("tokens", "quota_exceeded"): 1}
    site.post("/take/5", subject)
    status, _, text = site.post("/take/1", subject)
    assert status == 402 and json.loads(text)["remaining"] == 0


def test_retry_after_where_waiting_helps(site, subject, owner):
    owner.execute("SELECT quota.subscribe(%s, 'pro')", [subject])
    owner.execute("SELECT * FROM quota.debit(%s, 'tokens', 95000)", [subject])
    status, headers, text = site.post("/many", subject)
    seconds = json.loads(text)["retry_after"]
    assert status == 402 and 0 < seconds <= 31 * 86400 and lower(headers)["retry-after"] == str(seconds)


def test_a_gate_refuses_without_any_call_of_ours(site, subject, used, denied):
    assert site.post("/paper/5", subject)[0] == 200
    status, _, text = site.post("/paper/1", subject)
    assert status == 402 and json.loads(text)["feature"] == "documents"
    assert used("documents") == (5, 0) and denied() == {("documents", "quota_exceeded"): 1}


def test_not_in_the_plan_is_a_403(site, subject, owner, denied):
    owner.execute("SELECT quota.override(%s, 'documents', NULL)", [subject])
    owner.execute("SELECT quota.subscribe(split_part(%s, '/', 1), 'bare')", [subject])
    status, _, text = site.post("/take/1", subject)
    assert status == 403 and json.loads(text)["code"] == "not_entitled"
    assert denied() == {("documents", "not_entitled"): 1}


def test_a_wrong_argument_is_a_400(site, subject, denied):
    status, _, text = site.post("/nothing", subject)
    assert status == 400 and set(json.loads(text)) == {"code", "message"} and denied() == {}
    assert json.loads(text)["code"] == "invalid_parameter_value"


def test_other_errors_stay_what_they_are(site, subject, denied):
    assert site.post("/broken", subject)[0] == 500 and denied() == {}


def test_a_browser_gets_a_page(site, subject):
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    status, headers, text = site.post("/take/9", subject, browser)
    assert (status, text) == (402, sites.PAGE) and lower(headers)["cache-control"] == "no-store"
    assert json.loads(site.post("/take/9", subject, "*/*")[2])["requested"] == 9


def test_noting_fails_no_answer(site, subject, owner, denied, caplog):
    with owner.transaction():
        owner.execute("LOCK TABLE quota_internal.denial IN ACCESS EXCLUSIVE MODE")
        with caplog.at_level(logging.WARNING):
            assert site.post("/take/9", subject)[0] == 402
    assert "a refusal was not noted" in caplog.text and denied() == {}


async def through_middleware(app, kind="http"):
    """What the middleware sends, and the error that comes out of it."""
    sent, error = [], None

    async def send(message):
        sent.append(message)

    try:
        await QuotaMiddleware(app)({"type": kind, "headers": []}, None, send)
    except QuotaError as refused:
        error = refused
    return sent, error


@pytest.mark.parametrize("begun, kind", [(False, "http"), (True, "http"), (False, "websocket")])
async def test_only_an_http_answer_that_has_not_begun_is_replaced(begun, kind):
    refusal = QuotaError.of("QT402", "no room", dict.fromkeys(KEYS) | {"code": "quota_exceeded", "retry_after": 7})

    async def app(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200})
        raise refusal

    sent, error = await through_middleware(app, kind)
    if begun or kind == "websocket":
        assert error is refusal and [message.get("status") for message in sent] == [200] * begun
    else:
        assert error is None and sent[0]["status"] == 402 and (b"retry-after", b"7") in sent[0]["headers"]
        assert json.loads(sent[1]["body"]) == refusal.body


@pytest.mark.parametrize(
    "accept, page",
    [("", False), ("*/*", False), ("text/html", True), ("application/json, text/html", False), ("text/html, application/json;q=0.1", True)],
)
def test_who_prefers_a_page(accept, page):
    assert http.prefers_page(accept) is page

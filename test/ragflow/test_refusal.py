"""What people see: the application's own answer, the ingress before it, the message from the database."""

import json
import subprocess

import pytest
from conftest import EXAMPLE, register
from ingress import KEYS, refusal_in, rewritten, sentence
from walk import PLANS, application, names

DETAIL = {
    "code": "quota_exceeded", "subject": "a", "feature": "documents", "requested": 1, "remaining": 0, "allowance": 5,
    "used": 5, "plan": "free", "blocked_by": "a", "resets_at": None, "retry_after": None,
}  # fmt: skip


@pytest.fixture
def clients(database):
    with application(database) as (direct, front):
        _, answer = direct.post("/v1/user/register", {"nickname": "Ada", "email": f"{id(direct)}@example.org"})
        direct.tenant = front.tenant = answer["data"]["id"]
        yield direct, front


@pytest.fixture
def full(clients):
    """A knowledge base with the five documents of the plan."""
    direct, _ = clients
    _, answer = direct.post("/v1/kb/create", {"name": "Engines"})
    direct.upload(answer["data"]["kb_id"], names(1, 5))
    return answer["data"]["kb_id"]


def test_what_the_application_answers(clients, full):
    direct, _ = clients
    status, answer = direct.upload(full, ["6.pdf"])
    assert (status, answer["code"], answer["data"]) == (200, 500, [])
    assert answer["message"].startswith('6.pdf: quota of "') and '"remaining": 0' in answer["message"]
    direct.post("/v1/kb/create", {"name": "Second"})
    status, answer = direct.post("/v1/kb/create", {"name": "Third"})
    assert (status, answer["code"]) == (200, 100)
    assert answer["message"].startswith("DatabaseError('quota of ")


def test_through_the_ingress(clients, full):
    _, front = clients
    status, answer = front.upload(full, ["6.pdf"])
    assert (status, answer["code"]) == (402, 500)
    assert answer["message"] == (
        f"Your plan includes 5 documents, and 5 are used. More: {PLANS}?feature=documents&amount=1"
    )
    assert answer["quota"]["subject"] == front.tenant and set(answer["quota"]) == KEYS
    front.post("/v1/kb/create", {"name": "Second"})
    status, answer = front.post("/v1/kb/create", {"name": "Third"})  # the text is a repr() here
    assert status == 402 and answer["quota"]["feature"] == "knowledge_bases"


def test_what_was_stored_before_the_refusal_is_in_the_answer(clients, full):
    direct, front = clients
    _, answer = direct.post("/v1/kb/create", {"name": "Second"})
    direct.post("/v1/kb/rm", {"kb_id": full})
    direct.upload(answer["data"]["kb_id"], names(1, 4))
    status, answer = front.upload(answer["data"]["kb_id"], names(5, 6))
    assert status == 402 and len(answer["data"]) == 1


def test_other_answers_pass(clients, full):
    _, front = clients
    assert front.post("/v1/document/rm", {"doc_id": "none"}) == clients[0].post("/v1/document/rm", {"doc_id": "none"})
    status, answer = front.post("/v1/kb/rm", {"kb_id": full})
    assert (status, answer) == (200, {"code": 0, "message": "success", "data": True})


@pytest.mark.parametrize(
    "message, found",
    [
        (f"x\nDETAIL:  {json.dumps(DETAIL)}\nHINT: y", True),
        (repr(ValueError(f"it's\nDETAIL:  {json.dumps(DETAIL)}")), True),
        (json.dumps(DETAIL | {"code": "other"}), False),
        (json.dumps({"code": "quota_exceeded"}), False),
        ('{"code": "quota_exceeded", "subject"', False),
        ("duplicate key value", False),
    ],
)
def test_refusals_are_found(message, found):
    assert refusal_in(message) == (DETAIL if found else None)


def test_a_document_named_like_a_refusal_is_none():
    """Only `message` of an answer is read, and what is no object is passed on."""
    assert rewritten(json.dumps({"message": "ok", "data": json.dumps(DETAIL)}).encode(), PLANS) is None
    assert rewritten(b"[]", PLANS) is None and rewritten(b"\xff", PLANS) is None


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"resets_at": "2026-12-01T00:00:00+00:00"}, "5 documents, and 5 are used until 2026-12-01. More: "),
        ({"code": "not_entitled"}, "Your plan does not include documents. More: "),
        ({"code": "subscription_inactive"}, "Your subscription is not active. More: "),
        ({"code": "rate_limited", "retry_after": 7}, "Too fast: try again in 7 seconds."),
    ],
)
def test_sentences(changed, said):
    assert said in sentence(DETAIL | changed, PLANS)
    status, headers, _ = rewritten(json.dumps({"message": json.dumps(DETAIL | changed)}).encode(), PLANS)
    assert ("Retry-After", "7") in headers or "rate_limited" not in changed.values()
    assert status[:3] == {"not_entitled": "403", "rate_limited": "429"}.get(changed.get("code"), "402")


@pytest.mark.parametrize("driver", ["peewee", "sqlalchemy"])
def test_a_message_from_the_database(bare, connected, driver):
    """message.sql: the text that a page shows as it is, and still QT402; the gate refuses what it lets through."""
    bare.run("paywall.sql")
    bare.run("message.sql", plans_url=PLANS)
    app = connected(bare, driver)
    kb = app.KnowledgebaseService.create(register(app), "Engines")
    stored, errors = app.FileService.upload_document(kb, [(f"{n}.pdf", b"x") for n in range(6)])
    assert len(stored) == 5
    assert f"Your plan Free includes 5 documents, and you have them all. Delete some, or choose a larger plan: {PLANS}" in errors[0]
    app.DocumentService.remove_document(stored[0])
    with pytest.raises(app.Refused) as raised:
        app.FileService.sync(kb, [{"id": f"s{n}", "name": "s", "size": 1} for n in range(2)])
    assert raised.value.orig.pgcode == "QT402" and "exceeded" in str(raised.value.orig)


def test_walk(maintenance):
    """The story that examples/ragflow/run tells."""
    done = subprocess.run(
        ["/usr/bin/python3", "-B", str(EXAMPLE / "walk.py"), maintenance],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    for line in (
        "it has counted what was there: 4 documents",
        "HTTP 200, code 0: all are stored, 7 are held",
        "2 × quota_exceeded for documents",
        "HTTP 200, code 500\n    8.pdf: quota of ",
        "HTTP 402, code 500\n    Your plan includes 5 documents, and 7 are used. More: https://",
        "stored, 8 are held",
        "0 are held",
        "0 tenants whose number",
    ):
        assert line in done.stdout, done.stdout

"""API keys: the page, what a key may do, and that what it does is charged to who made it."""

import re

import pytest
import requests
from conftest import text_of
from sqlalchemy import text
from test_walls import member_of

PAGE = {"Accept": "text/html"}


def make_key(person, name="ci", may="read", days="30"):
    page = person.post("/keys", {"name": name, "may": may, "days": days}, headers=PAGE)
    assert page.status_code == 201, page.text
    return re.search(r'id="secret" readonly value="(qk_[0-9]+_[0-9a-f]{64})"', page.text).group(1)


def asked(server, method, path, secret, **options):
    """A request of a program: a key, no cookie."""
    return requests.request(method, server + path, headers={"Authorization": f"Bearer {secret}"}, timeout=60, **options)


def test_a_program_works_with_a_key_and_its_maker_pays(person, server):
    ada = person("Ada")
    secret = make_key(ada, may="write")
    me = asked(server, "GET", "/api/user/me", secret).json()
    assert me["email"] == ada.email
    answer = asked(server, "POST", "/api/documents", secret, files={"file": ("a.md", text_of("axle"))})
    assert answer.status_code == 201, answer.text
    assert ada.feature("documents")["used"] == 1
    assert [d["id"] for d in ada.get("/api/documents").json()["documents"]] == [answer.json()["id"]]
    page = ada.get("/keys").text
    assert "never used" not in page and secret not in page


def test_a_wall_is_a_wall_for_a_program_too(person, server):
    secret = make_key(person("Ada"), may="write")
    for number in range(20):
        answer = asked(server, "POST", "/api/documents", secret, files={"file": (f"{number}.md", text_of(f"b{number}", 1))})
        if answer.status_code != 201:
            break
    assert answer.status_code == 402 and answer.json()["code"] == "quota_exceeded"


def test_a_key_that_reads_does_not_write(person, server):
    ada = person("Ada")
    secret = make_key(ada)
    assert asked(server, "GET", "/api/documents", secret).json() == {"documents": []}
    answer = asked(server, "POST", "/api/documents", secret, files={"file": ("a.md", text_of("axle"))})
    assert answer.status_code == 403 and answer.json()["code"] == "forbidden"
    assert ada.feature("documents")["used"] == 0


@pytest.mark.parametrize("secret", ["", "nonsense", "qk_1_" + "0" * 64, "x" * 5000, "qk_1_' OR true --"])
def test_a_key_that_is_none(server, secret):
    answer = asked(server, "GET", "/api/documents", secret)
    assert answer.status_code == 401
    assert answer.json() == {"code": "unauthenticated", "message": "This API key is not valid."} or not secret


def test_revoked_and_expired_keys_are_refused_alike(person, server, owner):
    ada = person("Ada")
    revoked, expired = make_key(ada, "old"), make_key(ada, "older")
    assert ada.post(f"/keys/{revoked.split('_')[1]}/revoke", headers=PAGE).url.endswith("/keys")
    with owner.begin() as connection:
        connection.execute(
            text("UPDATE quota_internal.api_key SET expires_at = now() WHERE id = :id"), {"id": expired.split("_")[1]}
        )
    answers = [asked(server, "GET", "/api/user/me", secret) for secret in (revoked, expired, revoked[:-1])]
    assert [a.status_code for a in answers] == [401, 401, 401]
    assert len({a.text for a in answers}) == 1
    page = ada.get("/keys").text
    assert "revoked " in page and "expired " in page and "Revoke<" not in page


def test_nobody_revokes_anothers_key(person, server):
    ada, eve = person("Ada"), person("Eve")
    secret = make_key(ada)
    assert eve.post(f"/keys/{secret.split('_')[1]}/revoke").status_code == 404
    assert asked(server, "GET", "/api/user/me", secret).status_code == 200


def test_a_member_who_leaves_takes_their_keys_along(person, callback, server, owner):
    boss = person("Boss")
    hand = member_of(boss, callback, server)
    secret = make_key(hand, may="write")
    assert asked(server, "GET", "/api/user/me", secret).json()["role"] == "member"
    assert boss.post(f"/members/{hand.me()['id']}/remove").ok
    assert asked(server, "GET", "/api/user/me", secret).status_code == 401
    with owner.connect() as connection:
        revoked = text("SELECT revoked_at IS NOT NULL FROM quota.api_keys WHERE id = :id")
        assert connection.execute(revoked, {"id": secret.split("_")[1]}).scalar_one()


def test_a_key_opens_the_api_and_no_page(person, server):
    secret = make_key(person("Ada"), may="write")
    for method, path in [("GET", "/documents"), ("GET", "/keys"), ("POST", "/keys"), ("POST", "/checkout")]:
        answer = asked(server, method, path, secret, allow_redirects=False)
        assert answer.status_code in (302, 401, 403), path


def test_a_session_gets_no_way_around_csrf(person, server):
    ada = person("Ada")
    for header in ("Bearer nonsense", "Basic eDp5", ""):
        answer = ada.http.post(server + "/api/documents", files={"file": ("a.md", text_of("axle"))}, headers={"Authorization": header})
        assert answer.status_code in (401, 403), header
    assert ada.feature("documents")["used"] == 0


@pytest.mark.parametrize("form", [{"name": ""}, {"name": "x" * 61}, {"may": "all"}, {"days": "9"}, {"days": "-1"}])
def test_a_bad_form_makes_no_key(person, form):
    ada = person("Ada")
    answer = ada.post("/keys", {"name": "ci", "may": "read", "days": "30"} | form)
    assert answer.status_code == 422
    assert "0 keys" in ada.get("/keys").text

"""The console: who gets in, what its pages say, and that looking can change nothing."""

import html
import re
import secrets

import pytest
from conftest import manage, text_of
from console import PASSWORD, Desk, eventually, make_operator, plain
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

PAGES = (
    "/console/",
    "/console/customers",
    "/console/use?subject=x",
    "/console/customer?subject=x",
    "/console/plans",
    "/console/plan?plan=free",
    "/console/catalog",
    "/console/invoices",
    "/console/events",
)


@pytest.fixture
def looker(app):
    return Desk(app, "reader")


@pytest.fixture
def actor(app):
    return Desk(app, "admin")


# -- who gets in


@pytest.mark.parametrize("path", PAGES)
def test_nobody_else_sees_a_page(person, client, path):
    answer = client.get(path, headers={"Accept": "text/html"}, allow_redirects=False)
    assert answer.status_code == 302 and "/console/sign-in?next=" in answer.headers["Location"]
    assert client.get(path).status_code == 401
    assert person("Ada").get(path).status_code == 401  # a customer is no operator


def test_signing_in_is_for_operators(app, person, client):
    email, customer = make_operator(app, "admin"), person("Ada")
    form = {"email": email, "password": PASSWORD, "next": "/console/?days=1"}
    assert client.http.post(client.base + "/console/sign-in", data=form).status_code == 403  # CSRF
    form["csrf_token"] = client.csrf("/console/sign-in")
    for wrong in ({"password": "wrong password"}, {"email": customer.email}):
        answer = client.http.post(client.base + "/console/sign-in", data=form | wrong)
        assert answer.status_code == 401 and "is wrong" in answer.text
    answer = client.http.post(client.base + "/console/sign-in", data=form)
    assert answer.url == client.base + "/console/?days=1" and "Who hits the wall" in answer.text
    # neither an operator with the customers' form, nor one without an account any more
    page = {"email": email, "password": PASSWORD, "csrf_token": client.csrf("/sign-in")}
    assert client.http.post(client.base + "/sign-in", data=page).status_code == 401


def test_an_operator_who_is_gone_is_out(app, looker, owner):
    assert looker.get("/console/").status_code == 200
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM docapp.operators WHERE email = :email"), {"email": looker.email})
    assert looker.get("/console/").status_code == 302


def test_operators_are_made_and_let_go_by_command(ready, app, client):
    email = f"op-{secrets.token_hex(4)}@example.org"

    def sign_in(password):
        form = {"email": email, "password": password, "csrf_token": client.csrf("/console/sign-in")}
        return client.http.post(client.base + "/console/sign-in", data=form)

    first = manage(ready, "operator", email.upper(), "Op", "reader").strip()
    assert "Op, looking" in plain(sign_in(first).text)
    second = manage(ready, "operator", email, "Op", "admin").strip()
    assert sign_in(first).status_code == 401 and "Op, looking" not in plain(sign_in(second).text)
    assert client.get("/console/", headers={"Accept": "text/html"}).url.endswith("/console/")
    manage(ready, "operator", email, "Op", "none")
    assert client.get("/console/", headers={"Accept": "text/html"}).url != client.base + "/console/"  # at once
    assert sign_in(second).status_code == 401


def test_guessing_an_operators_password_is_stopped(app, client):
    form = {"email": make_operator(app, "reader"), "password": "wrong", "csrf_token": client.csrf("/console/sign-in")}
    for _ in range(10):
        assert client.http.post(client.base + "/console/sign-in", data=form).status_code == 401
    answer = client.http.post(client.base + "/console/sign-in", data=form | {"password": PASSWORD})
    assert answer.status_code == 429 and "Too many wrong passwords" in answer.text


# -- the doors


@pytest.mark.parametrize(
    "door, statement",
    [
        ("app", "SELECT * FROM docapp.operators"),
        ("app", "SELECT * FROM docapp.operator_actions"),
        ("reader", "SELECT password_hash FROM docapp.users"),
        ("reader", "SELECT * FROM docapp.documents"),
        ("reader", "SELECT quota.change_plan('x', 'team')"),
        ("reader", "SELECT * FROM quota.debit('x', 'pages')"),
        ("admin", "SELECT * FROM docapp.users"),
        ("admin", "DELETE FROM docapp.operator_actions"),
        ("admin", "UPDATE docapp.operator_actions SET operator_id = 1"),
    ],
)
def test_each_door_opens_as_far_as_it_must(app, door, statement):
    with pytest.raises(DBAPIError) as caught, getattr(app.db, door).begin() as connection:
        connection.execute(text(statement))
    assert caught.value.orig.pgcode == "42501"


def test_looking_cannot_write(app, owner):
    with owner.begin() as connection:
        role = app.db.reader.url.username
        connection.execute(text(f'GRANT INSERT ON docapp.operators TO "{role}"'))
    try:
        with pytest.raises(DBAPIError) as caught, app.db.reader.begin() as connection:
            connection.execute(text("INSERT INTO docapp.operators (email, name, password_hash, level) VALUES ('', '', '', 'admin')"))
        assert caught.value.orig.pgcode == "25006"
    finally:
        with owner.begin() as connection:
            connection.execute(text(f'REVOKE INSERT ON docapp.operators FROM "{role}"'))


# -- walls


def test_walls_say_who_was_refused_and_what_helps(person, callback, looker):
    ada = person("Ada", workspace=f"Axles {secrets.token_hex(3)}")
    name, subject = ada.me()["workspace"]["name"], ada.me()["subject"]
    document = ada.upload("a.md", text_of("axle")).json()
    for _ in range(3):
        assert ada.post(f"/api/documents/{document['id']}/mindmap").status_code == 403
    told = f"{name} {subject} Mind maps : why is it refused? not in the plan 3 "
    eventually(lambda: told in looker.text("/console/", feature="mindmap"))
    page = looker.text("/console/", feature="mindmap")
    assert " Pro Team " in page[page.index(told) :][:200]
    assert name not in looker.text("/console/", feature="pages")
    # who has it by now needs no plan
    callback(ada.me()["workspace"]["slug"], "pro")
    row = looker.text("/console/", feature="mindmap")
    assert "allowed by now" in row[row.index(told) :][:200]


def test_a_plan_that_helps_gives_more_than_there_is(person, callback, owner, looker):
    ada = person("Ada")
    me = ada.me()
    with owner.begin() as connection:
        connection.execute(text("SELECT * FROM quota.try_debit(:s, 'llm_tokens', 8001)"), {"s": me["subject"]})

    def helps():
        rows = re.findall(r"<tr>.*?</tr>", looker.get("/console/", feature="llm_tokens").text, re.S)
        (row,) = [plain(row) for row in rows if me["subject"] in row]
        assert f"{me['subject']} AI tokens : why is it refused? no room 1 " in row
        return row.split(" UTC ")[1].split()

    assert helps() == ["Pro", "Team"]
    callback(me["workspace"]["slug"], "pro")
    assert helps() == ["Team"]  # not Free, which would allow a little, too
    callback(me["workspace"]["slug"], "team")
    assert helps() == ["allowed", "by", "now"]
    # what is a limit of her own below the plan's, no plan raises
    with owner.begin() as connection:
        connection.execute(text("SELECT quota.override(:s, 'llm_tokens', '{\"allowance\": 9000}')"), {"s": me["subject"]})
    assert helps() == ["allowed", "by", "now"]
    with owner.begin() as connection:
        connection.execute(text("SELECT quota.override(:s, 'llm_tokens', '{\"allowance\": 0}')"), {"s": me["subject"]})
    assert helps() == ["none", "on", "offer"]


def test_walls_say_who_is_near_a_limit_while_they_are(person, callback, looker):
    ben = person("Ben", workspace=f"Bolts {secrets.token_hex(3)}")
    me = ben.me()
    name = me["workspace"]["name"]
    for number in range(3):
        ben.upload(f"{number}.md", text_of(f"bolt{number}"))
    assert name not in looker.text("/console/")
    ben.upload("4.md", text_of("bolt4"))
    page = looker.text("/console/")
    assert f"{name} {me['workspace']['slug']} Documents 4 of 5 documents" in page
    callback(me["workspace"]["slug"], "pro")
    assert name not in looker.text("/console/")


def test_refusals_come_in_pages_and_odd_questions_are_answered(person, looker, monkeypatch):
    from docapp.console import walls

    for number in range(2):
        someone = person(f"Cog {number}")
        document = someone.upload("c.md", text_of("cog")).json()
        assert someone.post(f"/api/documents/{document['id']}/mindmap").status_code == 403
        eventually(lambda: someone.me()["subject"] in looker.text("/console/", feature="mindmap"))
    monkeypatch.setattr(walls, "ROWS", 1)
    first = looker.get("/console/", feature="mindmap")
    assert 'rel="next"' in first.text and 'rel="prev"' not in first.text
    second = looker.get("/console/", feature="mindmap", skip=1)
    assert 'rel="prev"' in second.text and plain(first.text) != plain(second.text)
    for odd in ({"days": "x"}, {"days": "-1"}, {"skip": "-5"}, {"skip": "99999999999"}, {"feature": "'; drop"}):
        assert looker.get("/console/", **odd).status_code == 200, odd


# -- customers and what they use


def test_customers_are_found_by_name_subject_and_address(person, looker):
    mark = secrets.token_hex(3)
    ada = person("Ada", workspace=f"Shaft 50%_{mark}")
    slug = ada.me()["workspace"]["slug"]
    for asked in (f"shaft 50%_{mark}", "SHAFT 50%_", slug, slug[:-2], ada.email, ada.email.upper()):
        assert slug in looker.text("/console/customers", q=asked), asked
    for asked in (f"shaft 50_%{mark}", ada.email[1:], "shaft 50%__", "nobody's"):
        assert "Nobody is found so." in looker.text("/console/customers", q=asked), asked
    assert looker.get("/console/customers", q="\x00\n", before="x").status_code == 200


def test_customers_come_in_pages(person, looker, monkeypatch):
    from docapp.console import use

    mark = secrets.token_hex(3)
    slugs = [person("Ada", workspace=f"{mark} {n}").me()["workspace"]["slug"] for n in range(3)]
    monkeypatch.setattr(use, "ROWS", 2)
    seen, page = [], looker.get("/console/customers")
    for _ in range(2):
        seen += [slug for slug in reversed(slugs) if slug in plain(page.text)]
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        page = looker.get(html.unescape(older.group(1)))
    assert seen == slugs[::-1]
    # what is asked for has no pages: one writes more of it
    found = looker.text("/console/customers", q=mark)
    assert [slug in found for slug in slugs] == [True, True, False] and "There are more: write more of the name." in found
    assert "There are more" not in looker.text("/console/customers", q=f"{mark} 1")


def test_use_is_shown_by_day_member_and_purpose(person, callback, server, looker):
    boss = person("Grace Hopper", workspace="Works")
    callback(boss.me()["workspace"]["slug"], "team")
    boss.upload("a.md", text_of("axle", 20))
    spent = boss.post("/api/answers", {"question": "How does the axle work?"}).json()["tokens"]
    slug, subject = boss.me()["workspace"]["slug"], boss.me()["subject"]
    page = looker.get("/console/use", subject=slug, feature="llm_tokens", days=7)
    assert f"{spent:,} tokens in 7 days" in page.text and page.text.count('class="column"') == 7
    assert page.text.count('class="taken"') == 7 and f": {spent:,} tokens</title>" in page.text
    by_member = looker.text("/console/use", subject=slug, feature="llm_tokens", by="child")
    assert f"Grace Hopper {spent:,} tokens 1" in by_member
    by_purpose = looker.text("/console/use", subject=slug, feature="llm_tokens", by="metadata.action")
    assert f"answer {spent:,} tokens 1" in by_purpose
    assert f"{spent:,} tokens in 30 days" in looker.text("/console/use", subject=subject, feature="llm_tokens")


def test_use_of_nobody_is_nothing_and_a_bad_subject_is_refused(looker):
    assert "0 tokens in 30 days" in looker.text("/console/use", subject="nobody", feature="llm_tokens")
    assert looker.get("/console/use", subject="nobody", feature="no-such", days="x", by="'").status_code == 200
    for bad in ("", "a//b", "/a", "a/", "x" * 256, "a\tb", "a\x00"):
        answer = looker.get("/console/use", subject=bad)
        assert answer.status_code == 400 and "That was not done" in answer.text, bad


def test_a_page_that_takes_too_long_is_stopped(looker, monkeypatch):
    from docapp.console import access
    from docapp.console.queries import walls

    monkeypatch.setattr(access, "PATIENCE", "100ms")
    monkeypatch.setattr(walls, "near", lambda connection: connection.execute(text("SELECT pg_sleep(5)")).all())
    answer = looker.get("/console/")
    assert answer.status_code == 503 and "took too long" in answer.text

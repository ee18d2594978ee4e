"""What customers see of their use, and what they can do about it: days, banner, trial, credits, download."""

import csv
import io
import json
import re
import secrets
from datetime import datetime, timedelta, timezone

import pytest
from conftest import text_of
from console import plain
from docapp import config
from docapp.callbacks import Callbacks
from sqlalchemy import text

PAGE = {"Accept": "text/html"}


@pytest.fixture
def spend(owner):
    """Debit a subject, as if it had asked so much."""

    def debit(subject, amount, feature="llm_tokens"):
        with owner.begin() as connection:
            connection.execute(text("SELECT * FROM quota.debit(:s, :f, :n)"), {"s": subject, "f": feature, "n": amount})

    return debit


def page(person, path):
    answer = person.get(path, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return plain(answer.text)


# -- days and banner


def test_usage_has_a_chart_of_days(person, spend):
    ada = person("Ada")
    spend(ada.me()["subject"], 1234)
    spend(ada.me()["workspace"]["slug"], 66)  # of somebody else in the workspace, which she owns
    shown = ada.get("/usage", headers=PAGE).text
    assert "1,300 tokens in 30 days · at most 1,300 tokens a day" in plain(shown)
    assert shown.count('class="column"') == 30 and f"{datetime.now(timezone.utc):%-d %B}: 1,300 tokens</title>" in shown
    assert "0 pages in 30 days" in page(ada, "/usage?feature=pages")
    assert "1,300 tokens in 30 days" in page(ada, "/usage?feature=documents")  # of what is held there is no day


def test_a_banner_tells_at_four_fifths_and_when_all_is_used(person, spend):
    ada = person("Ada")
    subject = ada.me()["subject"]
    spend(subject, 6399)
    assert 'class="notice near"' not in ada.get("/documents", headers=PAGE).text
    spend(subject, 1)
    for path in ("/documents", "/ask", "/usage", "/plans", "/history"):
        told = page(ada, path)
        assert "AI tokens: 80 % used, 1,600 tokens left; starts again" in told and "buy more tokens" in told, path
    spend(subject, 1600)
    assert "AI tokens: all 8,000 tokens used" in page(ada, "/documents")


# -- trial


def begin_trial(ada, **fields):
    return ada.post("/trial", {"plan": "pro"} | fields)


def test_a_trial_is_had_once_and_can_be_kept(person, callback, owner):
    ada = person("Ada")
    slug = ada.me()["workspace"]["slug"]
    assert "Try it for 14 days" in page(ada, "/plans")
    assert begin_trial(ada).status_code == 200
    plan = ada.me()["quota"]["plan"]
    ends = datetime.fromisoformat(plan["trial_ends_at"])
    assert (plan["name"], plan["status"]) == ("pro", "trialing")
    assert timedelta(days=13, hours=23) < ends - datetime.now(timezone.utc) <= timedelta(days=14)
    told = page(ada, "/plans")
    assert "Your trial of Pro ends" in told and "Keep Pro" in told and "Try it" not in told
    assert "Pro, trial" in page(ada, "/documents")
    assert begin_trial(ada).status_code == 409
    # paid for: it goes on, and the trial is over
    assert callback(slug, "pro").status_code == 200
    plan = ada.me()["quota"]["plan"]
    assert (plan["name"], plan["status"], plan["trial_ends_at"], plan["cancel_at"]) == ("pro", "active", None, None)
    # back on Free there is no second one
    callback(slug, "free")
    assert "Try it" not in page(ada, "/plans")
    answer = begin_trial(ada)
    assert answer.status_code == 409 and answer.json()["message"] == "You have had your trial."
    assert ada.me()["quota"]["plan"]["name"] == "free"


def test_another_plan_ends_the_trial_too(person, callback):
    ada = person("Ada")
    begin_trial(ada)
    callback(ada.me()["workspace"]["slug"], "team")
    plan = ada.me()["quota"]["plan"]
    assert (plan["name"], plan["status"], plan["cancel_at"]) == ("team", "active", None)


def test_a_trial_outlives_the_account_of_its_person(person, owner):
    ada = person("Ada")
    begin_trial(ada)
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM docapp.workspaces WHERE slug = :s"), {"s": ada.me()["workspace"]["slug"]})
    again = person("Ada", email=ada.email.upper())
    assert begin_trial(again).status_code == 409 and again.me()["quota"]["plan"]["name"] == "free"


def test_a_trial_that_cannot_be_takes_nothing(person, callback):
    ada = person("Ada")
    assert begin_trial(ada, plan="team").status_code == 404
    assert begin_trial(ada, plan="platinum").status_code == 404
    callback(ada.me()["workspace"]["slug"], "pro")
    assert begin_trial(ada).status_code == 409
    callback(ada.me()["workspace"]["slug"], "free")
    assert begin_trial(ada).status_code == 200  # the one refused was not counted


# -- credits


def pay(ada, callback_secret, **fields):
    body = json.dumps({"id": f"evt_{secrets.token_hex(8)}", "workspace": ada.me()["workspace"]["slug"], "top_up": "tokens-50k"} | fields).encode()
    headers = {"X-Signature": Callbacks(callback_secret).sign(body), "Content-Type": "application/json"}
    return ada.http.post(ada.base + "/api/user/plan", data=body, headers=headers)


def test_credits_are_bought_on_top_of_the_plan(person, spend):
    ada = person("Ada")
    spend(ada.me()["subject"], 8000)
    answer = ada.post("/top-up", {"top_up": "tokens-50k", "back": "/ask"}, headers=PAGE)
    assert answer.url == ada.base + "/ask" and "Done: 50,000 AI tokens more." in answer.text
    assert ada.feature("llm_tokens")["remaining"] == 50_000
    assert "AI tokens: 0 of 50,000 used" in page(ada, "/usage")
    assert "Credited 50,000 tokens of AI tokens: top-up" in page(ada, "/history")
    assert ada.post("/top-up", {"top_up": "gold"}).status_code == 404


def test_a_payment_for_credits_that_comes_twice_credits_once(person, ready):
    ada, secret = person("Ada"), ready["CALLBACK_SECRET"]
    event = f"evt_{secrets.token_hex(8)}"
    first, second = (pay(ada, secret, id=event) for _ in range(2))
    assert first.json() == second.json() and first.status_code == 200
    assert ada.feature("llm_tokens")["remaining"] == 58_000
    assert pay(ada, secret, id=event, top_up="tokens-250k").status_code == 409
    assert pay(ada, secret, top_up="gold").status_code == 404
    assert pay(ada, secret, workspace="nobody-0000").status_code == 404
    assert pay(ada, "not the secret at all").status_code == 401
    assert pay(ada, secret, plan="pro").status_code == 400  # one or the other
    assert ada.feature("llm_tokens")["remaining"] == 58_000


def test_a_member_buys_and_tries_nothing(person, callback, server):
    from test_walls import member_of

    boss = person("Boss", workspace="Works")
    hand = member_of(boss, callback, server)
    assert hand.post("/top-up", {"top_up": "tokens-50k"}).status_code == 403
    assert begin_trial(hand).status_code == 403
    assert "Buy" not in page(hand, "/usage")


def test_a_wall_of_tokens_offers_credits_and_leads_back(person, spend):
    ada = person("Ada")
    ada.upload("a.md", text_of("axle", 20))
    spend(ada.me()["subject"], ada.feature("llm_tokens")["remaining"])
    refused = ada.post("/api/answers", {"question": "How does the axle work?"}, headers=PAGE)
    assert refused.status_code == 402
    link = re.search(r'href="(/usage\?back=[^"]+)#credits"', refused.text).group(1)
    assert 'name="back" value="/ask?question=How' in ada.get(link, headers=PAGE).text


def test_packs_are_of_what_is_counted():
    features = config.catalog()["features"]
    assert all(features[pack["feature"]]["kind"] == "metered" for pack in config.TOP_UPS.values())


# -- download


def rows_of(person):
    answer = person.get("/history.csv")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_history_as_a_table_has_every_entry_once(person, callback, owner, app, monkeypatch):
    from docapp import export
    from docapp.models import User

    ada = person("Ada")
    slug = ada.me()["workspace"]["slug"]
    callback(slug, "pro")
    for number in range(5):
        ada.upload(f"{number}.md", text_of(f"gear{number}", 3))
    rows = rows_of(ada)
    with owner.connect() as connection:
        stored = connection.execute(
            text("SELECT at, feature, amount FROM quota.ledger WHERE subject LIKE :s || '/%' AND account = :s ORDER BY at DESC, id DESC"),
            {"s": slug},
        ).all()
    assert [(r["at"], r["feature"], int(r["amount"])) for r in rows] == [(s.at.isoformat(), s.feature, s.amount) for s in stored]
    assert {r["title"] for r in rows if r["action"] == "upload"} == {f"About gear{n}" for n in range(5)}
    # the same in blocks that cut moments in two
    with app.db.session.begin() as session:
        user = session.get(User, ada.me()["id"])
    for block in (1, 2, 3, 4, 7):
        monkeypatch.setattr(export, "BLOCK", block)
        with app.app_context():
            assert [(row.at.isoformat(), row.feature, row.amount) for row in export.entries(user)] == [
                (r["at"], r["feature"], int(r["amount"])) for r in rows
            ], block


def test_a_title_is_no_formula(person):
    ada = person("Ada")
    assert ada.upload("a.md", b"# =HYPERLINK(1)\n\nsome words").status_code == 201
    assert {r["title"] for r in rows_of(ada) if r["action"] == "upload"} == {"'=HYPERLINK(1)"}


def test_each_sees_their_own(person, callback, server, client):
    from test_walls import member_of

    boss = person("Boss", workspace="Works")
    hand = member_of(boss, callback, server)
    boss.upload("b.md", text_of("boss"))
    hand.upload("h.md", text_of("hand"))
    assert {r["subject"] for r in rows_of(hand)} == {hand.me()["subject"]}
    assert {r["subject"] for r in rows_of(boss)} == {hand.me()["subject"], boss.me()["subject"]}
    assert client.get("/history.csv").status_code == 401

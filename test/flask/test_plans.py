"""Plans: the callback and its signature, the two doors, the team, set-up and seed."""

import json
import re
import time

import pytest
from conftest import Client, manage, text_of
from docapp import config, db, seed
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError


def plan_of(person):
    return person.me()["quota"]["plan"]["name"]


def test_callback_is_believed_only_with_its_signature(person, callback):
    ann = person("Ann")
    workspace = ann.me()["workspace"]["slug"]
    assert callback(workspace, "pro", tamper=lambda b: b.replace(b'"pro"', b'"team"')).status_code == 401
    assert callback(workspace, "pro", at=time.time() - 301).status_code == 401
    unsigned = ann.http.post(ann.base + "/api/user/plan", json={})
    assert unsigned.status_code == 401
    assert callback("nobody-00000000", "pro").status_code == 404
    assert callback(workspace, "platinum").status_code == 404
    assert callback(workspace, "pro", effective="whenever").status_code == 400
    assert plan_of(ann) == "free"


def test_callback_twice_is_carried_out_once(person, callback):
    bea = person("Bea")
    workspace = bea.me()["workspace"]["slug"]
    assert callback(workspace, "pro", event=f"e1-{workspace}").json()["carried_out"] is True
    assert callback(workspace, "free", event=f"e2-{workspace}").json()["carried_out"] is True
    assert plan_of(bea) == "free"
    assert callback(workspace, "pro", event=f"e1-{workspace}").json()["carried_out"] is False
    assert plan_of(bea) == "free"  # the late duplicate of the first event changes nothing
    assert callback(workspace, "team", event=f"e1-{workspace}").status_code == 409


def test_what_was_used_stays_used_through_the_plans(person, callback):
    cyd = person("Cyd")
    workspace = cyd.me()["workspace"]["slug"]
    cyd.upload("c.md", text_of("crank"))
    used = {name: f["used"] for name, f in cyd.me()["quota"]["features"].items()}
    for plan in ("pro", "team", "free", "pro"):
        assert callback(workspace, plan).status_code == 200
        now = {name: f["used"] for name, f in cyd.me()["quota"]["features"].items()}
        assert plan_of(cyd) == plan
        assert now["documents"] == used["documents"] and now["storage_bytes"] == used["storage_bytes"]
    callback(workspace, "free", effective="period_end")
    me = cyd.me()["quota"]["plan"]
    assert me["name"] == "pro" and me["cancel_at"]
    assert callback(workspace, "pro").status_code == 200  # thought better of it
    assert cyd.me()["quota"]["plan"]["cancel_at"] is None


def test_a_paused_subscription_stops_everything_but_reading(person, callback, owner):
    cleo = person("Cleo")
    workspace = cleo.me()["workspace"]["slug"]
    callback(workspace, "pro")
    document = cleo.upload("c.md", text_of("clutch")).json()
    for status, expected in (("paused", 402), ("active", 201)):
        with owner.begin() as connection:
            connection.execute(text("SELECT quota.set_status(:w, :s)"), {"w": workspace, "s": status})
        answer = cleo.upload("d.md", text_of("damper"))
        assert answer.status_code == expected
        if expected == 402:
            assert answer.json()["code"] == "subscription_inactive" and answer.json()["remaining"] == 0
            assert "Retry-After" not in answer.headers
            page = cleo.post(f"/api/documents/{document['id']}/embed", headers={"Accept": "text/html"})
            assert page.status_code == 402 and "Your plan is not active" in page.text
            assert cleo.get(document["url"]).status_code == 200
            assert cleo.delete(f"/api/documents/{document['id']}").status_code == 200  # room comes back all the same


def test_demo_checkout_goes_the_same_way(person, owner):
    dot = person("Dot")
    assert dot.http.post(dot.base + "/checkout", data={"plan": "pro"}).status_code == 403  # CSRF
    answer = dot.post("/checkout", {"plan": "pro"})
    assert answer.status_code == 200 and answer.json()["carried_out"] is True
    assert plan_of(dot) == "pro"
    with owner.connect() as connection:
        assert connection.execute(
            text("SELECT plan FROM docapp.payment_events WHERE workspace = :w AND id LIKE 'demo-%'"),
            {"w": dot.me()["workspace"]["slug"]},
        ).scalars().all() == ["pro"]
    assert dot.post("/checkout", {"plan": "platinum"}).status_code == 404


def test_the_spending_door_cannot_change_plans(app_engine):
    for statement in (
        "SELECT quota.change_plan('x', 'team')",
        "SELECT quota.override('x', 'llm_tokens', NULL)",
        "SELECT * FROM quota.export_catalog()",
        "SELECT * FROM quota.ledger",
        "INSERT INTO docapp.payment_events (id, workspace, plan, effective) VALUES ('1', 'x', 'pro', 'now')",
        "ALTER TABLE docapp.documents ADD COLUMN x int",
        "DROP TABLE docapp.documents",
    ):
        with pytest.raises(ProgrammingError) as caught, app_engine.begin() as connection:
            connection.execute(text(statement))
        assert caught.value.orig.pgcode == "42501", statement


def test_the_plans_door_sees_no_documents(ready):
    engine = db.engine(ready["QUOTA_ADMIN_URL"])
    for statement in ("SELECT * FROM docapp.documents", "SELECT * FROM docapp.users"):
        with pytest.raises(ProgrammingError) as caught, engine.begin() as connection:
            connection.execute(text(statement))
        assert caught.value.orig.pgcode == "42501"
    engine.dispose()


def test_team_shares_one_budget_with_a_limit_for_each(person, callback, server):
    boss = person("Boss", workspace="Works")
    workspace = boss.me()["workspace"]["slug"]
    assert boss.post("/members/invite").status_code == 402  # Free has one seat
    callback(workspace, "team")
    link = boss.post("/members/invite").json()["invitation"]
    token = re.search(r"invitation=(.+)$", link).group(1)

    hand = Client(server)
    assert hand.sign_up("Hand", invitation=token + "x").status_code == 422
    assert hand.sign_up("Hand", invitation=token).status_code == 200
    me = hand.me()
    assert me["workspace"]["slug"] == workspace and me["role"] == "member"
    assert me["quota"]["plan"]["name"] == "team" and boss.feature("seats")["used"] == 2
    for path, data in (("/members/invite", {}), ("/checkout", {"plan": "free"})):
        assert hand.post(path, data).status_code == 403

    # one budget: what the hand uploads counts for the boss, and the boss may delete it
    document = hand.upload("h.md", text_of("hoist", 30)).json()
    assert boss.feature("documents")["used"] == 1
    assert boss.post("/api/answers", data={"question": "How does the hoist work?"}).status_code == 201

    # a limit of one's own below it
    spent = hand.post("/api/answers", data={"question": "How does the hoist work?"}).json()["tokens"]
    assert boss.post(f"/members/{me['id']}/limit", {"tokens": str(2 * spent + 10)}).status_code == 200
    # what the month had counts: it takes the place of the limit that the plan gives each member
    same = {"question": "How does the hoist work?"}
    assert hand.post("/api/answers", data=same).json()["tokens"] == spent
    refused = hand.post("/api/answers", data=same)
    assert refused.status_code == 402
    assert refused.json()["blocked_by"] == me["subject"] == refused.json()["subject"]
    assert boss.post("/api/answers", data={"question": "How does the hoist work?"}).status_code == 201
    assert boss.post(f"/members/{me['id']}/limit", {"tokens": ""}).status_code == 200
    again = hand.post("/api/answers", data={"question": "How does the hoist number 2 work?"})
    assert again.status_code == 201

    # the owner sees everybody's history, a member their own
    assert {e["subject"] for e in boss.get("/api/history").json()["entries"]} > {me["subject"]}
    assert {e["subject"] for e in hand.get("/api/history").json()["entries"]} == {me["subject"]}

    # leaving gives the seat back; the documents stay, and so does the way their room comes back
    assert boss.post(f"/members/{me['id']}/remove").status_code == 200
    assert hand.get("/api/user/me").status_code == 401
    assert boss.feature("seats")["used"] == 1
    assert boss.delete(f"/api/documents/{document['id']}").status_code == 200
    assert boss.feature("documents")["used"] == 0 and boss.feature("storage_bytes")["used"] == 0
    assert boss.post(f"/members/{boss.me()['id']}/remove").status_code == 404


def test_seed_makes_accounts_with_a_past_and_is_idempotent(ready, seeded, server, owner):
    first = seeded
    with owner.connect() as connection:
        entries = connection.execute(text("SELECT count(*), max(id) FROM quota.ledger")).one()
    second = json.loads(manage(ready, "seed"))["accounts"]
    assert first == second and [a["plan"] for a in first] == ["pro", "free", "team", "team", "team"]

    roomy, close = Client(server), Client(server)
    assert roomy.sign_in(first[0]["email"], first[0]["password"]).status_code == 200
    assert close.sign_in(first[1]["email"], first[1]["password"]).status_code == 200
    documents = roomy.get("/api/documents").json()["documents"]
    assert {"pdf", "html"} <= {d["kind"] for d in documents}
    assert len(documents) == len(seed.ROOMY_PAGES) + 1
    assert any(d["mindmap"] for d in documents)
    assert roomy.feature("documents")["used"] == len(documents)
    assert close.feature("documents")["remaining"] == 1
    assert close.feature("llm_tokens")["used"] >= 0.8 * 8000
    assert close.upload("one.md", text_of("one")).status_code == 201
    assert close.upload("two.md", text_of("two")).status_code == 402
    # everything that is there was paid for, when it says it was stored
    assert sum(d["size_bytes"] for d in documents) == roomy.feature("storage_bytes")["used"]
    with owner.connect() as connection:
        paid, months = connection.execute(
            text(
                "SELECT sum(amount) FILTER (WHERE feature = 'pages'), count(DISTINCT date_trunc('month', at))"
                " FROM quota.ledger WHERE subject = account AND subject LIKE 'analytical-engines-%'"
            )
        ).one()
        astray = connection.execute(
            text(
                "SELECT d.title FROM docapp.documents d WHERE NOT EXISTS (SELECT FROM quota.ledger l"
                " WHERE l.subject = d.subject AND l.feature = 'documents' AND abs(extract(epoch FROM l.at - d.created_at)) < 60)"
            )
        ).all()
        assert connection.execute(text("SELECT count(*), max(id) FROM quota.ledger")).one() > entries
        assert connection.execute(text("SELECT * FROM quota.verify()")).all() == []
    assert paid is None or paid == sum(d["pages"] for d in documents)
    assert months >= 3 and astray == []

    # the team's page: the owner sees what each member has used this month, by the ledger
    cleo = Client(server)
    assert cleo.sign_in(first[2]["email"], first[2]["password"]).status_code == 200
    since = cleo.feature("llm_tokens")["period_start"]
    with owner.connect() as connection:
        used = connection.execute(
            text(
                "SELECT sum(amount) FROM quota.ledger WHERE feature = 'llm_tokens' AND account LIKE 'marsh-partners-%'"
                " AND account NOT LIKE '%/%' AND subject LIKE '%/eve-lindt-%' AND at >= :since"
            ),
            {"since": since},
        ).scalar_one()
    page = cleo.get("/team", headers={"Accept": "text/html"}).text
    assert used > 0 and f"{used:,} of 1,000,000 tokens" in page


def test_settings_are_demanded(ready):
    for name in ("QUOTA_APP_URL", "SECRET_KEY", "CALLBACK_SECRET"):
        with pytest.raises(config.Unset, match=name):
            config.from_environment({k: v for k, v in ready.items() if k != name})
    with pytest.raises(config.Unset, match="16 characters"):
        config.from_environment(ready | {"SECRET_KEY": "short"})


def test_cookies_are_secure_by_default(app):
    assert app.config["SESSION_COOKIE_SECURE"] is True
    answer = app.test_client().get("/sign-in", base_url="https://folio.example")
    assert "Secure" in answer.headers["Set-Cookie"]

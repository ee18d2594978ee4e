"""The way up to a wall and back: deep links, the largest upload, limits of one's own, smaller plans, History's pages."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Client, text_of
from sqlalchemy import text

PAGE = {"Accept": "text/html"}


def member_of(boss, callback, server, name="Hand"):
    """Somebody in the boss's workspace, which is put on Team."""
    callback(boss.me()["workspace"]["slug"], "team")
    link = boss.post("/members/invite").json()["invitation"]
    hand = Client(server)
    assert hand.sign_up(name, invitation=re.search(r"invitation=(.+)$", link).group(1)).status_code == 200
    return hand


def plans_link(page):
    """Where the link to the plan Pro on a refusal's page leads back to."""
    link = re.search(r'href="(/plans\?back=[^"]+)#plan-pro"', page.text).group(1)
    return parse_qs(urlsplit(html.unescape(link)).query)["back"][0]


# -- deep links


def test_a_deep_link_survives_sign_in(person, client):
    ada = person("Ada")
    stored = ada.upload("a.md", text_of("axle")).json()
    path = f"/documents/{stored['id']}?from=0"
    answer = client.get(path, headers=PAGE)
    assert urlsplit(answer.url).path == "/sign-in"
    assert parse_qs(urlsplit(answer.url).query)["next"] == [path]
    assert f'name="next" value="{path}"' in answer.text
    form = {"email": ada.email, "password": "correct horse battery", "csrf_token": client.csrf(), "next": path}
    answer = client.http.post(client.base + "/sign-in", data=form, headers=PAGE)
    assert answer.url == client.base + path and "axle" in answer.text


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb", "x", "/" * 1200]
)
def test_sign_in_leads_nowhere_else(person, client, elsewhere):
    ada = person("Ada")
    form = {"email": ada.email, "password": "correct horse battery", "csrf_token": client.csrf(), "next": elsewhere}
    answer = client.http.post(client.base + "/sign-in", data=form, headers=PAGE, allow_redirects=False)
    assert answer.status_code == 303 and answer.headers["Location"] == "/documents"


# -- the largest upload


def test_an_upload_that_is_too_large_names_the_plan_that_takes_it(person, stored):
    ada = person("Ada")
    big = b"# Big\n\n" + b"word " * 240_000  # 1.2 MB; Free takes 1 MB, Pro 10
    answer = ada.upload("big.md", big)
    body = answer.json()
    assert answer.status_code == 413 and body["code"] == "upload_too_large"
    assert (body["feature"], body["requested"], body["allowance"]) == ("max_upload_mb", 2, 1)
    offers = ada.get(f"/api/offers?feature=max_upload_mb&amount={body['requested']}").json()
    assert [(o["plan"], o["allowance"]) for o in offers["offers"]] == [("pro", 10), ("team", 50)]
    assert ada.get("/api/offers?feature=max_upload_mb&amount=51").json()["offers"] == []

    page = ada.upload("big.md", big, headers=PAGE | {"Referer": ada.base + "/documents?q=x"})
    assert page.status_code == 413 and "too large for your plan" in page.text
    assert plans_link(page) == "/documents?q=x"
    assert stored(ada.me()["workspace"]["slug"])[0] == 0


# -- up and back again


def test_after_an_upgrade_one_is_led_back(person, callback):
    ada = person("Ada")
    ada.upload("a.md", text_of("axle", 40))
    question, asked = "How does the axle work?", 0
    while (refused := ada.post("/api/answers", {"question": question}, headers=PAGE)).status_code != 402:
        asked += 1
        assert asked < 50
    back = plans_link(refused)
    assert urlsplit(back).path == "/ask" and parse_qs(urlsplit(back).query)["question"] == [question]
    plans = ada.get("/plans", params={"back": back}, headers=PAGE).text
    assert plans.count('name="back"') == 3  # Pro, its trial, and Team
    answer = ada.post("/checkout", {"plan": "pro", "back": back}, headers=PAGE)
    assert answer.url.startswith(ada.base + "/ask?question=")
    assert "your plan is Pro now" in answer.text and f">{question}</textarea>" in answer.text
    assert "your plan is Pro now" not in ada.get("/ask", headers=PAGE).text  # said once
    answer = ada.post("/checkout", {"plan": "team", "back": "//evil.example"}, headers=PAGE)
    assert urlsplit(answer.url).path == "/plans" and "your plan is Team now" in answer.text


# -- smaller plans


def test_a_smaller_plan_says_what_will_be_over_and_shows_it(person, callback):
    ada = person("Ada")
    slug = ada.me()["workspace"]["slug"]
    assert "Less than you have now" not in ada.get("/plans", headers=PAGE).text
    callback(slug, "pro")
    for number in range(7):
        assert ada.upload(f"{number}.md", text_of(f"gear{number}")).status_code == 201
    page = ada.get("/plans", headers=PAGE).text
    assert "Documents: you have 7 documents, Free has room for 5 documents." in page
    assert "Mind maps: not in Free." in page and "Largest upload: 1 MB in place of 10 MB." in page
    assert "class=\"notice over\"" not in page

    ada.post("/checkout", {"plan": "free"}, headers=PAGE)
    page = ada.get("/usage", headers=PAGE).text
    assert "class=\"notice over\"" in page and "Documents: 7 of 5 documents" in page
    assert re.search(r'class="meter full" data-feature="documents"', page)
    refused = ada.upload("more.md", text_of("more"))
    assert refused.status_code == 402
    for document in ada.get("/api/documents").json()["documents"][:3]:
        assert ada.delete(f"/api/documents/{document['id']}").status_code == 200
    assert "class=\"notice over\"" not in ada.get("/usage", headers=PAGE).text
    assert ada.upload("more.md", text_of("more")).status_code == 201


# -- limits of one's own


def test_a_member_at_her_own_limit_is_told_who_can_raise_it(person, callback, server):
    boss = person("Grace Hopper", workspace="Works")
    hand = member_of(boss, callback, server)
    hand.upload("h.md", text_of("hoist", 30))
    member = hand.me()["id"]
    assert boss.post(f"/members/{member}/limit", {"tokens": "10"}).status_code == 200
    question = {"question": "How does the hoist work?"}
    refused = hand.post("/api/answers", question)
    assert refused.status_code == 402 and refused.json()["blocked_by"] == hand.me()["subject"]
    page = hand.post("/api/answers", question, headers=PAGE).text.split("<dialog")[0]
    assert "Grace Hopper, who owns the workspace, can raise it." in page
    assert "Plans that allow this" not in page and "Compare plans" not in page
    assert hand.get("/api/offers?feature=llm_tokens").json()["owner"] == "Grace Hopper"
    # the owner with a limit of her own can raise it herself
    assert boss.post(f"/members/{boss.me()['id']}/limit", {"tokens": "10"}).status_code == 200
    assert "You can raise it on the page" in boss.post("/api/answers", question, headers=PAGE).text


def test_team_shows_each_members_limit_and_use(person, callback, server, owner):
    boss = person("Boss", workspace="Works")
    hand = member_of(boss, callback, server)
    hand.upload("h.md", text_of("hoist", 30))
    spent = hand.post("/api/answers", data={"question": "How does the hoist work?"}).json()["tokens"]
    boss.post("/api/answers", data={"question": "How does the hoist number 2 work?"})
    member = hand.me()["id"]

    def shown():
        page = boss.get("/team", headers=PAGE).text
        block = page[page.index(f'data-member="{member}"') :]
        return re.sub(r"\s+", " ", block[: block.index("</form>")])

    assert f"{spent:,} of 1,000,000 tokens" in shown() and "the plan’s limit for each member" in shown()
    assert boss.post(f"/members/{member}/limit", {"tokens": "9000"}).status_code == 200
    assert f"{spent:,} of 9,000 tokens" in shown() and 'value="9000"' in shown() and "their own limit" in shown()
    again = hand.post("/api/answers", data={"question": "How does the hoist number 3 work?"}).json()["tokens"]
    assert f"{spent + again:,} of 9,000 tokens" in shown()
    # what the page says is what quota was told, also when it refuses
    assert boss.post(f"/members/{member}/limit", {"tokens": "x"}).status_code == 422
    assert 'value="9000"' in shown()
    assert boss.post(f"/members/{member}/limit", {"tokens": ""}).status_code == 200
    assert f"{spent + again:,} of 1,000,000 tokens" in shown() and "the plan’s limit for each member" in shown()


# -- History


def test_history_has_every_action_once_and_whole(person, callback, monkeypatch, app):
    from docapp import pages
    from docapp.models import User

    ada = person("Ada")
    callback(ada.me()["workspace"]["slug"], "pro")
    stored = [ada.upload(f"{n}.md", text_of(f"gear{n}", 4)).json() for n in range(6)]
    answers = [ada.post("/api/answers", {"question": f"How does gear{n} work?"}).json()["tokens"] for n in range(6)]
    monkeypatch.setattr(pages, "HISTORY_ROWS", 5)
    with app.db.session.begin() as session:
        user = session.get(User, ada.me()["id"])
    seen, before, turns = [], None, 0
    while turns == 0 or before is not None:
        with app.db.app.connect() as connection:
            actions, before = pages.page_of_actions(connection, user, before)
        seen += sorted(actions, key=lambda action: action["at"], reverse=True)
        turns += 1
        assert turns < 60
    assert turns > 3
    asked = [a["charges"]["llm_tokens"] for a in seen if a["why"].get("action") == "answer"]
    assert asked == answers[::-1]
    uploads = [a["charges"] for a in seen if a["why"].get("action") == "upload"]
    assert [u["storage_bytes"] for u in uploads] == [d["size_bytes"] for d in stored][::-1]
    assert all(u["documents"] == 1 and u["pages"] == d["pages"] for u, d in zip(uploads, stored[::-1]))
    assert len(seen) == len({(a["at"], str(a["why"])) for a in seen})


def test_history_leads_to_what_is_older(seeded, server):
    ada = Client(server)
    ada.sign_in(seeded[0]["email"], seeded[0]["password"])
    page, pages = ada.get("/history", headers=PAGE).text, 1
    while link := re.search(r'rel="next" href="([^"]+)"', page):
        page, pages = ada.get(link.group(1).replace("&amp;", "&"), headers=PAGE).text, pages + 1
        assert pages < 20
    assert "This is where it begins." in page and "Subscribed to Pro" in page and "Joined:" in page
    for bad in ("x", "2026-01-01", "2026-01-01T00:00"):
        assert ada.get(f"/history?before={bad}", headers=PAGE).status_code == 400


def test_maintain_runs(ready, owner):
    from conftest import manage

    manage(ready, "maintain")
    with owner.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM quota.usage('nobody', 'pages', now() - interval '1 day')")).one()

"""Plans at the console: their versions, the catalog's editor, and moving subscribers."""

import copy
import json
import re
import secrets

import pytest
from console import Desk, plain
from docapp import config
from sqlalchemy import text


@pytest.fixture
def looker(app):
    return Desk(app, "reader")


@pytest.fixture
def actor(app):
    return Desk(app, "admin")


@pytest.fixture
def restored(owner):
    """The catalog as the application brings it, again afterwards."""
    yield
    with owner.begin() as connection:
        apply(connection, config.catalog())


def apply(connection, catalog):
    connection.execute(text("SELECT count(*) FROM quota.apply_catalog(CAST(:c AS jsonb))"), {"c": json.dumps(catalog)})


def exported(owner):
    with owner.connect() as connection:
        return connection.execute(text("SELECT quota.export_catalog()")).scalar_one()


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page).group(1)


class Editor:
    """The editor in an operator's hands."""

    def __init__(self, desk):
        self.desk, self.stamp = desk, hidden(desk.get("/console/catalog").text, "stamp")

    def check(self, draft, since=""):
        draft = draft if isinstance(draft, str) else json.dumps(draft)
        form = {"catalog": draft, "stamp": self.stamp, "since": since}
        return self.desk.post("/console/catalog/check", form)

    def apply(self, draft, **fields):
        """Check, then apply what was checked, with other fields in place of the page's."""
        page = self.check(draft)
        assert page.status_code == 200, plain(page.text)
        form = {"catalog": json.dumps(draft), "stamp": hidden(page.text, "stamp"), "checked": hidden(page.text, "checked")}
        return self.desk.post("/console/catalog/apply", form | fields)


@pytest.fixture
def with_gold():
    """A catalog with one plan more."""
    catalog = config.catalog()
    catalog["plans"]["gold"] = copy.deepcopy(catalog["plans"]["pro"]) | {"title": "Gold"}
    return catalog


# -- looking


def test_plans_are_shown_with_what_they_give(looker):
    page = looker.text("/console/plans")
    assert "AI tokens : 5,000,000 a month, 1,000,000 for each member" in page and "Largest upload : 10 MB" in page
    assert "Edit the catalog" not in page
    page = looker.text("/console/plan", plan="free")
    assert "in its newest version, to whoever has no subscription" in page and "Move them" not in page
    assert looker.get("/console/plan", plan="platinum").status_code == 404
    assert looker.get("/console/plan").status_code == 404


def test_subscribers_come_in_pages(person, callback, looker, monkeypatch):
    from docapp.console import plans

    for name in ("Ann", "Bea"):
        callback(person(name).me()["workspace"]["slug"], "pro")
    monkeypatch.setattr(plans, "ROWS", 1)
    first = looker.get("/console/plan", plan="pro")
    second = looker.get(re.search(r'rel="next" href="([^"]+)"', first.text).group(1).replace("&amp;", "&"))
    assert "Back" in plain(second.text) and plain(first.text) != plain(second.text)


# -- the editor


def test_the_editor_is_for_who_may_act(looker):
    assert looker.get("/console/catalog").status_code == 403
    for path in ("/console/catalog/check", "/console/catalog/apply", "/console/plan/migrate"):
        assert looker.post(path, {"catalog": "{}", "plan": "pro"}).status_code == 403


def test_what_would_change_is_shown_before_it_does(actor, owner, with_gold, restored):
    before, editor = exported(owner), Editor(actor)
    page = editor.check(with_gold)
    told = plain(page.text)
    assert "Plan gold added" in told and 'added: "title": "Gold"' in told
    assert exported(owner) == before
    assert editor.apply(with_gold).status_code == 303
    assert set(exported(owner)["plans"]) == {"free", "gold", "pro", "team"}
    page = actor.text("/console/plans")
    assert "Applied: plan gold added." in page and "Gold" in page
    with owner.connect() as connection:
        done = connection.execute(
            text("SELECT action, asked #>> '{catalog,plans,gold,title}', outcome FROM docapp.operator_actions ORDER BY id DESC LIMIT 1")
        ).one()
    assert tuple(done) == ("apply_catalog", "Gold", "Applied: plan gold added.")


def test_nothing_would_change(actor, owner):
    page = Editor(actor).check(exported(owner)).text
    assert "Nothing would change." in page and "Apply what was checked" not in page


def test_whom_it_would_stop_is_told(person, actor, owner, looker):
    ada = person("Ada")
    slug = ada.me()["workspace"]["slug"]
    with owner.begin() as connection:
        connection.execute(text("SELECT * FROM quota.debit(:s, 'llm_tokens', 7000)"), {"s": slug})
    draft = config.catalog()
    draft["plans"]["free"]["entitlements"]["llm_tokens"]["allowance"] = 6999
    told = plain(Editor(actor).check(draft, since="month").text)
    assert re.search(rf"{slug} llm_tokens: 7,000 used, 8,000 now, 6,999 then, stopped", told), told
    row = re.search(r"llm_tokens (\d+) (\d+) (\d+) (\d+) (\d+) 0", told)
    assert int(row.group(4)) >= 1 and row.group(5) == "0"
    draft["plans"]["free"]["entitlements"]["llm_tokens"]["allowance"] = 7000
    assert f"{slug} llm_tokens" not in plain(Editor(actor).check(draft, since="last").text)


@pytest.mark.parametrize(
    "draft, status, told",
    [
        ("", 422, "this is not JSON"),
        ("{", 422, "line 1, column 2"),
        ('{"plans": {"x": {"entitlements": {}}},}', 422, "this is not JSON"),
        ("[]", 422, "a JSON object is needed"),
        ('{"plans": NaN}', 422, "NaN is no number"),
        ("[" * 100_000, 422, "this is not JSON"),
        ('"' + "x" * 1_000_001, 422, "too long"),
        ('{"plans": {"x": {"title": "\\u0000"}}}', 400, ""),
        ('{"plans": {"x": {"title": "\\ud800"}}}', 400, ""),
        ('{"planes": {}}', 400, "planes"),
        ('{"plans": {"free": {"default": true, "entitlements": {"llm_tokens": {"alowance": 5}}}}}', 400, "plans.free.entitlements.llm_tokens"),
        ('{"plans": {"pro": {"entitlements": {}}}}', 400, "default"),
        ('{"features": {}}', 422, "the application itself uses the feature documents"),
        ('{"features": {"documents": {"kind": "metered"}}}', 422, "the application itself uses the feature documents"),
        ('{"features": 5}', 400, "features"),
    ],
)
def test_a_bad_draft_is_refused_where_it_is_wrong(actor, owner, draft, status, told):
    before = exported(owner)
    for path in ("/console/catalog/check", "/console/catalog/apply"):
        answer = actor.post(path, {"catalog": draft, "stamp": Editor(actor).stamp})
        if path.endswith("check") or status == 422:
            assert answer.status_code == status and told in plain(answer.text), plain(answer.text)
        else:
            assert answer.status_code == 409  # it was never checked
    assert exported(owner) == before


def test_a_catalog_that_changed_meanwhile_is_not_overwritten(actor, owner, with_gold, restored):
    editor = Editor(actor)
    checked = editor.check(with_gold).text
    other = config.catalog()
    other["plans"]["free"]["title"] = "Gratis"
    with owner.begin() as connection:
        apply(connection, other)
    form = {"catalog": json.dumps(with_gold), "stamp": hidden(checked, "stamp"), "checked": hidden(checked, "checked")}
    answer = actor.post("/console/catalog/apply", form)
    assert answer.status_code == 409 and "The catalog has changed since" in plain(answer.text)
    assert "gold" not in exported(owner)["plans"] and exported(owner)["plans"]["free"]["title"] == "Gratis"
    # checking again shows what would be undone
    told = plain(editor.check(with_gold).text)
    assert "The catalog has changed since you began." in told and 'removed: "title": "Gratis"' in told


def test_only_what_was_checked_is_applied_and_once(actor, owner, with_gold, restored):
    editor = Editor(actor)
    more = copy.deepcopy(with_gold)
    more["plans"]["gold"]["title"] = "Platinum"
    answer = editor.apply(with_gold, catalog=json.dumps(more))
    assert answer.status_code == 409 and "not the catalog that was checked" in plain(answer.text)
    assert editor.apply(with_gold, csrf_token="forged").status_code == 403
    assert "gold" not in exported(owner)["plans"]
    page, key = editor.check(with_gold).text, secrets.token_hex(16)
    form = {"catalog": json.dumps(with_gold), "stamp": hidden(page, "stamp"), "checked": hidden(page, "checked"), "request_id": key}
    for _ in range(2):
        assert actor.post("/console/catalog/apply", form).status_code == 303
    assert "It was done already, once: Applied: plan gold added." in actor.text("/console/plans")


# -- moving subscribers


def versions(looker, plan):
    page = looker.text("/console/plan", plan=plan)
    table = page[page.index("Versions that subscribers have") : page.index("Subscribers", page.index("Share"))]
    return re.findall(r"(\d+) (\d+)", table.split("Share")[1])


def test_subscribers_are_moved_batch_by_batch(person, actor, looker, owner, with_gold, restored, monkeypatch):
    from docapp.console import plans

    subjects = [f"gold-{secrets.token_hex(4)}" for _ in range(5)]
    with owner.begin() as connection:
        apply(connection, with_gold)
        for subject in subjects:
            connection.execute(text("SELECT quota.subscribe(:s, 'gold')"), {"s": subject})
    with_gold["plans"]["gold"]["entitlements"]["llm_tokens"]["allowance"] = 600_000
    assert Editor(actor).apply(with_gold).status_code == 303
    ((old, count),) = versions(looker, "gold")
    assert count == "5"
    monkeypatch.setattr(plans, "BATCH", 2)

    def move(moved):
        page = actor.get("/console/plan", plan="gold").text
        form = {"plan": "gold", "stamp": hidden(page, "stamp"), "moved": moved}
        answer = actor.post("/console/plan/migrate", form)
        assert answer.status_code == 303
        return actor.get(answer.headers["Location"])

    page = move("0").text
    assert "2 moved, 3 left" in plain(page) and "data-go-on" in page and 'max="5" value="2"' in page
    assert versions(looker, "gold") == [(str(int(old) + 1), "2"), (old, "3")]
    assert "4 moved, 1 left" in plain(move("2").text)
    page = move("4").text
    assert "5 moved; all have the newest version." in plain(page) and "data-go-on" not in page
    assert versions(looker, "gold") == [(str(int(old) + 1), "5")]
    with owner.connect() as connection:
        who = connection.execute(
            text("SELECT actor, count(*) FROM quota.events WHERE type = 'plan_changed' AND subject = ANY(:s) GROUP BY 1"), {"s": subjects}
        ).all()
    assert [tuple(row) for row in who] == [(actor.email, 5)]


def test_a_migration_to_another_catalog_than_was_seen_is_refused(actor, owner, with_gold, restored):
    with owner.begin() as connection:
        apply(connection, with_gold)
        connection.execute(text("SELECT quota.subscribe(:s, 'gold')"), {"s": f"gold-{secrets.token_hex(4)}"})
    stamp = hidden(actor.get("/console/plan", plan="gold").text, "stamp")
    with_gold["plans"]["gold"]["entitlements"]["llm_tokens"]["allowance"] = 1
    with owner.begin() as connection:
        apply(connection, with_gold)
    answer = actor.post("/console/plan/migrate", {"plan": "gold", "stamp": stamp, "moved": "0"})
    assert answer.status_code == 409 and "has changed since" in plain(answer.text)
    for wrong, status in (({"plan": "platinum"}, 404), ({"plan": ""}, 422), ({"moved": "x"}, 422)):
        stamp = hidden(actor.get("/console/plan", plan="gold").text, "stamp")
        assert actor.post("/console/plan/migrate", {"plan": "gold", "stamp": stamp, "moved": "0"} | wrong).status_code == status


def test_customers_pages_bear_a_feature_that_the_application_does_not_know(person, actor, owner, restored):
    draft = config.catalog()
    draft["features"]["voice_minutes"] = {"kind": "metered", "unit": "minute", "title": "Voice"}
    draft["plans"]["free"]["entitlements"]["voice_minutes"] = {"allowance": 10, "period": "month"}
    assert Editor(actor).apply(draft).status_code == 303
    ada = person("Ada")
    slug = ada.me()["workspace"]["slug"]
    page = actor.get("/console/customer", subject=slug).text
    form = {"subject": slug, "stamp": hidden(page, "stamp"), "feature": "voice_minutes", "amount": "30", "every": ""}
    assert actor.post("/console/customer/credit", form).status_code == 303
    with owner.begin() as connection:
        connection.execute(text("SELECT * FROM quota.debit(:s, 'voice_minutes', 15)"), {"s": slug})
    for path, told in {
        "/usage": "Voice: 5 of 30 used",
        "/history": "Credited 30 minutes of Voice: support",
        "/plans": "Voice: 10",
        "/documents": "Documents",
        "/team": "Team",
        "/history.csv": "at,",
    }.items():
        answer = ada.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200 and told in plain(answer.text), path
    with owner.begin() as connection:
        connection.execute(text("SELECT quota.forget(:s)"), {"s": slug})

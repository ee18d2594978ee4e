"""What support does at the console: each action once, for whoever may, against what the page showed, with its name."""

import html
import re
import secrets
import threading

import pytest
from console import Desk, plain
from sqlalchemy import text


@pytest.fixture
def looker(app):
    return Desk(app, "reader")


@pytest.fixture
def actor(app):
    return Desk(app, "admin")


class Case:
    """A customer's page in an operator's hands."""

    def __init__(self, desk, subject, owner):
        self.desk, self.subject, self.owner = desk, subject, owner

    def page(self, **query):
        return self.desk.get("/console/customer", subject=self.subject, **query)

    def stamp(self):
        return re.search(r'name="stamp" value="([0-9a-f]+)"', self.page().text).group(1)

    def form(self, **fields):
        return {"subject": self.subject, "stamp": self.stamp(), "request_id": secrets.token_hex(16)} | fields

    def send(self, action, form, **options):
        return self.desk.post(f"/console/customer/{action}", form, **options)

    def act(self, action, **fields):
        """Act, and what the page says then."""
        answer = self.send(action, self.form(**fields))
        assert answer.status_code == 303, plain(answer.text)
        return self.said()

    def said(self):
        found = re.search(r'<p class="notice" role="status">(.*?)</p>', self.page().text)
        return html.unescape(found.group(1).strip()) if found else None

    def rows(self, query, **values):
        with self.owner.connect() as connection:
            return connection.execute(text(query), {"s": self.subject} | values).all()

    def events(self):
        """(type, actor) of the customer's events, but for those that only tell of use."""
        return [
            tuple(row)
            for row in self.rows(
                "SELECT type, actor FROM quota.events WHERE subject = :s AND type <> 'threshold_reached' ORDER BY id"
            )
        ]

    def journal(self):
        return self.rows("SELECT action, outcome, asked FROM docapp.operator_actions WHERE subject = :s ORDER BY id")

    def check(self, feature="llm_tokens"):
        return self.rows("SELECT * FROM quota.check(:s, :f)", f=feature)[0]


@pytest.fixture
def case(person, actor, owner):
    return Case(actor, person("Ada").me()["workspace"]["slug"], owner)


@pytest.fixture
def subscribed(case, callback):
    assert callback(case.subject, "pro").status_code == 200
    return case


# -- each action does what it says, and an event or entry says who did it


def test_credit(case):
    before = case.check().remaining
    said = case.act("credit", feature="llm_tokens", amount="5,000", expires_at="2099-01-31", every="", why="an outage")
    assert said == f"Credited 5,000 of llm_tokens; now {before + 5000:,} left."
    assert case.check().remaining == before + 5000
    assert case.events() == [("credited", case.desk.email)]
    grant = case.rows("SELECT g.* FROM jsonb_to_recordset(quota.me(:s) -> 'grants') AS g(source text, expires_at text)")[0]
    assert grant.source == "support" and grant.expires_at.startswith("2099-01-31")
    (done,) = case.journal()
    assert done.action == "credit" and done.asked["why"] == "an outage" and done.outcome == said


def test_credit_anew_each_month_and_revoke(case):
    case.act("credit", feature="llm_tokens", amount="300", every="month")
    (grant,) = case.rows("SELECT g.id FROM jsonb_to_recordset(quota.me(:s) -> 'grants') AS g(id bigint)")
    assert case.act("revoke", grant_id=grant.id) == "Took back 300."
    assert [kind for kind, _who in case.events()] == ["credited", "grant_revoked"]
    assert {who for _kind, who in case.events()} == {case.desk.email}


def test_change_of_plan_is_seen_before_it_is_made(case):
    page = plain(case.page(preview="pro", usage="keep").text)
    assert "As it would be with Pro" in page and "Mind maps not given included yes" in page and "Largest upload 1 MB 10 MB yes" in page
    assert "A subscription that begins starts metered use at 0." in page
    assert case.events() == []
    assert case.act("change_plan", plan="pro", usage="keep", effective="now") == "The plan is pro, now."
    assert case.events() == [("subscribed", case.desk.email)]
    page = plain(case.page(preview="free").text)
    assert "As it would be with Free" in page and "starts metered use at 0" not in page
    assert case.act("change_plan", plan="team", usage="reset", effective="now") == "The plan is team, now."


def test_a_smaller_plan_says_what_does_not_fit(person, subscribed):
    subscribed.act("set_usage", feature="llm_tokens", used="9000")
    assert re.search(r"AI tokens 9,000 of 500,000 tokens 9,000 of 8,000 tokens no", plain(subscribed.page(preview="free").text))


def test_cancel_pause_and_amend(subscribed):
    who = subscribed.desk.email
    assert "ends at" in subscribed.act("cancel", effective="period_end")
    fields = {"quantity": "3", "timezone": "Europe/Berlin", "external_id": "sub_7", "ends_at": "", "trial_ends_at": ""}
    assert subscribed.act("amend", **fields) == "Amended: quantity, timezone, external id, ends at."
    row = subscribed.rows("SELECT * FROM quota.subscriptions WHERE subject = :s")[0]
    assert (row.quantity, row.timezone, row.external_id, row.ends_at) == (3, "Europe/Berlin", "sub_7", None)
    assert subscribed.act("amend", **fields) == "Nothing was to be amended."
    assert subscribed.act("set_status", status="paused", until="2099-05-01") == "The subscription is paused until 2099-05-01."
    assert subscribed.check().reason == "subscription_inactive"
    assert subscribed.act("set_status", status="active", until="") == "The subscription is active."
    own = [kind for kind, actor in subscribed.events() if actor == who]
    assert own == ["subscription_cancelled", "subscription_amended", "status_changed", "status_changed"]


def test_override_and_back(case):
    case.act("override", feature="llm_tokens", entitlement='{"allowance": 77, "period": "day"}')
    assert case.check().allowance == 77 and "Own AI tokens" in plain(case.page().text)
    assert case.act("override", feature="llm_tokens", entitlement="") == "The plan decides about llm_tokens again."
    assert case.check().allowance == 8000 and "Own AI tokens" not in plain(case.page().text)
    assert case.events() == [("override_set", case.desk.email), ("override_removed", case.desk.email)]


def test_correction_says_who(case):
    assert case.act("set_usage", feature="llm_tokens", used="1,234", why="ticket 9") == "llm_tokens: 1,234 used from now on."
    assert case.check().used == 1234
    (entry,) = case.rows("SELECT kind, metadata FROM quota.ledger WHERE subject = :s AND feature = 'llm_tokens'")
    assert entry.kind == "correction" and entry.metadata == {"by": case.desk.email, "why": "ticket 9"}
    assert case.act("set_usage", feature="llm_tokens", used="1234") == "Nothing was to be corrected."
    assert f'"by": "{case.desk.email}"' in plain(case.page(feature="llm_tokens").text)


def test_clear_caps(case):
    case.act("override", feature="llm_tokens", entitlement='{"allowance": 900, "period": "month", "caps": [{"limit": 50, "per": "day"}]}')
    case.rows("SELECT 1")
    with case.owner.begin() as connection:
        connection.execute(text("SELECT * FROM quota.debit(:s, 'llm_tokens', 50)"), {"s": case.subject})
    assert case.check().remaining == 0
    assert case.act("clear_caps", feature="llm_tokens") == "1 cap of llm_tokens cleared."
    assert case.check().remaining == 50 and case.events()[-1] == ("caps_cleared", case.desk.email)


def test_release_a_hold_of_their_own_alone(case, person):
    with case.owner.begin() as connection:
        reserve = text("SELECT id FROM quota.reserve(:s, 'llm_tokens', 40)")
        own = connection.execute(reserve, {"s": f"{case.subject}/x"}).scalar_one()
        other = connection.execute(reserve, {"s": f"{case.subject}0"}).scalar_one()
    assert f"{case.subject}/x" in plain(case.page().text)
    answer = case.send("release", case.form(hold_id=other))
    assert answer.status_code == 404 and "no such hold" in plain(answer.text)
    assert case.act("release", hold_id=own) == "The hold is released; nothing is charged for it."
    assert case.rows("SELECT id FROM quota.holds WHERE id IN (:a, :b)", a=own, b=other) == [(other,)]


def test_a_members_limit_is_the_owners_to_set(person, callback, server, actor, owner):
    from test_walls import member_of

    boss = person("Boss", workspace="Works")
    hand = Case(actor, member_of(boss, callback, server).me()["subject"], owner)
    form = hand.form(feature="llm_tokens", entitlement='{"allowance": 5}')
    answer = hand.send("override", form)
    assert answer.status_code == 409 and "set by the owner, on the page Team" in plain(answer.text)
    assert hand.events() == [] and hand.journal() == []
    hand.act("override", feature="pages", entitlement='{"allowance": 5, "period": "month"}')
    assert hand.check("pages").allowance == 5


# -- why it was refused


def test_a_refusal_is_explained_with_the_plans_that_help(case):
    page = plain(case.page(explain="llm_tokens", amount="9000").text)
    assert "decision" in page and "quota exceeded" in page and "Plans that would allow it: Pro , Team" in page
    page = plain(case.page(explain="llm_tokens", amount="1").text)
    assert "quota exceeded" not in page and "Plans that would allow it" not in page
    assert "No plan on offer would allow it." in plain(case.page(explain="llm_tokens", amount="9,000,000,000").text)
    for bad in ("0", "-1", "x", "9" * 30):
        assert case.page(explain="llm_tokens", amount=bad).status_code == 400
    assert case.page(explain="no_such").status_code == 200


# -- bad input


ACTIONS = {
    "credit": {"feature": "llm_tokens", "amount": "5", "every": ""},
    "change_plan": {"plan": "pro", "usage": "keep", "effective": "now"},
    "cancel": {"effective": "now"},
    "set_status": {"status": "paused"},
    "amend": {"quantity": "2", "timezone": "UTC"},
    "revoke": {"grant_id": "1"},
    "override": {"feature": "llm_tokens", "entitlement": '{"allowance": 1}'},
    "set_usage": {"feature": "llm_tokens", "used": "1"},
    "clear_caps": {"feature": "llm_tokens"},
    "release": {"hold_id": "1"},
}


def nothing_done(case):
    return case.events() == [] and case.journal() == [] and case.check().allowance == 8000


def test_every_action_is_tried_here():
    from docapp.console import support

    assert set(ACTIONS) == set(support.ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_who_may_only_look_cannot_act(case, looker, action):
    looking = Case(looker, case.subject, case.owner)
    assert 'name="stamp"' not in looking.page().text and "may look, not act" in looking.page().text
    answer = looker.post(f"/console/customer/{action}", case.form(**ACTIONS[action]))
    assert answer.status_code == 403 and "may look, not act" in answer.text
    assert nothing_done(case)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_form_that_is_no_form_of_ours_does_nothing(case, action):
    form = case.form(**ACTIONS[action])
    assert case.send(action, form, token="forged").status_code == 403
    assert case.send(action, form | {"request_id": "x"}).status_code == 400
    assert case.send(action, form | {"stamp": ""}).status_code == 409
    assert nothing_done(case)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_customer_who_is_gone_is_said_to_be(case, action):
    form = case.form(**ACTIONS[action])
    with case.owner.begin() as connection:
        connection.execute(text("DELETE FROM docapp.workspaces WHERE slug = :s"), {"s": case.subject})
        connection.execute(text("SELECT quota.forget(:s)"), {"s": case.subject})
    answer = case.send(action, form)
    assert answer.status_code == 404 and "is there no more" in plain(answer.text)
    assert nothing_done(case)
    page = case.page()
    assert page.status_code == 200 and "there is one no more" in page.text and "Give the credits" not in page.text


@pytest.mark.parametrize("action", ["credit", "change_plan", "override"])
def test_a_stale_form_does_nothing(case, callback, action):
    form = case.form(**ACTIONS[action])
    callback(case.subject, "team")
    answer = case.send(action, form)
    assert answer.status_code == 409 and "has changed since this page was drawn" in plain(answer.text)
    assert [kind for kind, _who in case.events()] == ["subscribed"] and case.journal() == []
    assert case.act(action, **ACTIONS[action])  # looked again, and decided


def test_use_alone_makes_no_form_stale(case, person):
    form = case.form(**ACTIONS["credit"])
    with case.owner.begin() as connection:
        connection.execute(text("SELECT * FROM quota.debit(:s, 'llm_tokens', 7900)"), {"s": case.subject})
    assert case.send("credit", form).status_code == 303


def test_what_comes_by_another_way_meanwhile_wins(case, monkeypatch):
    """A payment's callback commits between our look and our commit."""
    from docapp.console import support

    def slow(connection, subject, asked):
        with case.owner.begin() as another:
            another.execute(text("SELECT quota.change_plan(:s, 'team')"), {"s": subject})
        return support.credit(connection, subject, asked)

    monkeypatch.setitem(support.ACTIONS, "credit", support.ACTIONS["credit"]._replace(do=slow))
    answer = case.send("credit", case.form(**ACTIONS["credit"]))
    assert answer.status_code == 409 and "has changed since" in plain(answer.text)
    assert [kind for kind, _who in case.events()] == ["subscribed"] and case.journal() == []


def test_sent_twice_is_done_once(case):
    form = case.form(**ACTIONS["credit"])
    assert case.send("credit", form).status_code == 303
    first = case.said()
    assert case.send("credit", form).status_code == 303
    assert case.said() == f"It was done already, once: {first}"
    assert case.send("credit", form | {"amount": "6"}).status_code == 409
    assert case.check().allowance == 8005 and len(case.journal()) == 1


def test_sent_twice_at_once_is_done_once(app, case):
    form, answers = case.form(**ACTIONS["credit"]), []
    desks = [case.desk, Desk.__new__(Desk)]
    desks[1].__dict__ |= {"app": app, "email": case.desk.email, "http": app.test_client()}
    with desks[1].http.session_transaction(base_url="https://localhost") as session:
        session["operator"], session["csrf"] = case.desk.id, "token"
    threads = [
        threading.Thread(target=lambda desk=desk: answers.append(desk.post("/console/customer/credit", form).status_code))
        for desk in desks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [303, 303] and case.check().allowance == 8005


def test_two_operators_with_the_same_page(app, case, owner):
    other = Case(Desk(app, "admin"), case.subject, owner)
    mine, theirs = case.form(**ACTIONS["credit"]), other.form(**ACTIONS["credit"])
    assert case.send("credit", mine).status_code == 303
    assert other.send("credit", theirs).status_code == 409
    assert case.check().allowance == 8005


@pytest.mark.parametrize(
    "action, wrong, status",
    [
        ("credit", {"amount": "0"}, 422),
        ("credit", {"amount": "-5"}, 422),
        ("credit", {"amount": "1.5"}, 422),
        ("credit", {"amount": ""}, 422),
        ("credit", {"amount": str(2**63)}, 422),
        ("credit", {"amount": str(2**63 - 1)}, 400),
        ("credit", {"feature": "no_such"}, 404),
        ("credit", {"feature": "mindmap"}, 400),
        ("credit", {"expires_at": "31.1.2099"}, 422),
        ("credit", {"expires_at": "2001-01-01"}, 400),
        ("credit", {"every": "fortnight"}, 422),
        ("credit", {"why": "x" * 201}, 422),
        ("credit", {"why": "a\x00b"}, 422),
        ("change_plan", {"plan": "platinum"}, 404),
        ("change_plan", {"plan": ""}, 422),
        ("change_plan", {"effective": "yesterday"}, 422),
        ("cancel", {}, 404),
        ("set_status", {}, 404),
        ("set_status", {"status": "ended"}, 422),
        ("amend", {}, 404),
        ("amend", {"quantity": "0"}, 422),
        ("revoke", {}, 404),
        ("revoke", {"grant_id": "x"}, 422),
        ("override", {"entitlement": "{"}, 422),
        ("override", {"entitlement": "[1]"}, 422),
        ("override", {"entitlement": '{"allowance": NaN}'}, 422),
        ("override", {"entitlement": "[" * 100_000}, 422),
        ("override", {"entitlement": '{"a": "\\u0000"}'}, 400),
        ("override", {"entitlement": '{"a": "\\ud800"}'}, 400),
        ("override", {"entitlement": '{"allowance": 1e999}'}, 400),
        ("override", {"entitlement": '{"alowance": 5}'}, 400),
        ("override", {"feature": "no_such"}, 404),
        ("set_usage", {"used": "-1"}, 422),
        ("clear_caps", {"feature": "documents"}, 400),
        ("no_such_action", {}, 404),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_done(case, action, wrong, status):
    answer = case.send(action, case.form(**ACTIONS.get(action, {}) | wrong))
    assert answer.status_code == status, plain(answer.text)
    assert "That was not done" in answer.text and nothing_done(case)

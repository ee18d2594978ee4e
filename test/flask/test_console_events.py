"""Events at the console: quota-relay's destinations and dead letters, and the journal of what operators did."""

import re
import secrets

import pytest
from conftest import CLIENT, manage
from console import Desk, plain
from sqlalchemy import text


@pytest.fixture
def looker(app):
    return Desk(app, "reader")


@pytest.fixture
def actor(app):
    return Desk(app, "admin")


@pytest.fixture
def relay(ready, owner):
    """quota-relay's tables with a destination that fails and a dead letter of it: the letter's id."""
    with owner.begin() as connection:
        connection.exec_driver_sql((CLIENT / "quota_client/relay/schema.sql").read_text().replace("%", "%%"))
        connection.execute(
            text(
                "INSERT INTO quota_relay.destination (name, kind, xid, system, sent, died, attempts, failing_since, retry_at, error, seen_at)"
                " VALUES ('crm', 'webhook', '3', 1, 41, 1, 5, now(), now() + interval '1 hour', '500 from the <server>', now()),"
                " ('log', 'log', '3', 1, 7, 0, 0, NULL, NULL, NULL, now() - interval '1 hour')"
            )
        )
        letter = connection.execute(
            text(
                "INSERT INTO quota_relay.dead_letter (destination, event_id, message_id, type, subject, payload, attempts, error)"
                " VALUES ('crm', 1, 'evt_1', 'credited', 'acme', '{\"type\": \"credited\"}', 8, '410 gone') RETURNING id"
            )
        ).scalar_one()
    manage(ready, "setup")
    yield letter
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA quota_relay CASCADE")


def test_without_a_relay_the_page_says_so(looker, actor):
    page = looker.text("/console/events")
    assert "There is no quota-relay in this database" in page and "Dead letters" not in page
    for path, form in (("resend", {"letter": "1"}), ("try", {"destination": "crm"})):
        answer = actor.post(f"/console/events/{path}", form)
        assert answer.status_code == 404 and "no relay here" in plain(answer.text)


def test_a_relay_that_the_console_may_not_see_is_as_none(owner, looker, relay):
    with owner.begin() as connection:
        connection.execute(text(f'REVOKE ALL ON quota_relay.dead_letter FROM "{looker.app.db.reader.url.username}"'))
    assert "the console may not see it" in looker.text("/console/events")


def test_destinations_and_dead_letters_are_shown(looker, relay):
    page = looker.text("/console/events")
    assert re.search(r"crm webhook 41 1 failing since .*, 5 attempts, next .* 500 from the <server>", page)
    assert re.search(r"log log 7 0 no relay seen since", page)
    assert "credited to crm, about acme" in page and "after 8 attempts: 410 gone" in page
    assert "Send again" not in page and "Try now" not in page
    for path, form in (("resend", {"letter": relay}), ("try", {"destination": "crm"})):
        assert looker.post(f"/console/events/{path}", form).status_code == 403


def test_a_dead_letter_is_sent_again_once(actor, relay, owner):
    form = {"letter": relay, "stamp": "", "request_id": secrets.token_hex(16)}
    for _ in range(2):
        assert actor.post("/console/events/resend", form).status_code == 303
    page = actor.text("/console/events")
    assert "is sent again" in page and "It was done already, once: credited is sent to crm again." in page
    answer = actor.post("/console/events/resend", {"letter": relay, "stamp": ""})
    assert answer.status_code == 409 and "is to be sent already" in plain(answer.text)
    assert actor.post("/console/events/resend", {"letter": "x"}).status_code == 422
    with owner.connect() as connection:
        assert connection.execute(text("SELECT resend_at IS NOT NULL FROM quota_relay.dead_letter")).scalar_one()


def test_a_failing_destination_is_tried_now(actor, relay, owner):
    assert actor.post("/console/events/try", {"destination": "crm", "stamp": ""}).status_code == 303
    with owner.connect() as connection:
        assert connection.execute(text("SELECT retry_at <= now() FROM quota_relay.destination WHERE name = 'crm'")).scalar_one()
    answer = actor.post("/console/events/try", {"destination": "log", "stamp": ""})
    assert answer.status_code == 409 and "not failing any more" in plain(answer.text)


def test_the_journal_has_what_was_done_in_pages(person, actor, looker, monkeypatch):
    from docapp.console import events

    subject = person("Ada").me()["workspace"]["slug"]
    for used in (1, 2):
        stamp = re.search(r'name="stamp" value="([0-9a-f]+)"', actor.get("/console/customer", subject=subject).text).group(1)
        form = {"subject": subject, "stamp": stamp, "feature": "llm_tokens", "used": used, "why": f"ticket {used}"}
        assert actor.post("/console/customer/set_usage", form).status_code == 303
    monkeypatch.setattr(events, "ACTIONS", 1)
    first = looker.get("/console/events")
    assert f"llm_tokens: 2 used from now on. ticket 2 {subject} Op admin {actor.email}" in plain(first.text)
    older = re.search(r'rel="next" href="(/console/events\?action=\d+)#journal"', first.text).group(1)
    assert f"llm_tokens: 1 used from now on. ticket 1 {subject}" in plain(looker.get(older).text)

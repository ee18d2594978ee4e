"""A payment provider's callbacks: forged, stale, repeated, out of order, two at once, and cut off in the middle."""

import json
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import requests
from docapp import callbacks
from docapp.callbacks import BadCallback, Callbacks
from sqlalchemy import text

SECRET = "a secret of the provider's"
EVENT = {"id": "evt_1", "workspace": "acme", "plan": "pro", "effective": "now", "created": "2026-03-10T12:00:00+00:00"}


def plan_of(person):
    return person.me()["quota"]["plan"]["name"]


def ago(minutes):
    return (datetime.now(timezone.utc) - timedelta(minutes=minutes)).isoformat()


def receipts(owner, workspace):
    query = "SELECT id, plan, overtaken FROM docapp.payment_events WHERE workspace = :w ORDER BY created"
    with owner.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), {"w": workspace})]


def test_the_later_event_stands_whatever_comes_first(person, callback, owner):
    ann = person("Ann")
    workspace = ann.me()["workspace"]["slug"]
    later = callback(workspace, "team", event=f"b-{workspace}", created=ago(10)).json()
    assert (later["carried_out"], later["standing"]) == (True, "new")
    earlier = callback(workspace, "pro", event=f"a-{workspace}", created=ago(20))
    assert earlier.status_code == 200  # or the provider would send it for days
    assert (earlier.json()["carried_out"], earlier.json()["standing"]) == (False, "overtaken")
    assert plan_of(ann) == "team"
    assert receipts(owner, workspace) == [(f"a-{workspace}", "pro", True), (f"b-{workspace}", "team", False)]
    assert callback(workspace, "pro", event=f"a-{workspace}").json()["standing"] == "repeated"
    assert callback(workspace, "free", event=f"c-{workspace}", created=ago(5)).json()["standing"] == "new"
    assert plan_of(ann) == "free"


def test_what_was_overtaken_overtakes_nothing(person, callback):
    """One between two: the newest that was carried out decides."""
    bea = person("Bea")
    workspace = bea.me()["workspace"]["slug"]
    standing = [
        callback(workspace, plan, event=f"{minutes}-{workspace}", created=ago(minutes)).json()["standing"]
        for plan, minutes in (("pro", 30), ("team", 10), ("pro", 20), ("free", 15), ("pro", 5))
    ]
    assert standing == ["new", "new", "overtaken", "overtaken", "new"]
    assert plan_of(bea) == "pro"


def test_workspaces_do_not_overtake_each_other(person, callback):
    cyd, dot = person("Cyd"), person("Dot")
    assert callback(cyd.me()["workspace"]["slug"], "pro", created=ago(1)).json()["standing"] == "new"
    assert callback(dot.me()["workspace"]["slug"], "pro", created=ago(60)).json()["standing"] == "new"


def test_a_refused_event_leaves_no_receipt(person, callback, owner):
    """It may come again, when the plan is there; and it overtakes nothing."""
    eli = person("Eli")
    workspace = eli.me()["workspace"]["slug"]
    assert callback(workspace, "platinum", created=ago(1)).status_code == 404
    assert receipts(owner, workspace) == []
    assert callback(workspace, "pro", created=ago(2)).json()["standing"] == "new"


def test_ten_at_once_end_with_the_latest(person, callback):
    fay = person("Fay")
    workspace = fay.me()["workspace"]["slug"]
    plans = ["pro", "team", "free", "pro", "team", "pro", "free", "team", "pro", "team"]
    answers = []

    def send(number):
        answers.append(callback(workspace, plans[number], event=f"{number}-{workspace}", created=ago(20 - number)))

    threads = [threading.Thread(target=send, args=(number,)) for number in reversed(range(10))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [answer.status_code for answer in answers] == [200] * 10
    assert plan_of(fay) == "team"


def test_an_older_one_waits_for_the_newer_one_under_way(app, person, owner):
    """Before the newer one commits nobody can see that it overtakes."""
    gil = person("Gil")
    workspace, now = gil.me()["workspace"]["slug"], datetime.now(timezone.utc)
    newer = EVENT | {"id": f"n-{workspace}", "workspace": workspace, "plan": "team", "created": now}
    older = newer | {"id": f"o-{workspace}", "plan": "pro", "created": now - timedelta(minutes=1)}
    answers = []
    thread = threading.Thread(target=lambda: answers.append(app.plans.carry_out(older)))
    with app.db.admin.begin() as connection:
        assert callbacks.receive(connection, newer) == "new"
        thread.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database ="
                       " (SELECT oid FROM pg_database WHERE datname = current_database())")  # fmt: skip
        for _ in range(600):
            with owner.connect() as other:
                if other.execute(waiting).scalar_one():
                    break
            assert not answers
            time.sleep(0.05)
        else:
            pytest.fail("it does not wait")
    thread.join(60)
    assert answers == ["overtaken"]


def test_one_twice_at_once_is_carried_out_once(person, callback):
    gus = person("Gus")
    workspace = gus.me()["workspace"]["slug"]
    created, answers = ago(1), []
    threads = [
        threading.Thread(target=lambda: answers.append(callback(workspace, "pro", event=f"x-{workspace}", created=created).json()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(answer["standing"] for answer in answers) == ["new", "repeated", "repeated", "repeated"]


def test_effect_and_receipt_are_one_commit(app, person, owner, monkeypatch):
    """What breaks between the two undoes both: the provider sends it again, and then it counts."""
    hal = person("Hal")
    workspace = hal.me()["workspace"]["slug"]
    event = EVENT | {"id": f"h-{workspace}", "workspace": workspace, "created": datetime.now(timezone.utc)}

    def breaks(*_):
        raise RuntimeError("the process was killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(app.plans, "_end_trial", breaks)
        app.plans.carry_out(event)
    assert receipts(owner, workspace) == [] and plan_of(hal) == "free"
    assert app.plans.carry_out(event) == "new"
    assert plan_of(hal) == "pro"
    assert app.plans.carry_out(event) == "repeated"


def test_what_the_provider_signed_is_read():
    provider, body = Callbacks(SECRET), json.dumps(EVENT).encode()
    read = provider.read(body, provider.sign(body))
    assert read == EVENT | {"created": datetime(2026, 3, 10, 12, tzinfo=timezone.utc)}
    signed, other = provider.sign(body), Callbacks("the provider's next secret").sign(body).partition(",")[2]
    assert provider.read(body, f"{signed},{other}") == provider.read(body, f"{signed.partition(',')[0]},{other},{signed.partition(',')[2]}")


@pytest.mark.parametrize(
    "header",
    [None, "", "t=1,v1=", "v1=00", "t=,v1=00", "t=1e9,v1=00", "t=-1,v1=00", f"t={'9' * 30},v1=00", "t=\u0661,v1=00", "v1=\xfc,t=1700000000"],
)  # fmt: skip
def test_a_header_that_is_no_signature_is_refused(header):
    with pytest.raises(BadCallback) as told:
        Callbacks(SECRET).read(b"{}", header)
    assert told.value.status == 401


def test_a_stale_signature_is_refused():
    provider, body, now = Callbacks(SECRET), json.dumps(EVENT).encode(), time.time()
    assert provider.read(body, provider.sign(body, now - 290))
    for at in (now - 301, now + 302):
        with pytest.raises(BadCallback, match="too old"):
            provider.read(body, provider.sign(body, at))
    header = provider.sign(body, now - 301)
    with pytest.raises(BadCallback, match="wrong"):  # a fresh time under an old signature
        provider.read(body, header.replace(f"t={int(now - 301)}", f"t={int(now)}"))


@pytest.mark.parametrize(
    "change, said",
    [
        ({"created": "yesterday"}, "ISO time"),
        ({"created": "2026-03-10T12:00:00"}, "with its zone"),
        ({"created": "2026-13-10T12:00:00Z"}, "ISO time"),
        ({"created": "2999-01-01T00:00:00Z"}, "in the future"),
        ({"created": 1700000000}, "short text"),
        ({"created": ""}, "short text"),
        ({"more": "x"}, "exactly the keys"),
        ({"effective": "later"}, "now or period_end"),
        ({"workspace": "a\x00b"}, "short text"),
        ({"plan": "x" * 201}, "short text"),
    ],
    ids=str,
)
def test_bad_content_is_refused(change, said):
    provider, body = Callbacks(SECRET), json.dumps(EVENT | change).encode()
    with pytest.raises(BadCallback, match=said) as told:
        provider.read(body, provider.sign(body))
    assert told.value.status == 400


def test_a_forged_callback_is_told_nothing(person, server):
    ivy = person("Ivy")
    body = json.dumps(EVENT | {"workspace": ivy.me()["workspace"]["slug"]}).encode()
    headers = {"X-Signature": Callbacks("a guess at the secret").sign(body), "Content-Type": "application/json"}
    answer = requests.post(server + "/api/user/plan", data=body, headers=headers, timeout=60)
    assert answer.status_code == 401 and answer.json()["message"] == "The signature is wrong or too old."
    assert plan_of(ivy) == "free"

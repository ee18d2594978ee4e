"""Holds: quota_client.hold by itself, and answers that are streamed and paid for by one."""

import asyncio
import json
import logging
import re
import signal
import subprocess
import sys
import time

import pytest
import quota_client as qc
from conftest import CLIENT, EXAMPLE, PASSWORD, text_of
from docapp import answering, db
from quota_client import QuotaError, hold
from sqlalchemy import event, text
from sqlalchemy.orm import Session, sessionmaker

QUESTION = "How does the rotor number 3 work and who changes a rotor?"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def subject(request):
    return f"hold-{re.sub('[^a-zA-Z0-9_]+', '-', request.node.name)}/me"


@pytest.fixture
def state(app_engine, subject):
    """used, reserved and remaining of llm_tokens, as another session sees them."""

    def look():
        with app_engine.connect() as connection:
            f = qc.me(connection, subject)["features"]["llm_tokens"]
        return f["used"], f["reserved"], f["remaining"]

    return look


@pytest.fixture(params=["engine", "sessionmaker"])
def bind(request, app_engine):
    return app_engine if request.param == "engine" else sessionmaker(app_engine, future=True)


def test_reserve_extend_settle(bind, subject, state):
    with hold(bind, subject, "llm_tokens", 500, ttl="1 minute", metadata={"why": "test"}) as h:
        assert (h.reserved, h.remaining) == (500, 7500) and h.expires_at.tzinfo
        assert state() == (500, 500, 7500)  # committed: others see it
        before = h.expires_at
        assert h.extend(800) is h and (h.reserved, h.remaining) == (800, 7200) and h.expires_at > before
        assert state() == (800, 800, 7200)
        row = h.settle(620, {"tokens": 620})
        assert (row.id, row.charged, row.overdrawn, row.remaining) == (h.id, 620, 0, 7380)
        assert state() == (620, 0, 7380)
    assert state() == (620, 0, 7380)


def test_settle_commits_with_the_rows_it_pays_for(bind, app_engine, subject, state):
    with hold(bind, subject, "llm_tokens", 500) as h:
        with Session(app_engine, future=True) as session, session.begin():
            h.settle(400, connection=session)
            assert state() == (500, 500, 7500)
    assert state() == (400, 0, 7600)
    with pytest.raises(ZeroDivisionError), hold(bind, subject, "llm_tokens", 500) as h:
        with app_engine.begin() as connection:
            h.settle(400, connection=connection)
            connection.execute(text("SELECT 1"))
            raise ZeroDivisionError
    assert state() == (400, 0, 7600)  # rolled back with its rows, then released


def test_too_little_room_reserves_nothing(bind, subject, state):
    with pytest.raises(QuotaError) as caught, hold(bind, subject, "llm_tokens", 8001):
        raise AssertionError("the block must not run")
    assert caught.value.status == 402 and caught.value.detail["requested"] == 8001
    assert state() == (0, 0, 8000)
    with hold(bind, subject, "llm_tokens", 8001, up_to=True) as h:
        assert h.reserved == 8000
        with pytest.raises(QuotaError) as caught:
            h.extend(8100)
        assert caught.value.status == 402 and (h.reserved, state()) == (8000, (8000, 8000, 0))
        assert h.settle(8100).overdrawn == 100  # the work is done all the same
    assert state() == (8100, 0, 0)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit, None])
@pytest.mark.parametrize("pieces, used", [([], 0), ([0], 0), ([5, 17], 22), ([500], 500), ([300, 900], 1200)])
def test_leaving_charges_what_was_counted(bind, subject, state, error, pieces, used):
    def work():
        with hold(bind, subject, "llm_tokens", 500, metadata={"why": "test"}) as h:
            for n in pieces:
                h.count(n)
            assert h.counted == used <= h.reserved
            if error:
                raise error
        assert h.reserved == 0 and h.remaining == 8000 - used

    if error:
        with pytest.raises(error):
            work()
    else:
        work()
    assert state() == (used, 0, 8000 - used)


def test_clients_that_leave_before_the_last_piece_pay_for_what_they_got(app_engine, subject, state):
    def stream():
        with hold(app_engine, subject, "llm_tokens", 100) as h:
            for piece in range(20):
                h.count(5)
                yield piece

    for _ in range(50):
        pieces = stream()
        for _ in range(19):
            next(pieces)
        pieces.close()
    assert state() == (50 * 19 * 5, 0, 8000 - 50 * 19 * 5)


def test_a_cancelled_task_pays_for_what_was_counted(app_engine, subject, state):
    async def work():
        with hold(app_engine, subject, "llm_tokens", 500) as h:
            h.count(40)
            await asyncio.sleep(60)

    async def cancelled():
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert state() == (40, 0, 7960)


def test_counting_keeps_room_ahead_and_stops_where_it_ends(bind, subject, state):
    with hold(bind, subject, "llm_tokens", 1000) as h:
        assert h.count(1000) == 1000 and h.reserved == 1000
        h.count(1)
        assert h.reserved == 1501 == state()[1]  # half the estimate more than was needed
        h.count(6700)
        assert (h.counted, h.reserved) == (7701, 7701)  # there is not room for that half any more
        with pytest.raises(QuotaError) as caught:
            h.count(300)
        assert caught.value.status == 402 and (h.counted, h.reserved) == (7701, 7701)
        h.count(299)
        assert state() == (8000, 8000, 0)
        for wrong in (-1, 1.5, "1", None):
            with pytest.raises((ValueError, TypeError)):
                h.count(wrong)
        assert h.settle().charged == 8000
        with pytest.raises(RuntimeError):
            h.count(1)


def test_counting_asks_nothing_of_the_database_while_there_is_room(app_engine, subject):
    asked = []
    with hold(app_engine, subject, "llm_tokens", 500) as h:
        event.listen(app_engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        for _ in range(500):
            h.count(1)
        assert asked == []


def test_counting_renews_a_hold_in_time(app_engine, subject, state):
    with hold(app_engine, subject, "llm_tokens", 500, ttl="2 seconds") as h:
        first = h.expires_at
        for _ in range(30):
            time.sleep(0.1)
            h.count(1)
        assert h.expires_at > first and state() == (500, 500, 7500)  # after 3 seconds
    assert state() == (30, 0, 7970)


def test_a_hold_that_expired_in_silence_counts_no_more_and_is_paid_late(app_engine, subject, state):
    with pytest.raises(QuotaError) as caught, hold(app_engine, subject, "llm_tokens", 500, ttl="300 milliseconds") as h:
        h.count(100)
        time.sleep(0.5)
        assert state() == (0, 0, 8000)
        h.count(1)
    assert caught.value.sqlstate == "QT410" and state() == (100, 0, 7900)


def test_a_result_that_is_not_stored_was_delivered_all_the_same(bind, app_engine, subject, state):
    with hold(bind, subject, "llm_tokens", 500) as h:
        h.count(30)
        with pytest.raises(ZeroDivisionError), app_engine.begin() as connection:  # caught inside the block
            assert h.settle(connection=connection).charged == 30
            raise ZeroDivisionError
    assert state() == (30, 0, 7970)
    with pytest.raises(ZeroDivisionError), hold(bind, subject, "llm_tokens", 500) as h:
        h.count(20)
        with Session(app_engine, future=True) as session, session.begin():
            h.settle(connection=session)
            raise ZeroDivisionError
    assert state() == (50, 0, 7950)
    with app_engine.begin() as connection, hold(bind, subject, "llm_tokens", 500) as h:  # it commits after the block
        h.count(10)
        h.settle(connection=connection)
    assert state() == (60, 0, 7940)


def test_releasing_gives_back_what_was_counted(bind, subject, state):
    with hold(bind, subject, "llm_tokens", 500) as h:
        h.count(30)
        h.release()
    assert state() == (0, 0, 8000)


def test_a_settle_that_fails_is_tried_again_and_told(app_engine, owner, subject, state, caplog):
    def disconnect(connection):
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with owner.connect() as other:
            broken.append(other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one())

    broken = []
    with hold(app_engine, subject, "llm_tokens", 500) as h:
        h.count(30)
        event.listen(app_engine, "begin", disconnect, once=True)
    assert broken == [True] and state() == (30, 0, 7970)  # over a new connection

    with caplog.at_level(logging.ERROR), hold(app_engine, subject, "llm_tokens", 500, ttl="300 milliseconds") as h:
        h.count(40)
        h._bind = db.engine("postgresql://nobody@127.0.0.1:1/nothing")
    assert "40 delivered units are not charged" in caplog.text and str(h.expires_at) in caplog.text
    time.sleep(0.5)
    assert state() == (30, 0, 7970)  # what the expiry leaves: nothing charged, nothing reserved


def test_a_process_that_is_killed_charges_nothing_and_keeps_nothing(ready, subject, state):
    code = (
        "import sys, time; sys.path[:0] = sys.argv[3:]; import quota_client; from docapp import db\n"
        "with quota_client.hold(db.engine(sys.argv[1]), sys.argv[2], 'llm_tokens', 500, ttl='2 seconds') as h:\n"
        "    h.count(40); print(h.id, flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-B", "-c", code, ready["QUOTA_APP_URL"], subject, str(EXAMPLE), str(CLIENT)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert int(child.stdout.readline()) > 0
    assert state() == (500, 500, 7500)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    time.sleep(2.2)
    assert state() == (0, 0, 8000)


def test_a_process_that_died_keeps_nothing(app_engine, subject, state):
    h = hold(app_engine, subject, "llm_tokens", 500, ttl="400 milliseconds").__enter__()
    assert state() == (500, 500, 7500)
    time.sleep(0.5)
    assert state() == (0, 0, 8000)
    with pytest.raises(QuotaError) as caught:
        h.extend()
    assert caught.value.sqlstate == "QT410"
    assert h.settle(300).charged == 300  # late
    assert h.settle(300).charged == 300 and state() == (300, 0, 7700)  # again: the same answer, paid once
    with pytest.raises(QuotaError) as caught:
        h.settle(301)
    assert caught.value.sqlstate == "QT410" and state() == (300, 0, 7700)


def test_a_key_gives_a_retry_the_same_hold(app_engine, subject, state):
    with hold(app_engine, subject, "llm_tokens", 500, key="k") as first:
        with hold(app_engine, subject, "llm_tokens", 500, key="k") as again:
            assert again.id == first.id and state() == (500, 500, 7500)
            again.settle(10)
    assert state() == (10, 0, 7990)  # the first finds it closed, and says nothing


def test_wants_a_bind_not_a_connection(app_engine, subject):
    with app_engine.connect() as connection, pytest.raises(TypeError):
        hold(connection, subject, "llm_tokens", 1)


def test_observe_reserves_beyond_the_room(ready, subject):
    engine = db.engine(ready["QUOTA_OWNER_URL"], connect_args={"options": "-c quota.enforcement=observe"})
    with hold(engine, subject, "llm_tokens", 9000) as h:
        assert h.reserved == 9000
        assert h.settle(100).charged == 100
    engine.dispose()
    nothing = hold(engine, subject, "llm_tokens", 1)  # as where the feature is not given: no id
    assert nothing.extend(2) is nothing and nothing.settle(1) is None


# -- answers over HTTP


def events_of(response):
    name = None
    for line in response.iter_lines(decode_unicode=True, chunk_size=1):
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def test_an_answer_is_streamed_and_settled(person, stored):
    rae = person("Rae")
    rae.upload("r.md", text_of("rotor", 12))
    workspace = rae.me()["workspace"]["slug"]
    with rae.post("/api/answers", json={"question": QUESTION}, headers=STREAM, stream=True) as answer:
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/event-stream")
        events = events_of(answer)
        name, reserved = next(events)
        assert name == "reserved"
        f = rae.feature("llm_tokens")
        assert f["reserved"] == reserved["reserved"] == f["used"] > 0  # /api/user/me shows it meanwhile
        assert 'class="reserved"' in rae.get("/usage").text
        assert stored(workspace)[2] == 0
        rest = list(events)
    *_, (name, done) = rest
    assert name == "done" and done["found"] and [d for n, d in rest if n == "sentence"] == done["sentences"]
    assert any(n == "reserved" and d["reserved"] > reserved["reserved"] for n, d in rest)  # it went past the estimate
    f = rae.feature("llm_tokens")
    assert (f["used"], f["reserved"]) == (done["tokens"], 0) and stored(workspace)[2] == 1
    assert 'class="reserved"' not in rae.get("/usage").text
    # one line in the history, with what it came to
    page = rae.get("/history").text
    assert page.count("Answered “") == 1 and f"+{done['tokens']:,} tokens" in page


@pytest.fixture
def denied(owner):
    """How often quota.denials says that a subject was refused llm_tokens; what follows an answer may take a moment."""

    def look(subject, expected):
        query = text("SELECT sum(times) FROM quota.denials WHERE subject = :s AND feature = 'llm_tokens'")
        for _ in range(100):
            with owner.connect() as connection:
                found = connection.execute(query, {"s": subject}).scalar_one() or 0
            if found == expected:
                break
            time.sleep(0.05)
        return found

    return look


def test_too_little_room_is_402_before_any_stream(person, stored, app_engine, denied):
    sam = person("Sam")
    sam.upload("s.md", text_of("rotor", 12))
    with app_engine.begin() as connection:
        qc.debit(connection, sam.me()["subject"], "llm_tokens", 7900)
    workspace = sam.me()["workspace"]["slug"]
    before = stored(workspace)
    refused = sam.post("/api/answers", json={"question": QUESTION}, headers=STREAM, stream=True)
    assert refused.status_code == 402 and refused.headers["Content-Type"] == "application/json"
    assert refused.json()["remaining"] == 100 < refused.json()["requested"]
    assert "Retry-After" in refused.headers
    assert stored(workspace) == before and sam.feature("llm_tokens")["reserved"] == 0
    # the first page of operations.md: who hit the wall, by a reserve that raised and by a check before the work
    assert denied(sam.me()["subject"], 1) == 1
    with app_engine.begin() as connection:
        qc.debit(connection, sam.me()["subject"], "llm_tokens", 100)
    assert sam.post("/api/answers", json={"question": QUESTION}).status_code == 402
    assert denied(sam.me()["subject"], 2) == 2


def test_room_that_ends_while_it_is_written_cuts_the_answer(person, app_engine, denied):
    tia = person("Tia")
    tia.upload("t.md", text_of("rotor", 12))
    whole = tia.post("/api/answers", json={"question": QUESTION}).json()
    estimate = whole["tokens"] - sum(answering.tokenizer.count(s["text"]) for s in whole["sentences"])
    room = estimate + answering.EXPECTED_WRITTEN + 3
    with app_engine.begin() as connection:
        qc.debit(connection, tia.me()["subject"], "llm_tokens", 8000 - whole["tokens"] - room)
    cut = tia.post("/api/answers", json={"question": QUESTION})
    assert cut.status_code == 201 and cut.json()["cut"]["code"] == "quota_exceeded"
    assert 0 < len(cut.json()["sentences"]) < len(whole["sentences"])
    f = tia.feature("llm_tokens")
    assert f["remaining"] == room - cut.json()["tokens"] >= 0 and f["reserved"] == 0
    assert "no tokens were left for more" in tia.get("/ask").text
    assert denied(tia.me()["subject"], 1) == 1  # the rest was refused, though no error says so


def test_a_client_that_leaves_pays_for_what_was_written(person, stored):
    uma = person("Uma")
    uma.upload("u.md", text_of("rotor", 12))
    workspace = uma.me()["workspace"]["slug"]
    whole = uma.post("/api/answers", json={"question": QUESTION}).json()
    before, answers = uma.feature("llm_tokens")["used"], stored(workspace)[2]
    answer = uma.post("/api/answers", json={"question": QUESTION}, headers=STREAM, stream=True)
    sentences = (data for name, data in events_of(answer) if name == "sentence")
    heard = next(sentences)
    assert uma.feature("llm_tokens")["reserved"] > 0
    answer.close()
    for _ in range(100):
        f = uma.feature("llm_tokens")
        if not f["reserved"]:
            break
        time.sleep(0.1)
    # the server notices when it writes the next one, or the one after
    counts = [answering.tokenizer.count(s["text"]) for s in whole["sentences"]]
    read = whole["tokens"] - sum(counts)
    assert f["reserved"] == 0 and f["used"] - before in {read + sum(counts[:n]) for n in range(1, len(counts))}
    assert heard == whole["sentences"][0] and stored(workspace)[2] == answers
    assert uma.get("/history").text.count("Answered “") == 2


@pytest.mark.parametrize("streamed", [True, False])
def test_an_error_in_the_middle_charges_what_was_delivered(app, person, stored, monkeypatch, streamed):
    vic = person("Vic")
    vic.upload("v.md", text_of("rotor", 12))
    workspace = vic.me()["workspace"]["slug"]
    client = app.test_client()
    monkeypatch.setitem(app.config, "SESSION_COOKIE_SECURE", False)
    monkeypatch.setitem(app.config, "STREAM_PACE", 0)
    page = client.get("/sign-in").text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    client.post("/sign-in", data={"email": vic.email, "password": PASSWORD, "csrf_token": token})
    page = client.get("/ask").text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    seen = []

    def breaks(composed, pace):
        yield composed["sentences"][0]
        seen.append(vic.feature("llm_tokens")["reserved"])
        seen.append(answering.tokenizer.count(composed["sentences"][0]["text"]))
        raise OSError("the model is gone")

    monkeypatch.setattr(answering, "write", breaks)
    headers = {"X-CSRF-Token": token} | (STREAM if streamed else {})
    answer = client.post("/api/answers", json={"question": QUESTION}, headers=headers)
    if streamed:
        assert answer.status_code == 200
        assert "event: failed" in answer.text and "event: done" not in answer.text
    else:
        assert answer.status_code == 500
    assert seen and seen[0] > 0
    f = vic.feature("llm_tokens")
    assert (f["used"] > seen[1] if streamed else f["used"] == 0) and f["reserved"] == 0
    assert stored(workspace)[2] == 0


def test_a_retry_of_a_stream_is_answered_from_its_receipt(person):
    wes = person("Wes")
    wes.upload("w.md", text_of("rotor", 12))
    first = wes.post("/api/answers", json={"question": QUESTION}, headers=STREAM, key="once")
    *_, (_, done) = events_of(first)
    again = wes.post("/api/answers", json={"question": QUESTION}, headers=STREAM, key="once")
    assert again.status_code == 201 and again.json() == done and again.headers["Idempotent-Replay"] == "true"
    assert wes.feature("llm_tokens")["used"] == done["tokens"]


def test_no_connection_is_kept_while_it_is_written(person, owner):
    """What the hold is for: between its steps nothing is locked and no transaction is open."""
    xen = person("Xen")
    xen.upload("x.md", text_of("rotor", 12))
    with xen.post("/api/answers", json={"question": QUESTION}, headers=STREAM, stream=True) as answer:
        events = events_of(answer)
        for name, _ in events:
            if name == "sentence":
                break
        with owner.connect() as connection:
            open_ = connection.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"
                    " AND datname = current_database() AND pid <> pg_backend_pid()"
                )
            ).scalar_one()
        assert open_ == 0
        list(events)


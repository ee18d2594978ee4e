"""quota_client by itself: Core, Session, a bare driver, and a Flask application of five lines."""

import importlib
import importlib.util
import json
import secrets
import subprocess
import time
import uuid
from decimal import Decimal
from types import SimpleNamespace

import pytest
import quota_client as qc
from conftest import CLIENT
from flask import Flask, jsonify
from quota_client import QuotaError
from quota_client.flask import Quota, requires
from sqlalchemy import Column, Integer, Text, text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session, declarative_base

KEYS = {
    "code", "subject", "feature", "requested", "remaining", "allowance",
    "used", "plan", "blocked_by", "resets_at", "retry_after",
}  # fmt: skip


# psycopg 3 is read as well where it is installed; SQLAlchemy 1.4 itself runs on psycopg2
DRIVERS = ["psycopg2"] + (["psycopg"] if importlib.util.find_spec("psycopg") else [])


@pytest.fixture
def subject(request):
    return f"test-{request.node.name[:40].replace('/', '-')}/me"


def test_needs_no_flask_for_the_core_part():
    code = "import sys; sys.modules['flask'] = None; import quota_client; print(quota_client.debit.__name__)"
    done = subprocess.run(
        ["/usr/bin/python3", "-B", "-c", code], cwd=CLIENT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "debit\n"


def test_core_connection(app_engine, subject):
    with app_engine.begin() as connection:
        row = qc.debit(connection, subject, "llm_tokens", 1200, key="k1", metadata={"why": "test"})
        assert isinstance(row.id, int) and row.remaining == 6800 and row.resets_at.tzinfo
        again = qc.debit(connection, subject, "llm_tokens", 1200, key="k1", metadata={"why": "test"})
        assert (again.id, again.remaining) == (row.id, 6800)
        assert qc.refund(connection, row.id, 200).remaining == 7000
        assert qc.check(connection, subject, "llm_tokens", 7001).allowed is False
        assert qc.has(connection, subject, "llm_tokens") and not qc.has(connection, subject, "mindmap")
        assert qc.setting(connection, subject, "max_upload_mb") == 1
        assert qc.setting(connection, subject, "mindmap") is None
        assert qc.me(connection, subject)["features"]["llm_tokens"]["used"] == 1000
        assert {r.feature for r in qc.status(connection, subject)} >= {"llm_tokens", "mindmap", "seats"}
        assert [o.plan for o in qc.offers(connection, subject, "llm_tokens", 9000)] == ["pro", "team"]
        entries = qc.statement(connection, subject, "llm_tokens")
        assert [e.amount for e in entries] == [1200, -200] and entries[0].metadata == {"why": "test"}


def test_session_flushes_first_and_rolls_back_with_the_charge(app_engine, subject):
    session = Session(app_engine, future=True)
    qc.debit(session, subject, "documents")
    assert qc.give_back(session, subject, "documents").remaining == 5
    qc.debit(session, subject, "documents", 2)
    session.rollback()
    with Session(app_engine, future=True) as fresh:
        assert qc.check(fresh, subject, "documents").used == 0
    session.close()


def test_refusal_carries_detail(app_engine, subject):
    with pytest.raises(QuotaError) as caught, app_engine.begin() as connection:
        qc.debit(connection, subject, "documents", 6)
    error = caught.value
    assert (error.sqlstate, error.status, error.code) == ("QT402", 402, "quota_exceeded")
    assert set(error.detail) == KEYS and error.body is error.detail
    assert error.detail["requested"] == 6 and error.detail["remaining"] == 5
    assert error.detail["plan"] == "free" and error.retry_after is None
    assert "documents" in error.message and "sqlalchemy" not in error.message.lower()


def test_other_codes(app_engine, subject):
    def code_of(function, *arguments, **more):
        with pytest.raises(QuotaError) as caught, app_engine.begin() as connection:
            function(connection, *arguments, **more)
        assert caught.value.body == caught.value.detail or set(caught.value.body) == {"code", "message"}
        return caught.value.sqlstate, caught.value.code

    assert code_of(qc.debit, subject, "mindmap") == ("QT403", "not_entitled")
    assert code_of(qc.debit, subject, "nonsense") == ("QT404", "not_found")
    assert code_of(qc.refund, 999_999_999) == ("QT404", "not_found")
    with app_engine.begin() as connection:
        qc.debit(connection, subject, "pages", 1, key="same")
    assert code_of(qc.debit, subject, "pages", 2, key="same") == ("QT409", "idempotency_conflict")


def test_try_debit_leaves_the_transaction_usable(app_engine, subject):
    with app_engine.begin() as connection:
        refused = qc.try_debit(connection, subject, "documents", 6)
        assert (refused.allowed, refused.reason, refused.debited) == (False, "quota_exceeded", 0)
        taken = qc.try_debit(connection, subject, "documents", 6, up_to=True)
        assert (taken.allowed, taken.debited, taken.remaining) == (True, 5, 0)


@pytest.mark.parametrize("feature, amount", [("documents", 6), ("llm_tokens", 8001), ("mindmap", 1)])
def test_require_says_what_debit_would_say(app_engine, subject, feature, amount):
    with pytest.raises(QuotaError) as early, app_engine.connect() as connection:
        qc.require(connection, subject, feature, amount)
    with pytest.raises(QuotaError) as late, app_engine.begin() as connection:
        qc.debit(connection, subject, feature, amount)
    assert early.value.sqlstate == late.value.sqlstate
    told, said = dict(early.value.detail), dict(late.value.detail)
    assert list(told) == list(said) or set(told) == set(said)
    assert (told["resets_at"] is None) == (said["resets_at"] is None)
    for volatile in ("resets_at", "retry_after"):  # the format of times may differ, the second may turn
        told.pop(volatile), said.pop(volatile)
    assert told == said


def test_an_argument_that_quota_refuses_is_a_400(app_engine, subject):
    def refused(function, *arguments, **more):
        with pytest.raises(QuotaError) as caught, app_engine.begin() as connection:
            function(connection, *arguments, **more)
        assert caught.value.status == 400 and caught.value.detail is None
        assert caught.value.body == {"code": caught.value.code, "message": caught.value.message}
        return caught.value.sqlstate, caught.value.code

    wrong, long, large = (
        ("22023", "invalid_parameter_value"), ("22001", "string_data_right_truncation"), ("22003", "numeric_value_out_of_range")
    )  # fmt: skip
    assert refused(qc.debit, subject, "documents", 0) == wrong
    assert refused(qc.debit, subject, "max_upload_mb") == wrong
    assert refused(qc.debit, "a//b", "documents") == wrong
    assert refused(qc.give_back, subject, "documents", 1) == wrong
    assert refused(qc.debit, "x" * 256, "documents") == long
    assert refused(qc.debit, subject, "documents", 1, key="k" * 256) == long
    assert refused(qc.debit_many, subject, {"pages": 2**63}) == large
    with app_engine.begin() as connection:
        debit_id = qc.debit(connection, subject, "pages", 2).id
        qc.refund(connection, debit_id)
    assert refused(qc.refund, debit_id) == wrong  # a poller that sends it again


def test_quota_s_own_errors_are_told_from_the_application_s(app_engine, owner, subject):
    def error_of(engine, statement):
        with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
            connection.execute(text(statement), {"s": subject} if ":s" in statement else {})
        return QuotaError.from_exception(caught.value)

    with owner.begin() as connection:
        connection.execute(text(
            "CREATE FUNCTION picky() RETURNS int LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'not ours'; END $$"
        ))  # fmt: skip
    ours = ["SELECT quota.debit(:s, 'documents', 0)", "SELECT quota.debit(:s, 'documents', NULL)", "SELECT quota.debit('', 'pages')"]
    assert [error_of(app_engine, s).sqlstate for s in ours] == ["22023", "22004", "22023"]
    assert error_of(owner, "SELECT quota.set_status(:s, 'asleep')").sqlstate == "22023"  # PL/pgSQL of ours
    others = ["SELECT 1/0", "SELECT 'x'::int", "SELECT picky()", "SELECT quota.debit(:s, 'pages', picky())", "SELECT 9223372036854775807 + 1"]
    assert [error_of(owner, s) for s in others] == [None] * len(others)
    with owner.begin() as connection:
        connection.execute(text("DROP FUNCTION picky()"))


def test_ids_and_decimals_are_cast(app_engine, subject):
    number, name = secrets.randbelow(2**62), uuid.uuid4()
    with app_engine.begin() as connection:
        assert qc.debit(connection, number, "pages", 2, key=name).remaining == 98
        assert qc.debit(connection, str(number), "pages", Decimal(2), key=str(name)).remaining == 98
        assert qc.debit(connection, name, "pages", Decimal("3.00"), key=7).remaining == 97
        assert [row.feature for row in qc.status(connection, name) if row.used] == ["pages"]
    for wrong in (Decimal("1.5"), 1.5, b"1", [1]):
        with pytest.raises(TypeError, match="quota.debit takes no .*amount"), app_engine.begin() as connection:
            qc.debit(connection, subject, "pages", wrong)
    # by hand the same is a cast, or a str
    with app_engine.begin() as connection:
        query = text("SELECT remaining FROM quota.debit(CAST(:id AS text), 'pages', CAST(:n AS bigint))")
        assert connection.execute(query, {"id": secrets.randbelow(2**62), "n": Decimal(3)}).scalar_one() == 97


def test_compact_json_is_a_parameter(app_engine):
    catalog = '{"features":{"x":{"kind":"boolean"}},"plans":{"p":{"entitlements":{"x":{"value":true}}}}}'
    with app_engine.connect() as connection:
        with pytest.raises(StatementError):  # text() takes :true for a parameter of its own
            connection.execute(text(f"SELECT CAST('{catalog}' AS jsonb)"))
        given = connection.execute(text("SELECT CAST(:catalog AS jsonb)"), {"catalog": catalog}).scalar_one()
    assert given == json.loads(catalog)


@pytest.mark.parametrize("driver", DRIVERS)
def test_bare_driver_errors(driver, app_engine, subject):
    driver = importlib.import_module(driver)
    _, place = app_engine.dialect.create_connect_args(app_engine.url)
    place["dbname"] = place.pop("database", None) or place["dbname"]  # SQLAlchemy 1.4's psycopg2 names it so
    connection = driver.connect(**place)
    try:
        with pytest.raises(driver.Error) as caught:
            connection.cursor().execute("SELECT * FROM quota.debit(%s, 'documents', 99)", (subject,))
        assert QuotaError.from_exception(caught.value).detail["requested"] == 99
    finally:
        connection.close()


@pytest.fixture
def gated(owner, subject):
    """A mapped class over a table with a gate of documents, which the application's role may write."""
    base = declarative_base()

    class Report(base):
        __tablename__ = "gated_report"
        id = Column(Integer, primary_key=True)
        subject = Column(Text, nullable=False)

    with owner.begin() as connection:
        base.metadata.create_all(connection)
        connection.execute(text("GRANT ALL ON gated_report TO PUBLIC"))
        connection.execute(text("SELECT quota.protect('gated_report', 'documents', 'r.subject')"))
    yield lambda n: [Report(id=number, subject=subject) for number in range(n)]
    with owner.begin() as connection:
        base.metadata.drop_all(connection)


def refused_documents(error):
    assert (error.status, error.detail["feature"], error.detail["allowance"]) == (402, "documents", 5)
    assert set(error.detail) == KEYS and error.hint is not None
    return error.detail["requested"]


def test_a_gate_refuses_a_flush_a_commit_and_a_statement(app_engine, gated):
    with Session(app_engine, future=True) as session:
        session.add_all(gated(5))
        session.commit()
    sixth = {"id": 5, "subject": gated(1)[0].subject}

    def flush(session):
        session.flush()

    def commit(session):
        session.commit()

    def query(session):
        session.execute(text("SELECT 1"))
        qc.check(session, sixth["subject"], "documents")  # flushes first

    def statement(session):
        session.expunge_all()
        session.execute(text("INSERT INTO gated_report VALUES (:id, :subject)"), sixth)

    for work in (flush, commit, query, statement):
        with pytest.raises(QuotaError) as caught, Session(app_engine, future=True) as session:
            session.add(gated(6)[5])
            with qc.refusals():
                work(session)
        assert refused_documents(caught.value) == 1
        assert isinstance(caught.value.__cause__, DBAPIError) and caught.value.__cause__.orig.pgcode == "QT402"
    with app_engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM gated_report")).scalar_one() == 5


def test_refusals_lets_other_errors_pass(app_engine):
    with pytest.raises(DBAPIError) as caught, app_engine.connect() as connection, qc.refusals():
        connection.execute(text("SELECT 1/0"))
    assert caught.value.orig.pgcode == "22012"
    with pytest.raises(KeyError), qc.refusals():
        {}["nothing"]


def test_flask_answers_what_a_gate_refuses_at_commit(small_app, app_engine, gated):
    @small_app.application.post("/reports/<int:n>")
    def reports(n):
        with Session(app_engine, future=True) as session:
            session.add_all(gated(n))
            session.commit()
        return jsonify(stored=n)

    answer = small_app.post("/reports/6")
    assert answer.status_code == 402 and set(answer.json) == KEYS
    assert (answer.json["feature"], answer.json["remaining"]) == ("documents", answer.json["allowance"] - answer.json["used"])
    assert small_app.post("/reports/5").json == {"stored": 5}


def test_only_our_codes_are_read():
    detail = dict.fromkeys(KEYS) | {"code": "rate_limited", "retry_after": 3}
    diag = SimpleNamespace(message_primary="slow", message_detail=json.dumps(detail), message_hint=None)
    error = QuotaError.from_exception(SimpleNamespace(sqlstate="QT429", diag=diag))
    assert (error.status, error.retry_after, error.body) == (429, 3, detail)
    assert QuotaError.from_exception(SimpleNamespace(sqlstate="23505", diag=diag)) is None


@pytest.fixture
def small_app(app_engine, subject):
    """An application that has only quota_client."""
    app = Flask("small")
    quota = Quota(app, connect=app_engine.connect, subject=lambda: subject)

    @app.post("/take/<int:amount>")
    @quota.requires("documents")
    def take(amount):
        with app_engine.begin() as connection:
            return jsonify(remaining=qc.debit(connection, subject, "documents", amount).remaining)

    @app.post("/raw")
    def raw():  # a refusal that does not come through our helpers, as a gate's would
        with app_engine.begin() as connection:
            connection.execute(text("SELECT quota.debit(:s, 'mindmap')"), {"s": subject})

    @app.post("/broken")
    def broken():
        with app_engine.begin() as connection:
            connection.execute(text("SELECT 1/0"))

    @app.post("/many")
    @requires("llm_tokens", lambda: 9000)
    def many():
        raise AssertionError("the view must not run")

    return app.test_client()


def test_flask_answers(small_app, subject):
    assert small_app.post("/take/4").json == {"remaining": 1}
    late = small_app.post("/take/2")  # passes the check, refused by the debit
    assert late.status_code == 402 and set(late.json) == KEYS
    assert (late.json["requested"], late.json["remaining"]) == (2, 1)
    assert "Retry-After" not in late.headers and late.headers["Cache-Control"] == "no-store"
    assert small_app.post("/take/1").json == {"remaining": 0}
    early = small_app.post("/take/1")
    assert early.status_code == 402 and early.json["remaining"] == 0


@pytest.fixture
def denials(owner, subject):
    """What quota.denials has of the subject: {(feature, reason): times}."""

    def look():
        with owner.connect() as connection:
            rows = connection.execute(text("SELECT feature, reason, times FROM quota.denials WHERE subject = :s"), {"s": subject})
            return {(row.feature, row.reason): row.times for row in rows}

    return look


def test_refusals_are_noted_once_they_are_answered(small_app, denials):
    def post(path):
        with small_app.post(path) as answer:
            assert answer.status_code >= 400
            return denials()  # before the response is closed

    assert post("/take/9") == {} and denials() == {("documents", "quota_exceeded"): 1}  # raised by a debit
    post("/many")  # by `requires`, which charges nothing
    post("/raw")
    post("/take/9")
    post("/broken")
    assert denials() == {
        ("documents", "quota_exceeded"): 2, ("llm_tokens", "quota_exceeded"): 1, ("mindmap", "not_entitled"): 1
    }  # fmt: skip


def test_noting_never_fails_a_response_and_waits_for_nothing_long(small_app, owner, denials, caplog):
    with owner.begin() as connection:
        connection.execute(text("LOCK TABLE quota_internal.denial IN ACCESS EXCLUSIVE MODE"))
        began = time.monotonic()
        with small_app.post("/take/9") as answer:
            assert answer.status_code == 402 and time.monotonic() - began < 1
        assert time.monotonic() - began < 5 and "a refusal was not noted" in caplog.text
    assert denials() == {}
    quota = small_app.application.extensions["quota"]
    for connect in (None, lambda: 1 / 0, lambda: owner.execution_options(postgresql_readonly=True).connect()):
        quota.connect = connect
        quota.note({"code": "quota_exceeded"})
    assert denials() == {}


def test_flask_catches_refusals_it_did_not_ask_for(small_app):
    answer = small_app.post("/raw")
    assert answer.status_code == 403 and answer.json["code"] == "not_entitled"
    assert small_app.post("/broken").status_code == 500


def test_requires_with_an_amount_and_retry_after(small_app):
    answer = small_app.post("/many")
    assert answer.status_code == 402 and answer.json["requested"] == 9000
    # 9,000 never fit a period of 8,000: waiting does not help, and says so
    assert answer.json["retry_after"] is None and "Retry-After" not in answer.headers


def test_retry_after_is_sent_where_waiting_helps(small_app, app_engine, subject):
    with app_engine.begin() as connection:
        qc.debit(connection, subject, "llm_tokens", 7000)
    app = small_app.application
    with app.app_context():
        view = app.extensions["quota"].requires("llm_tokens", 2000)(lambda: "never")
    app.view_functions["many"] = view
    answer = small_app.post("/many")
    assert answer.status_code == 402
    seconds = answer.json["retry_after"]
    assert 0 < seconds <= 31 * 86400 and answer.headers["Retry-After"] == str(seconds)



"""Calls, errors and rows, over every driver, directly and through PgBouncer."""

import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
import quota_client
from quota_client import InvalidArgument, QuotaError, QuotaExceeded
from quota_client.core.call import NOTHING, Call
from quota_client.core.surface import at_once, awaited

KEYS = {
    "code", "subject", "feature", "requested", "remaining", "allowance",
    "used", "plan", "blocked_by", "resets_at", "retry_after",
}  # fmt: skip


async def test_a_charge_and_its_rows(way, subject):
    async with way.begin() as c:
        row = await way.call("debit", c, subject, "tokens", 120, key="k1", metadata={"why": "it's \"100%\" :true"})
        assert isinstance(row.id, int) and row.remaining == 880 and row.resets_at.tzinfo
        again = await way.call("debit", c, subject, "tokens", 120, key="k1", metadata={"why": "it's \"100%\" :true"})
        assert (again.id, again.remaining) == (row.id, 880)
        assert (await way.call("refund", c, row.id, 20))[1:] == (20, 900)
        assert (await way.call("try_debit", c, subject, "tokens", 901)).reason == "quota_exceeded"
        part = await way.call("try_debit", c, subject, "tokens", 2000, up_to=True)
        assert (part.allowed, part.debited, part.remaining) == (True, 900, 0)
    async with way.begin() as c:
        both = await way.call("debit_many", c, f"two-{subject}", {"tokens": 7, "documents": 2})
        assert [(r.feature, r.remaining) for r in both] == [("documents", 3), ("tokens", 993)]
        entries = await way.call("statement", c, subject, "tokens")
        assert [e.amount for e in entries] == [120, -20, 900] and entries[0].metadata["why"] == "it's \"100%\" :true"


async def test_what_is_left(way, subject):
    async with way.begin() as c:
        assert await way.call("has", c, subject, "tokens") is True
        assert await way.call("has", c, subject, "mindmap") is False
        assert await way.call("setting", c, subject, "max_mb") == 1
        assert await way.call("setting", c, subject, "mindmap") is None
        status = {row.feature: row for row in await way.call("status", c, subject)}
        assert set(status) == {"tokens", "documents", "api", "mindmap", "max_mb"} and status["max_mb"].value == 1
        me = await way.call("me", c, subject)
        assert me["plan"]["name"] == "free" and me["features"]["tokens"]["unit"] == "token"
        offers = await way.call("offers", c, subject, "tokens", 5000)
        assert [(o.plan, o.title, o.allowance) for o in offers] == [("pro", "Pro", 100000)]
        plans = await way.call("plans", c)
        assert plans[0].metadata == {"price": 0} and plans[0].entitlements["documents"] == {"allowance": 5}
        assert (await way.call("quote", c, "chat", {"input": 10, "output": 5}))[0] == ("tokens", 30)
        assert (await way.call("check", c, subject, "documents")).retry_after is None


async def test_values_of_every_type(way, subject):
    now = datetime.now(timezone.utc)
    async with way.begin() as c:
        await way.call("subscribe", c, subject, "pro", trial=timedelta(days=3), timezone="Europe/Berlin", quantity=2)
        me = await way.call("me", c, subject)
        ends = datetime.fromisoformat(me["plan"]["trial_ends_at"])
        assert timedelta(days=2, hours=23) < ends - now < timedelta(days=3, hours=1)
        grant = await way.call("credit", c, subject, "tokens", 50, expires_at=now + timedelta(days=1), beyond_caps=True)
        assert await way.call("revoke", c, grant.id, 20) == 20
        key = await way.call("create_api_key", c, subject, "laptop", scopes=["read", "it's"])
        owner = await way.call("authenticate", c, key.secret)
        assert owner == (subject, key.id, ["read", "it's"])
        charged = await way.call("charge_units", c, subject, "chat", {"input": Decimal(10), "output": 5})
        assert [(row.feature, row.charged) for row in charged] == [("tokens", 30)]
        usage = await way.call("usage", c, subject, "tokens", now - timedelta(hours=1), step="hour", timezone="UTC")
        assert sum(row.used for row in usage) == 30
        assert await way.call("unit_hours", c, subject, "documents", now - timedelta(hours=1)) == Decimal(0)
        await way.call("override", c, subject, "documents", {"allowance": 7})
        assert (await way.call("check", c, subject, "documents")).allowance == 7
        await way.call("override", c, subject, "documents", None)
        assert (await way.call("check", c, subject, "documents")).allowance is None
        assert await way.call("verify", c) == []


@pytest.mark.parametrize("name", ["o'hara", 'the "best"', "100%s", "a:b", "$1", "\\'; DROP TABLE paper; --", "ünïcode ☃", "%(x)s"])
async def test_names_with_quotes_are_plain_data(way, name, subject):
    whose = f"{subject}/{name}"
    async with way.begin() as c:
        row = await way.call("debit", c, whose, "tokens", 1, key=name, metadata={name: name})
        assert row.remaining == 999
        assert (await way.call("statement", c, whose, "tokens"))[0].metadata == {name: name}
        assert (await way.call("statement", c, whose, "tokens"))[0].subject == whose


async def test_a_refusal_has_its_class_and_detail(way, subject, used):
    with pytest.raises(QuotaExceeded) as caught:
        async with way.begin() as c:
            await way.call("debit", c, subject, "tokens", 30)
            await way.call("debit", c, subject, "tokens", 1000)
    error = caught.value
    assert (error.sqlstate, error.status, error.code) == ("QT402", 402, "quota_exceeded")
    assert set(error.detail) == KEYS and error.body is error.detail
    assert (error.detail["requested"], error.detail["remaining"], error.detail["plan"]) == (1000, 970, "free")
    assert error.hint and "tokens" in error.message and error.retry_after > 0
    assert used() == (0, 0)  # the caller's transaction went as a whole


async def test_every_class_of_error(way, subject):
    async def refused(name, *args, **kwargs):
        with pytest.raises(QuotaError) as caught:
            async with way.begin() as c:
                await way.call(name, c, *args, **kwargs)
        return type(caught.value).__name__, caught.value.sqlstate, caught.value.status

    async with way.begin() as c:
        await way.call("debit", c, subject, "tokens", 1, key="same")
        await way.call("subscribe", c, f"{subject}-paused", "pro")
        await way.call("set_status", c, f"{subject}-paused", "paused")
        held = await way.call("reserve", c, subject, "tokens", 5)
        await way.call("settle", c, held.id, 3)
        await way.call("throttle", c, subject, "api", 2)
    assert await refused("debit", f"{subject}-paused", "tokens") == ("SubscriptionInactive", "QT402", 402)
    assert await refused("debit", subject, "mindmap") == ("NotEntitled", "QT403", 403)
    assert await refused("debit", subject, "api") == ("RateLimited", "QT429", 429)
    assert await refused("debit", subject, "tokens", 2, key="same") == ("IdempotencyConflict", "QT409", 409)
    assert await refused("debit", subject, "nonsense") == ("NotFound", "QT404", 404)
    assert await refused("settle", held.id, 4) == ("HoldClosed", "QT410", 410)
    assert await refused("authenticate", "qk_wrong") == ("Unauthenticated", "QT401", 401)
    for wrong in (0, -1, None):
        assert (await refused("debit", subject, "tokens", wrong))[0::2] == ("InvalidArgument", 400)
    assert (await refused("debit", None, "tokens"))[1] == "22004"
    assert (await refused("debit", "a//b", "tokens"))[1] == "22023"
    assert (await refused("debit", "x" * 256, "tokens"))[1] == "22001"
    assert (await refused("debit", subject, "tokens", 1, metadata={"x": "y" * 9000}))[1] == "22023"
    assert (await refused("apply_catalog", {"plans": {"free": {"oops": 1}}}, dry_run=True))[1] == "22023"


async def test_huge_and_unspeakable_values(way, subject, used):
    async with way.begin() as c:
        for huge in (2**63, -(2**63) - 1, 10**40):
            with pytest.raises(InvalidArgument) as caught:
                await way.call("debit", c, subject, "tokens", huge)
            assert (caught.value.sqlstate, caught.value.status) == ("22003", 400)
        for text in ("nul\0", "half a pair \ud800"):
            with pytest.raises(InvalidArgument, match="subject"):
                await way.call("debit", c, text, "tokens")
        with pytest.raises(InvalidArgument, match="metadata"):
            await way.call("debit", c, subject, "tokens", metadata={"x": float("nan")})
        await way.call("debit", c, subject, "tokens", 5)  # the transaction is as good as before
    assert used() == (5, 0)
    with pytest.raises(QuotaExceeded) as caught:
        async with way.begin() as c:
            await way.call("debit", c, subject, "tokens", 2**63 - 1)
    assert caught.value.detail["requested"] == 2**63 - 1
    with pytest.raises(InvalidArgument):
        async with way.begin() as c:
            await way.call("debit", c, subject, "tokens", metadata={"nul": "\0"})


async def test_values_of_a_wrong_type(way, subject):
    async with way.begin() as c:
        for wrong in (1.5, Decimal("1.5"), Decimal("nan"), "1", True, b"1", [1]):
            with pytest.raises(TypeError, match=r"quota\.debit takes no amount of type"):
                await way.call("debit", c, subject, "tokens", wrong)
        with pytest.raises(TypeError, match="units"):
            await way.call("charge", c, subject, "chat", 1.5)
        with pytest.raises(TypeError, match="since.*time zone"):
            await way.call("usage", c, subject, "tokens", datetime(2026, 1, 1))
        with pytest.raises(TypeError, match="feature"):
            await way.call("debit", c, subject, 7)
        with pytest.raises(TypeError, match="scopes"):
            await way.call("create_api_key", c, subject, "name", scopes="read")
        number, name = uuid.uuid4().int % 2**62, uuid.uuid4()
        assert (await way.call("debit", c, number, "tokens", Decimal("3.00"), key=name)).remaining == 997
        assert (await way.call("debit", c, str(number), "tokens", 3, key=str(name))).remaining == 997


async def test_a_savepoint_survives_a_refusal(way, subject, used):
    async with way.begin() as c:
        await way.call("debit", c, subject, "tokens", 10)
        await way.execute(c, "SAVEPOINT before")
        with pytest.raises(QuotaExceeded):
            await way.call("debit", c, subject, "tokens", 1000)
        await way.execute(c, "ROLLBACK TO SAVEPOINT before")
        await way.call("debit", c, subject, "tokens", 5)
    assert used() == (15, 0)


async def test_an_aborted_transaction_says_so(way, subject):
    with pytest.raises(Exception) as outer:
        async with way.begin() as c:
            with pytest.raises(QuotaError):
                await way.call("debit", c, subject, "mindmap")
            with pytest.raises(Exception) as caught:
                await way.call("check", c, subject, "tokens")
            assert not isinstance(caught.value, QuotaError)
            raise ZeroDivisionError
    assert outer.type is ZeroDivisionError


async def test_a_gate_refuses_the_application_s_own_statement(way, subject, used):
    number = uuid.uuid4().int % 2**50
    rows = ", ".join(f"({number + n}, '{subject}')" for n in range(6))
    with pytest.raises(QuotaExceeded) as caught:
        async with way.begin() as c:
            with quota_client.refusals():
                await way.execute(c, f"INSERT INTO paper VALUES {rows}")
    assert caught.value.detail["feature"] == "documents" and caught.value.detail["requested"] == 6
    assert used("documents") == (0, 0)


async def test_other_errors_pass_unchanged(way, owner):
    with pytest.raises(Exception) as caught:
        async with way.begin() as c:
            with quota_client.refusals():
                await way.execute(c, "SELECT 1/0")
    assert not isinstance(caught.value, QuotaError) and not quota_client.is_transient(caught.value)
    assert QuotaError.from_exception(caught.value) is None
    owner.execute("CREATE OR REPLACE FUNCTION meet(code text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = code; END $$")
    for code in ("40001", "40P01", "55P03"):
        with pytest.raises(Exception) as caught:
            async with way.begin() as c:
                await way.execute(c, f"SELECT meet('{code}')")
        assert quota_client.is_transient(caught.value)


async def test_a_function_that_the_extension_lacks(way):
    lacking = at_once if way.client is quota_client else awaited
    nonsense = lacking(lambda subject: Call("nonsense", NOTHING, {"subject": subject}))
    with pytest.raises(TypeError, match=r"quota.nonsense takes no \(subject\)"):
        async with way.begin() as c:
            answer = nonsense(c, "x")
            if way.client is not quota_client:
                await answer
    with pytest.raises(Exception, match="lacking") as caught:  # one that others' code lacks is theirs
        async with way.begin() as c:
            await way.call("unprotect", c, "paper", "documents")
            await way.call("protect", c, "paper", "documents", "lacking(r.owner)")
    assert not isinstance(caught.value, (TypeError, QuotaError))


async def test_the_other_kind_of_connection_is_told_apart(way, subject):
    async with way.begin() as c:
        other = quota_client.aio if way.client is quota_client else quota_client
        with pytest.raises(TypeError, match="quota_client"):
            answer = other.debit(c, subject, "tokens")
            await answer
    with pytest.raises(TypeError, match="no connection"):
        quota_client.debit(object(), subject, "tokens")


async def test_a_closed_connection_is_the_driver_s_error(way, subject, used):
    with pytest.raises(Exception) as caught:
        async with way.begin() as c:
            await way.call("debit", c, subject, "tokens", 5)
            await way.disconnect(c)
            await way.call("debit", c, subject, "tokens", 5)
    assert not isinstance(caught.value, (QuotaError, AssertionError)) and not quota_client.is_transient(caught.value)
    assert used() == (0, 0)
    async with way.begin() as c:  # a new one is as good as ever
        assert (await way.call("debit", c, subject, "tokens", 5)).remaining == 995

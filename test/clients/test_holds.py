"""Holds over every driver, directly and through PgBouncer.  test/flask/test_holds.py has more, over SQLAlchemy."""

import asyncio
import contextlib
import logging
import time

import anyio
import pytest
import ways
from quota_client import HoldClosed, QuotaExceeded


async def test_reserve_count_extend_settle(way, subject, used):
    async with way.hold(subject, "tokens", 100, ttl="1 minute", metadata={"why": "test"}) as h:
        assert (h.reserved, h.remaining, h.counted) == (100, 900, 0) and h.expires_at.tzinfo
        assert used() == (100, 100)  # committed: others see it
        assert await h.count(60) == 60 and used() == (100, 100)
        before = h.expires_at
        await h.count(60)
        assert h.reserved == 170 == used()[1] and h.expires_at > before  # half the estimate more than was needed
        await h.extend(300)
        assert used() == (300, 300)
        row = await h.settle(metadata={"tokens": 120})
        assert (row.id, row.charged, row.overdrawn) == (h.id, 120, 0)
        assert used() == (120, 0)
        with pytest.raises(RuntimeError):
            await h.count(1)
    assert used() == (120, 0)


LEFT_BY = [(error, 30) for error in (ZeroDivisionError, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)]


@pytest.mark.parametrize("error, counted", [*LEFT_BY, (ZeroDivisionError, 0), (None, 0), (None, 30), (None, 400)])
async def test_leaving_charges_what_was_counted(way, subject, used, error, counted):
    async def work():
        async with way.hold(subject, "tokens", 100) as h:
            await h.count(counted)
            if error:
                raise error

    if error:
        with pytest.raises(error):
            await work()
    else:
        await work()
    assert used() == (counted, 0)


async def test_too_little_room_reserves_nothing(way, subject, used):
    with pytest.raises(QuotaExceeded):
        async with way.hold(subject, "tokens", 1001):
            raise AssertionError("the block must not run")
    assert used() == (0, 0)
    async with way.hold(subject, "tokens", 1001, up_to=True) as h:
        assert h.reserved == 1000
        with pytest.raises(QuotaExceeded):
            await h.count(1001)
        assert h.counted == 0
        assert (await h.settle(1100)).overdrawn == 100  # the work is done all the same
    assert used() == (1100, 0)


async def test_a_retry_with_the_same_key_is_the_same_hold(way, subject, used):
    async with way.hold(subject, "tokens", 100, key="once") as first:
        async with way.hold(subject, "tokens", 100, key="once") as second:
            assert second.id == first.id and used() == (100, 100)
            await second.count(40)
        await first.count(40)
    assert used() == (40, 0)


async def test_settle_commits_with_the_rows_it_pays_for(way, subject, used, owner):
    owner.execute("CREATE TABLE IF NOT EXISTS answer (owner text, body text)")

    def stored():
        return owner.execute("SELECT count(*) FROM answer WHERE owner = %s", [subject]).fetchone()[0]

    async with way.hold(subject, "tokens", 100) as h:
        await h.count(70)
        async with way.begin() as c:
            await way.execute(c, f"INSERT INTO answer VALUES ('{subject}', 'blue')")
            await h.settle(connection=c)
            assert used() == (100, 100)
    assert used() == (70, 0) and stored() == 1
    with pytest.raises(ZeroDivisionError):
        async with way.hold(subject, "tokens", 100) as h:
            await h.count(20)
            async with way.begin() as c:
                await way.execute(c, f"INSERT INTO answer VALUES ('{subject}', 'blue')")
                await h.settle(connection=c)
                raise ZeroDivisionError
    assert used() == (90, 0) and stored() == 1  # delivered, though not stored


async def test_releasing_gives_back_what_was_counted(way, subject, used):
    async with way.hold(subject, "tokens", 100) as h:
        await h.count(30)
        await h.release()
        assert used() == (0, 0)
    assert used() == (0, 0)


async def test_an_open_connection_is_no_bind(way, subject):
    async with way.begin() as c:
        with pytest.raises(TypeError, match="commits by itself"):
            way.client.hold(c, subject, "tokens", 1)


@pytest.mark.parametrize("way", [ways.Psycopg, ways.Core, ways.Asyncpg], indirect=True)
async def test_a_hold_that_expired_in_silence_is_paid_late(way, subject, used):
    with pytest.raises(HoldClosed):
        async with way.hold(subject, "tokens", 100, ttl="1 second") as h:
            await h.count(30)
            time.sleep(1.2)
            assert used() == (0, 0)
            await h.count(1)
    assert used() == (30, 0)


async def test_a_hold_that_cannot_be_settled_is_told(way, subject, caplog, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError("the database is gone")

    with caplog.at_level(logging.ERROR):
        async with way.hold(subject, "tokens", 100) as h:
            await h.count(30)
            held = getattr(h, "_held", h)
            held._bind = broken
    assert "30 delivered units are not charged" in caplog.text and caplog.text.count("is not settled") == 1


async def test_a_cancelled_task_waits_until_its_hold_is_closed(way, subject, used):
    entered = asyncio.Event()

    async def work():
        async with way.hold(subject, "tokens", 100) as h:
            await h.count(40)
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.ensure_future(work())
    await entered.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # again, while it settles
    with pytest.raises(asyncio.CancelledError):
        await task
    assert used() == (40, 0)


async def test_a_transaction_around_the_block_commits_its_settle(way, subject, used):
    async with way.begin() as c:
        async with way.hold(subject, "tokens", 100) as h:
            await h.count(70)
            await h.settle(connection=c)
        assert used() == (100, 100)
    assert used() == (70, 0)


async def test_a_connection_of_a_pool_may_be_in_another_s_transaction_by_then(way, subject, used):
    async with contextlib.AsyncExitStack() as later:
        async with way.hold(subject, "tokens", 100) as h:
            await h.count(70)
            with pytest.raises(ZeroDivisionError):
                async with way.begin() as c:
                    await h.settle(connection=c)
                    raise ZeroDivisionError
            other = await later.enter_async_context(way.begin())
            await way.execute(other, "SELECT 1")
        assert used() == (70, 0)


async def test_a_settle_in_a_savepoint_that_is_rolled_back_was_none(way, subject, used):
    async with way.hold(subject, "tokens", 100) as h:
        await h.count(70)
        async with way.begin() as c:
            await way.execute(c, "SAVEPOINT before")
            await h.settle(connection=c)
            await way.execute(c, "ROLLBACK TO SAVEPOINT before")
    assert used() == (70, 0)


async def test_a_cancelled_scope_is_left_when_the_hold_is_closed(way, subject, used):
    """As Starlette ends a streamed answer whose client has gone: every await in the scope is cancelled, again and again."""
    entered = anyio.Event()

    async def work():
        async with way.hold(subject, "tokens", 100) as h:
            await h.count(40)
            entered.set()
            await anyio.sleep(60)

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await entered.wait()
        group.cancel_scope.cancel()
    assert used() == (40, 0)

"""The types as an application meets them; mypy reads this (test/lint/types), and nothing runs it."""

from datetime import datetime
from typing import Any, assert_type

import psycopg
import quota_client
from quota_client import aio, rows
from quota_client.testing import Clock


def at_once(connection: psycopg.Connection[Any]) -> None:
    row = quota_client.debit(connection, "alice", "tokens", 5, key=7, metadata={"why": "test"})
    assert_type(row.remaining, int | None)
    assert_type(row.resets_at, datetime | None)
    assert_type(quota_client.offers(connection, "alice", "tokens"), list[rows.Offer])
    assert_type(quota_client.has(connection, "alice", "tokens"), bool)
    assert_type(quota_client.cancel(connection, "alice"), datetime | None)
    quota_client.debit(connection, "alice")  # type: ignore[call-arg]
    quota_client.debit(connection, "alice", "tokens", amuont=1)  # type: ignore[call-arg]
    quota_client.debit(connection, "alice", "tokens", 1.5)  # type: ignore[arg-type]
    with quota_client.hold(lambda: connection, "alice", "tokens", 5) as h:
        assert_type(h.count(1), int)
        assert_type(h.settle(), rows.Settle | None)


async def awaited(connection: psycopg.AsyncConnection[Any]) -> None:
    row = await aio.debit(connection, "alice", "tokens")
    assert_type(row.remaining, int | None)
    async with aio.hold(lambda: connection, "alice", "tokens", 5) as h:
        assert_type(await h.count(1), int)


def caught(error: quota_client.Refused) -> None:
    assert_type(error.retry_after, int | None)


def later(clock: Clock) -> None:
    clock.advance(days=31)

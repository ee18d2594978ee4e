"""What stands in the database: events to read, how far a destination has come, its dead letters.

A Store is one session.  While it holds the destination's advisory lock, it alone moves the cursor; the lock goes
with the session, however that ends.

Ids are drawn before commit, so an event with a smaller id can become visible after one with a greater.  So events are
read in the order of (xid, id), and only those of transactions before the oldest in flight: nothing can appear
behind the cursor any more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import resources
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from .event import Event

_MESSAGE = """
    SELECT e.id, e.xid::text AS xid, format('evt_%%s_%%s', e.id, (extract(epoch FROM e.at) * 1000000)::bigint) AS message_id,
           e.type, e.subject, e.feature,
           jsonb_build_object('type', e.type, 'timestamp', to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                              'data', jsonb_build_object('id', e.id, 'subject', e.subject, 'feature', e.feature,
                                                         'actor', e.actor, 'data', e.data))::text AS payload
    FROM quota.events e
"""
_READ = (
    _MESSAGE
    + """
    WHERE e.xid < pg_snapshot_xmin(pg_current_snapshot()) AND (e.xid, e.id) > (%(xid)s::xid8, %(id)s) AND e.id > %(from_id)s
    ORDER BY e.xid, e.id LIMIT %(most)s
"""
)
_BEGIN = """
    INSERT INTO quota_relay.destination (name, kind, xid, newest_id, system)
    SELECT %(name)s, %(kind)s, s.xid, coalesce((SELECT max(e.id) FROM quota.events e WHERE e.xid < s.xid), 0), c.system_identifier
    FROM pg_control_system() c,
        (SELECT CASE %(start)s WHEN 'now' THEN pg_snapshot_xmin(pg_current_snapshot()) ELSE '0' END AS xid OFFSET 0) s
    ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, seen_at = clock_timestamp()
"""
_POSITION = """
    SELECT d.xid::text AS xid, d.event_id, d.newest_id, d.from_id, d.attempts,
           extract(epoch FROM clock_timestamp() - d.failing_since)::float8 AS failing_s,
           extract(epoch FROM d.retry_at - clock_timestamp())::float8 AS retry_in_s,
           d.system = (SELECT system_identifier FROM pg_control_system()) AS is_here
    FROM quota_relay.destination d WHERE d.name = %(name)s
"""
_SAVE = """
    UPDATE quota_relay.destination
    SET xid = %(xid)s::xid8, event_id = %(id)s, newest_id = greatest(newest_id, %(newest_id)s), sent = sent + %(sent)s,
        passed_over = passed_over + %(passed_over)s, died = died + %(died)s,
        attempts = 0, failing_since = NULL, retry_at = NULL, error = NULL, seen_at = clock_timestamp()
    WHERE name = %(name)s
"""
_FAILED = """
    UPDATE quota_relay.destination
    SET attempts = %(attempts)s, failing_since = coalesce(failing_since, clock_timestamp()),
        retry_at = clock_timestamp() + make_interval(secs => %(wait)s), error = %(error)s, seen_at = clock_timestamp()
    WHERE name = %(name)s
"""
_BURY = """
    INSERT INTO quota_relay.dead_letter (destination, event_id, message_id, type, subject, feature, payload, attempts, failing_since, error)
    SELECT %(name)s, %(id)s, %(message_id)s, %(type)s, %(subject)s, %(feature)s, %(payload)s::jsonb, %(attempts)s, d.failing_since, %(error)s
    FROM quota_relay.destination d WHERE d.name = %(name)s
"""
_RESEND = """
    SELECT l.id AS letter, l.event_id AS id, '0' AS xid, l.message_id, l.type, l.subject, l.feature, l.payload::text AS payload, l.attempts
    FROM quota_relay.dead_letter l
    WHERE l.destination = %(name)s AND l.resend_at <= clock_timestamp() AND l.resent_at IS NULL ORDER BY l.id LIMIT 100
"""
_RESENT = "UPDATE quota_relay.dead_letter SET resent_at = clock_timestamp() WHERE id = %(letter)s"
_RESEND_FAILED = """
    UPDATE quota_relay.dead_letter
    SET resend_at = clock_timestamp() + make_interval(secs => %(wait)s), attempts = attempts + 1, error = %(error)s WHERE id = %(letter)s
"""
_SEEN = """
    UPDATE quota_relay.destination SET seen_at = clock_timestamp() WHERE name = %(name)s RETURNING coalesce(retry_at <= clock_timestamp(), true)
"""

# Events that came with a dump bear transaction numbers of the cluster that it was made of, and those written since
# bear small ones: which of them are done with, the cursor and the newest id say together.
_CARRY_OVER = (
    """
    INSERT INTO quota_relay.dead_letter (destination, event_id, message_id, type, subject, feature, payload, attempts, error, resend_at)
    SELECT %(name)s, m.id, m.message_id, m.type, m.subject, m.feature, m.payload::jsonb, 0, 'not sent before a dump was restored', clock_timestamp()
    FROM ("""
    + _MESSAGE
    + """
          JOIN quota_relay.destination d ON d.name = %(name)s
          WHERE e.id <= %(newest)s AND e.id > d.from_id AND ((e.xid, e.id) > (d.xid, d.event_id) OR e.id > d.newest_id)
            AND (%(types)s::text[] = '{}' OR e.type = ANY (%(types)s))
          ORDER BY e.id) m
"""
)
_START_AGAIN = """
    UPDATE quota_relay.destination
    SET xid = '0', event_id = 0, from_id = %(newest)s, newest_id = %(newest)s, attempts = 0, failing_since = NULL, retry_at = NULL,
        error = NULL, system = (SELECT system_identifier FROM pg_control_system())
    WHERE name = %(name)s
"""

# A machine that is gone lets go of its lock when the server notices, which otherwise takes hours.
_SESSION = """
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
    SET statement_timeout = '60s'; SET search_path = pg_catalog
"""


class Elsewhere(Exception):
    """The cursor counts the transactions of another cluster."""


@dataclass(frozen=True)
class Position:
    xid: str
    event_id: int
    newest_id: int
    from_id: int
    attempts: int
    failing_s: float | None
    retry_in_s: float | None
    is_here: bool


@dataclass(frozen=True)
class Letter(Event):
    letter: int
    attempts: int


class Store:
    """One destination's session.  A context manager; psycopg.Error: the session is over."""

    def __init__(self, database: str, name: str) -> None:
        self._name = name
        self._connection = psycopg.connect(
            database, autocommit=True, application_name=f"quota-relay {name}", connect_timeout=10
        )
        self._connection.execute(_SESSION)
        self._touched = time.monotonic()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def _execute(self, statement: str, **values: object) -> None:
        self._connection.execute(statement.encode(), {"name": self._name} | values)
        self._touched = time.monotonic()

    def lock(self) -> bool:
        """Become the destination's relay; False: another is."""
        row = self._connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended('quota_relay.' || %s, 0))", [self._name]
        ).fetchone()
        return bool(row and row[0])

    def make_sure(self, within: float = 1) -> None:
        """That the session lives, and with it the lock, as of some moments ago."""
        if time.monotonic() - self._touched > within:
            self._execute("SELECT")

    def begin(self, kind: str, start: str) -> Position:
        """The row of this destination, made if need be.  Raises Elsewhere."""
        self._execute(_BEGIN, kind=kind, start=start)
        position = self.position()
        if not position.is_here:
            raise Elsewhere(
                "this database comes from a dump of another cluster: quota-relay restored goes on with what was not sent there"
            )
        return position

    def position(self) -> Position:
        with self._connection.cursor(row_factory=class_row(Position)) as cursor:
            row = cursor.execute(_POSITION, {"name": self._name}).fetchone()
        if row is None:
            raise Elsewhere("somebody has deleted the destination's row")
        return row

    def read(self, after: Position, most: int) -> list[Event]:
        """The next events, in order."""
        values = {"xid": after.xid, "id": after.event_id, "from_id": after.from_id, "most": most}
        with self._connection.cursor(row_factory=class_row(Event)) as cursor:
            rows = cursor.execute(_READ.encode(), values).fetchall()
        self._touched = time.monotonic()
        return rows

    def save(self, last: Event, newest_id: int, sent: int, passed_over: int) -> None:
        """All up to `last` is done with."""
        self._execute(
            _SAVE, xid=last.xid, id=last.id, newest_id=newest_id, sent=sent, passed_over=passed_over, died=0
        )

    def bury(self, event: Event, attempts: int, error: str) -> None:
        """The event, which is next, becomes a dead letter, and the cursor goes past it, together."""
        with self._connection.transaction():
            self._execute(_BURY, attempts=attempts, error=error, **vars(event))
            self._execute(_SAVE, xid=event.xid, id=event.id, newest_id=event.id, sent=0, passed_over=0, died=1)

    def failed(self, attempts: int, wait: float, error: str) -> None:
        """The next event could not be sent."""
        self._execute(_FAILED, attempts=attempts, wait=wait, error=error)

    def seen(self) -> bool:
        """Say that a relay is here; True: it may try again, because it is time or somebody has put retry_at earlier."""
        row = self._connection.execute(_SEEN.encode(), {"name": self._name}).fetchone()
        self._touched = time.monotonic()
        return row is None or bool(row[0])

    def wanted_letters(self) -> list[Letter]:
        """Dead letters that somebody wants to be sent again."""
        with self._connection.cursor(row_factory=class_row(Letter)) as cursor:
            rows = cursor.execute(_RESEND.encode(), {"name": self._name}).fetchall()
        self._touched = time.monotonic()
        return rows

    def resent(self, letter: Letter) -> None:
        self._execute(_RESENT, letter=letter.letter)

    def resend_failed(self, letter: Letter, error: str, wait: float | None) -> None:
        """It is tried again after `wait` seconds; None: when somebody asks again."""
        self._execute(_RESEND_FAILED, letter=letter.letter, error=error, wait=wait)


# ---- what a person calls -----------------------------------------------------------------------------


def make_tables(database: str, role: str | None) -> None:
    """The schema, as the role that owns it; `role` is the one that relays.  All or nothing."""
    script = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    with psycopg.connect(database, options="-c client_min_messages=warning") as connection:
        connection.execute("SET LOCAL search_path = pg_catalog")
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('quota_relay', 0))")
        owner = connection.execute(
            "SELECT nspowner::regrole::text, nspowner = current_user::regrole FROM pg_namespace WHERE nspname = 'quota_relay'"
        ).fetchone()
        if owner and not owner[1]:
            raise PermissionError(f"schema quota_relay belongs to {owner[0]}: run init as that role")
        connection.execute(script.encode())
        if role is not None:
            for grant in (
                "GRANT USAGE ON SCHEMA quota_relay TO {}",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA quota_relay TO {}",
            ):
                connection.execute(sql.SQL(grant).format(sql.Identifier(role)))
            connection.execute("SELECT quota.grant_access(%s, 'reader')", [role])


def states(database: str) -> list[tuple[object, ...]]:
    """(name, sent, waiting, dead letters, attempts, retry_at, error) of every destination."""
    with psycopg.connect(database) as connection:
        return connection.execute(
            "SELECT d.name, d.sent, m.waiting, m.dead, d.attempts, d.retry_at, d.error FROM quota_relay.destination d"
            " JOIN (SELECT labels ->> 'destination' AS name, max(value) FILTER (WHERE name = 'quota_relay_waiting_events') AS waiting,"
            " max(value) FILTER (WHERE name = 'quota_relay_dead_letters') AS dead FROM quota_relay.metrics GROUP BY 1) m USING (name)"
            " ORDER BY d.name"
        ).fetchall()


def resend(database: str, destination: str | None, letters: list[int]) -> int:
    """Have dead letters sent again: those with these ids, or all of a destination.  How many."""
    with psycopg.connect(database) as connection:
        return connection.execute(
            "UPDATE quota_relay.dead_letter SET resend_at = clock_timestamp()"
            " WHERE resent_at IS NULL AND resend_at IS NULL AND (id = ANY (%s) OR destination = %s)",
            [letters, destination],
        ).rowcount


def carry_over(database: str, wanted: dict[str, frozenset[str]]) -> dict[str, int]:
    """After a restore into another cluster, for each destination by name and types: what was not sent there is to be sent
    as dead letters are, and the cursor begins behind it.  How many, of the destinations that needed it.

    Raises TimeoutError where a transaction stays open."""
    carried = {}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(b"SET lock_timeout = '10s'; SET search_path = pg_catalog")
        elsewhere = connection.execute(
            "SELECT name FROM quota_relay.destination WHERE system <> (SELECT system_identifier FROM pg_control_system()) ORDER BY name"
        ).fetchall()
        newest = _newest_event(connection)
        for (name,) in elsewhere:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('quota_relay.' || %s, 0))", [name])
                values = {"name": name, "newest": newest, "types": list(wanted.get(name, ()))}
                carried[name] = connection.execute(_CARRY_OVER.encode(), values).rowcount
                connection.execute(_START_AGAIN, values)
    return carried


def _newest_event(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """The greatest id of an event, when all with smaller ids can be seen."""
    row = connection.execute(
        "SELECT coalesce(max(id), 0), pg_snapshot_xmax(pg_current_snapshot())::text FROM quota.events"
    ).fetchone()
    assert row is not None
    for _ in range(600):
        seen = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8", [row[1]]).fetchone()
        if seen and seen[0]:
            return int(row[0])
        time.sleep(0.1)
    raise TimeoutError("a transaction has been open for a minute: end it first (pg_stat_activity)")

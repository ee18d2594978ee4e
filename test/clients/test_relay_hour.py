"""A receiver that is down for an hour, by a clock that the test moves: what the defaults do then."""

import itertools
from collections import deque

import pytest
from quota_client.relay import pace, worker
from quota_client.relay.destinations import Later, Refused
from quota_client.relay.event import Event
from quota_client.relay.settings import read
from quota_client.relay.signature import new_secret
from quota_client.relay.store import Position

HOUR = 3600


class Clock:
    """Time, and what waits for it: a wait moves it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.now += max(seconds, 0)
        return self.is_set()

    def is_set(self):
        return self.now > 1000 + 100 * HOUR


class Books:
    """What Store does, in memory."""

    def __init__(self, events):
        self._events = deque(events)
        self.dead, self.saved, self.failures = [], 0, 0

    def begin(self, kind, start):
        return Position("0", 0, 0, 0, 0, None, None, True)

    def read(self, after, most):
        while self._events and self._events[0].id <= after.event_id:
            self._events.popleft()
        return list(itertools.islice(self._events, most))

    def save(self, last, newest_id, sent, passed_over):
        self.saved = last.id

    def bury(self, event, attempts, error):
        self.dead.append((event.id, attempts))

    def failed(self, attempts, wait, error):
        self.failures += 1

    def seen(self):
        return False

    def make_sure(self):
        pass

    def wanted_letters(self):
        return []


class Receiver:
    """Takes each event in a hundredth of a second, or raises what `mood` gives for the time."""

    def __init__(self, clock, mood):
        self._clock, self._mood = clock, mood
        self.asked, self.taken = [], []

    def send(self, event):
        self._clock.now += 0.01
        self.asked.append(self._clock.now)
        mood = self._mood(self._clock.now - 1000, event)
        if mood is not None:
            raise mood
        self.taken.append((event.id, self._clock.now))

    def flush(self):
        pass


def events(count):
    return [Event(n, str(n), f"evt_{n}", "credited", "acme", None, "{}") for n in range(1, count + 1)]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a line with the defaults of a webhook until nothing is left; (books, receiver)."""
    path = tmp_path / "relay.conf"
    path.write_text(f"[webhook crm]\nurl = http://localhost/\nsecret = {new_secret()}\n")
    (settings,) = read(str(path)).destinations

    def run(count, mood):
        clock = Clock()
        monkeypatch.setattr(worker, "time", clock)
        monkeypatch.setattr(pace, "time", clock)
        books, receiver = Books(events(count)), Receiver(clock, mood)
        line = worker.Line(settings, books, receiver, clock, once=False)
        done = lambda: books.saved == count or (books.dead and books.dead[-1][0] == count)  # noqa: E731
        monkeypatch.setattr(clock, "is_set", lambda: done() or clock.now > 1000 + 100 * HOUR)
        line.run(1)
        return books, receiver

    return run


def test_down_for_an_hour(run):
    books, receiver = run(5000, lambda at, event: Later("no answer") if at < HOUR else None)
    assert [number for number, _ in receiver.taken] == list(range(1, 5001))
    assert books.dead == [] and books.saved == 5000
    assert 15 <= books.failures <= 35  # left in peace, and tried
    assert receiver.taken[0][1] - 1000 - HOUR <= 300.1  # noticed within five minutes
    when = [at for _, at in receiver.taken]
    assert all(when[n + 56] - when[n] >= 1 for n in range(len(when) - 56))  # 50 a second, and a tenth of it at once
    assert when[-1] - when[0] < 120


def test_down_for_a_day_and_for_a_week(run):
    books, receiver = run(3, lambda at, event: Later("no answer") if at < 24 * HOUR else None)
    assert books.dead == [] and len(receiver.taken) == 3
    books, receiver = run(1, lambda at, event: Later("no answer"))
    ((number, attempts),) = books.dead
    assert 72 * HOUR <= receiver.asked[-1] - receiver.asked[0] <= 72 * HOUR + 301
    assert 864 <= attempts <= 2000


def test_an_hour_of_refusals_is_not_a_heap_of_dead_letters(run):
    """A deployment that has lost the secret answers 401 to everything."""
    books, receiver = run(1000, lambda at, event: Refused("answered 401") if at < HOUR else None)
    assert 10 <= len(books.dead) <= 40
    assert {attempts for _, attempts in books.dead} == {8}
    assert [number for number, _ in receiver.taken] == list(range(len(books.dead) + 1, 1001))


def test_retry_after_is_longer_than_a_wait(run):
    books, receiver = run(1, lambda at, event: Later("answered 503", after=1800) if at < HOUR else None)
    assert books.failures == 2 and len(receiver.taken) == 1


def test_flapping_keeps_the_order(run):
    books, receiver = run(500, lambda at, event: Later("no answer") if int(at / 7) % 2 else None)
    assert [number for number, _ in receiver.taken] == list(range(1, 501)) and books.dead == []

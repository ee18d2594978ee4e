"""One destination at work: read, send, try again, bury."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time

import psycopg

from .destinations import Destination, Later, Refused, open_destination
from .event import Event
from .pace import Pace, backoff
from .settings import Settings
from .store import Elsewhere, Position, Store

_LOG = logging.getLogger("quota_relay")


class Worker(threading.Thread):
    """Sends to one destination until `stop` is set.  `once`: until nothing is left to send, or sending fails."""

    def __init__(self, database: str, settings: Settings, poll: float, stop: threading.Event, once: bool = False) -> None:
        super().__init__(name=settings.name)
        self._database, self._settings, self._poll, self._stopping, self._once = database, settings, poll, stop, once
        self.ended_well = False

    def run(self) -> None:
        failures = 0
        while True:
            destination: Destination | None = None
            try:
                destination = open_destination(self._settings)
                with Store(self._database, self._settings.name) as store:
                    if self._wait_for_lock(store):
                        failures = 0
                        line = Line(self._settings, store, destination, self._stopping, self._once)
                        self.ended_well = line.run(self._poll)
                    return
            except (psycopg.Error, OSError, Elsewhere, Later) as error:
                failures += 1
                wait = backoff(failures, 1, 60)
                _LOG.error("%s: %s; again in %.0f s", self.name, str(error).strip(), wait)
            except Exception:
                failures += 1
                wait = backoff(failures, 1, 60)
                _LOG.exception("%s: a fault of the relay; again in %.0f s", self.name, wait)
            finally:
                if destination is not None:
                    destination.close()
            if self._once or self._stopping.wait(wait):
                return

    def _wait_for_lock(self, store: Store) -> bool:
        waiting = False
        while not store.lock():
            if not waiting:
                _LOG.warning("%s: another relay is at work", self.name)
                waiting = True
            if self._once or self._stopping.wait(self._poll):
                return False
        return True


class Line:
    """The events of a destination, one after the other, and how far they have come."""

    BATCH = 200
    SAVE_EVERY = 0.5  # seconds; what was sent since then is sent again after a kill
    SEEN_EVERY = 5.0

    def __init__(
        self, settings: Settings, store: Store, destination: Destination, stop: threading.Event, once: bool
    ) -> None:
        self._settings, self._store, self._destination, self._once = settings, store, destination, once
        self._stopping = stop
        self._pace = Pace(settings.rate)
        self._position: Position = store.begin(settings.kind, settings.start)
        self._attempts, self._refusals = self._position.attempts, 0
        self._failing_since = time.monotonic() - (self._position.failing_s or 0)
        self._last: Event | None = None  # done with, but not saved; the next three as well
        self._newest = self._sent = self._passed_over = 0
        self._saved_at = time.monotonic()

    def run(self, poll: float) -> bool:
        """Until told to stop; with `once` until nothing is left: True, or sending fails: False."""
        _LOG.info("%s: from (%s, %s) on", self._settings.name, self._position.xid, self._position.event_id)
        if not self._once:
            self._rest(self._position.retry_in_s or 0)
        while not self._stopping.is_set():
            resent = self._resend()
            events = self._store.read(self._position, self.BATCH)
            if not self._send_all(events):
                break
            if not events and not resent:
                if self._once:
                    return True
                self._idle(poll)
        return not self._once

    def _send_all(self, events: list[Event]) -> bool:
        """Send them in order, and save how far they came; False: told to stop, or `once` and failed."""
        try:
            for event in events:
                if self._settings.types and event.type not in self._settings.types:
                    self._passed_over += 1
                    self._done(event)
                elif not self._send(event):
                    return False
                if time.monotonic() - self._saved_at > self.SAVE_EVERY:
                    self._save()
            return True
        finally:
            self._save()

    def _send(self, event: Event) -> bool:
        """Send it, as often as it takes; True: done with it, dead or alive."""
        while self._pace.wait(self._stopping):
            self._store.make_sure()
            try:
                self._destination.send(event)
            except (Later, Refused) as failure:
                self._save()
                if self._is_hopeless(failure):
                    self._bury(event, failure)
                    return True
                self._rest(self._note(event, failure))
                if self._once:
                    return False
            else:
                self._sent += 1
                self._attempts = self._refusals = 0
                self._done(event)
                return True
        return False

    def _is_hopeless(self, failure: Later | Refused) -> bool:
        """Count the failure; True: it was the last that is waited for."""
        now = time.monotonic()
        self._failing_since = self._failing_since if self._attempts else now
        self._attempts += 1
        if isinstance(failure, Refused):
            self._refusals += 1
            return self._refusals >= self._settings.refusals
        return now - self._failing_since >= self._settings.patience

    def _note(self, event: Event, failure: Later | Refused) -> float:
        """Note a failure for whoever looks; the seconds to wait."""
        wait = self._wait_after(self._attempts, failure)
        self._store.failed(self._attempts, wait, str(failure))
        _LOG.warning("%s: event %s, attempt %s: %s; again in %.1f s", self._settings.name, event.id, self._attempts, failure, wait)
        return wait

    def _wait_after(self, attempts: int, failure: Later | Refused) -> float:
        wait = backoff(attempts, self._settings.first_wait, self._settings.longest_wait)
        return max(wait, failure.after) if isinstance(failure, Later) else wait

    def _bury(self, event: Event, failure: Later | Refused) -> None:
        self._store.bury(event, self._attempts, str(failure))
        _LOG.error("%s: event %s is a dead letter after %s attempts: %s", self._settings.name, event.id, self._attempts, failure)
        self._attempts = self._refusals = 0
        self._move(event)

    def _move(self, event: Event) -> None:
        self._position = dataclasses.replace(self._position, xid=event.xid, event_id=event.id)

    def _done(self, event: Event) -> None:
        self._move(event)
        self._last = event
        self._newest = max(self._newest, event.id)

    def _save(self) -> None:
        if self._last is not None:
            self._destination.flush()
            self._store.save(self._last, self._newest, self._sent, self._passed_over)
            self._last = None
            self._newest = self._sent = self._passed_over = 0
        self._saved_at = time.monotonic()

    def _rest(self, seconds: float) -> None:
        """Leave the other side alone for so long, or until somebody says that it may be tried."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._once:
            if self._stopping.wait(min(left, self.SEEN_EVERY)) or (left > self.SEEN_EVERY and self._store.seen()):
                break

    def _idle(self, poll: float) -> None:
        if time.monotonic() - self._saved_at > self.SEEN_EVERY:
            self._store.seen()
            self._saved_at = time.monotonic()
        self._stopping.wait(poll)

    def _resend(self) -> bool:
        """Send the dead letters that somebody wants sent; True: there were some."""
        letters = self._store.wanted_letters()
        for letter in letters:
            if not self._pace.wait(self._stopping):
                break
            self._store.make_sure()
            try:
                self._destination.send(letter)
                self._destination.flush()
            except Refused as failure:
                self._store.resend_failed(letter, str(failure), None)
            except Later as failure:
                self._store.resend_failed(letter, str(failure), self._wait_after(letter.attempts, failure))
                break
            else:
                self._store.resent(letter)
        return bool(letters)

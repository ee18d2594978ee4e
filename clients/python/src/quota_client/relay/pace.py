"""How fast a destination is sent to, and how long it is left alone after a failure."""

from __future__ import annotations

import random
import threading
import time


class Pace:
    """At most `rate` a second, with no more than a tenth of a second's at once: after an outage what has piled
    up goes out at this rate."""

    SLACK = 0.1

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate
        self._next = time.monotonic()

    def wait(self, stop: threading.Event) -> bool:
        """Wait for the next turn; False: told to stop meanwhile."""
        now = time.monotonic()
        self._next = max(self._next, now - self.SLACK)
        stopped = stop.wait(self._next - now) if self._next > now else stop.is_set()
        self._next += self._step
        return not stopped


def backoff(attempts: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures: doubled with each, up to `longest`, of which a random half to whole
    is taken, so that relays that failed together do not come back together."""
    return min(longest, first * 2.0 ** min(attempts - 1, 60)) * random.uniform(0.5, 1)

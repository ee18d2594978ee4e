"""A run from a seed, and what happens when it finds a mismatch."""

import os
import random
import time

from generate.operations import Generator
from oracle import times

from .database import Database
from .run import Mismatch, Runner
from .script import script
from .shrink import shrink

CHECK_EVERY = 50  # operations between two looks at the books


class Outcome:
    """What a run did."""

    def __init__(self, seed, operations, seconds, report=None):
        self.seed, self.operations, self.seconds, self.report = seed, operations, seconds, report


def start_of(rng):
    """The clock at the beginning."""
    return times.instant(rng.choice([
        "2011-12-28T08:00", "2012-02-27T23:59", "2019-03-29T12:34:56.789", "2021-10-30T00:00", "2024-01-31T10:00",
        "2026-06-15T07:30",
    ]))


def explore(url, seed, count, only=None, shrink_seconds=60):
    """Runs `count` operations from a seed; Outcome.report is None when all agree."""
    began = time.monotonic()
    rng = random.Random(seed)
    start = start_of(rng)
    zone = rng.choice(["UTC", "Asia/Kathmandu", "America/New_York"])
    database = Database(url, f"quota_model_{os.getpid()}", zone)
    try:
        done, mismatch = _run(Runner(database, start), rng, count, only)
        report = None
        if mismatch:
            least, last = shrink(database, start, done, mismatch, shrink_seconds)
            report = f"seed {seed}: {last}\n\n{script(start, least)}"
    finally:
        database.close()
    return Outcome(seed, len(done), time.monotonic() - began, report)


def _run(runner, rng, count, only):
    """(operations made, mismatch or None)"""
    generator, done = Generator(rng, runner, only), []
    try:
        for _ in range(count):
            number, operation = generator.next()
            done.append((number, operation))
            runner.perform(number, operation)
            if number % CHECK_EVERY == 0:
                runner.check_invariants(number)
        runner.check_invariants(count)
    except Mismatch as mismatch:
        return done, mismatch
    except Exception:
        print("at operation", done[-1])
        raise
    return done, None

"""The oracle without the extension: random operations, its own books compared."""

import random

from drive.explore import start_of
from drive.run import UNKNOWN_ID, Runner
from generate.capabilities import ALL
from generate.operations import Generator
from oracle.calls import call
from oracle.errors import Fault, answer
from oracle.world import SOURCES


class _Nobody:
    """In place of a database."""

    def sql(self, *_arguments, **_parameters):
        return []

    def commit(self):
        pass

    rollback = commit


class Alone(Runner):
    """A Runner that asks the oracle only."""

    def __init__(self, now):
        self.faults, self.answers = {}, {}
        super().__init__(_Nobody(), now)

    def _call(self, number, operation):
        arguments = {
            name: self.results.get(value["result of"], (UNKNOWN_ID,))[0]
            if isinstance(value, dict) and "result of" in value else value
            for name, value in operation["arguments"].items()
        }
        got = answer(call, self.world, operation["function"], arguments)
        counted = self.faults if isinstance(got, Fault) else self.answers
        counted[operation["function"]] = counted.get(operation["function"], 0) + 1
        self._remember_result(number, operation["function"], got, got)
        if isinstance(got, Fault) and not (self.begun is not None and operation.get("guard")):
            self._rollback(None)
        self._end_statement()


def wrong_books(world):
    """Texts: what does not add up in the oracle's state."""
    found = []
    sums = {}
    for entry in world.ledger.values():
        key = entry.window or (entry.account, entry.feature), entry.source
        sums[key] = sums.get(key, 0) + entry.amount
    for window, bucket in world.buckets.items():
        for source in SOURCES:
            count = getattr(bucket, source)
            if count != sums.get((window, source), 0) or count < 0:
                found.append(f"{window} {source}: {count}, ledger {sums.get((window, source), 0)}")
        taken = sum(units for key, units in world.grant_taken.items() if key[0] == window)
        if taken != bucket.grant:
            found.append(f"{window}: grant {bucket.grant}, by grant {taken}")
    for name, units in world.capacity.items():
        if units != sums.get((name, "capacity"), 0) or units < 0:
            found.append(f"{name}: holds {units}, ledger {sums.get((name, 'capacity'), 0)}")
    for key, used in world.grant_used.items():
        if used != sum(units for taken, units in world.grant_taken.items() if taken[1:] == key) or used < 0:
            found.append(f"grant {key}: used {used}")
        if used > world.grants[key[0]].amount:
            found.append(f"grant {key}: used {used} of {world.grants[key[0]].amount}")
    found += [f"part {n}: {part}" for n, part in world.parts.items() if part.left < 0]
    return found


def run_alone(seed, count):
    """The Runner after so many operations."""
    rng = random.Random(seed)
    runner = Alone(start_of(rng))
    generator = Generator(rng, runner, can=ALL)
    for _ in range(count):
        number, operation = generator.next()
        runner.perform(number, operation)
        wrong = wrong_books(runner.world)
        if wrong:
            raise AssertionError(f"seed {seed}, operation {number} {operation}: {wrong}")
    return runner

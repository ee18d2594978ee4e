"""Orders of locks, right ones and those that deadlock, with nothing of the protocol but its locks.

A process is a list of steps for each of its turns, everything is held to the end, and what is
left in a lease only says whether a take succeeds.  A take locks its lease in share mode at once
or goes on without: also where somebody waits to drain it.
"""

from typing import NamedTuple

from .explore import explore
from .state import changed


class Row(NamedTuple):
    """Waits for a row, and locks it."""

    name: str


class Take(NamedTuple):
    """Takes a unit from a lease, or goes on with other steps."""

    lease: str
    otherwise: tuple = ()


class Drain(NamedTuple):
    """Waits for all who have taken from a lease, and keeps others out."""

    lease: str


class Process(NamedTuple):
    steps: tuple  # what is still to be done
    rows: frozenset = frozenset()
    shares: frozenset = frozenset()
    drains: frozenset = frozenset()


class State(NamedTuple):
    left: int
    processes: tuple


def steps(state):
    for me, process in enumerate(state.processes):
        if process is None:
            continue
        if not process.steps:
            yield f"{me} ends", state._replace(processes=changed(state.processes, me, None))
            continue
        step, rest = process.steps[0], process.steps[1:]
        others = [p for i, p in enumerate(state.processes) if i != me and p is not None]
        left = state.left
        if isinstance(step, Row):
            if any(step.name in other.rows for other in others):
                continue
            after = process._replace(steps=rest, rows=process.rows | {step.name})
        elif isinstance(step, Drain):
            if any(step.lease in other.shares for other in others):
                continue
            after = process._replace(steps=rest, drains=process.drains | {step.lease})
        elif left == 0 or any(is_draining(other, step.lease) for other in others):
            after = process._replace(steps=step.otherwise)
        else:
            left -= 1
            after = process._replace(steps=rest, shares=process.shares | {step.lease})
        yield f"{me}: {step}", State(left, changed(state.processes, me, after))


def is_draining(process, lease):
    waits = process.steps != () and isinstance(process.steps[0], Drain) and process.steps[0].lease == lease
    return waits or lease in process.drains


def may_deadlock(left, *programs):
    initial = State(left, tuple(Process(program) for program in programs))
    outcome = explore(initial, steps, lambda state: None, lambda state: not any(state.processes))
    return outcome.verdict == "deadlock"


ROWS = (Row("acme"), Row("acme/alice"))
TAKES, TAKES_TWICE = (Take("acme"),), (Take("acme", (Row("acme"),)), Take("acme", (Row("acme"),)))
MEMORY_FIRST = (Take("acme", ROWS), Row("acme/alice"))

# what is left in the lease, and the programs
RIGHT = {
    "memory first, then rows in order": (1, MEMORY_FIRST, MEMORY_FIRST, MEMORY_FIRST),
    "a drain, then the row": (3, TAKES_TWICE, TAKES_TWICE, (Drain("acme"), Row("acme"))),
    "two drains, then the row": (3, TAKES_TWICE, (Drain("acme"), Row("acme")), (Drain("acme"), Row("acme"))),
    "all drains of a call, then its rows": (
        3,
        (Take("f2", (Row("f1"), Row("f2"))), Row("f1")),
        (Take("f2", (Row("f1"), Row("f2"))), Row("f1")),
        (Drain("f2"), Row("f1"), Row("f2")),
    ),
}
WRONG = {
    "rows first, then memory": (
        1,
        (Row("acme/alice"), Take("acme", (Row("acme"),))),
        ROWS,
        (Row("acme/bob"), Take("acme")),
    ),
    "the row, then a drain": (3, TAKES_TWICE, (Row("acme"), Drain("acme"))),
    "a drain feature by feature": (
        3,
        (Take("f2", (Row("f1"), Row("f2"))), Row("f1")),
        (Row("f1"), Drain("f2"), Row("f2")),
    ),
    "two takers that drain": (
        3,
        (Take("acme"), Row("acme/alice"), Drain("acme")),
        (Take("acme"), Row("acme/bob"), Drain("acme")),
    ),
}

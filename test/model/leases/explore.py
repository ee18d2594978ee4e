"""Breadth-first search through all states that can be reached."""

from collections import deque
from typing import NamedTuple

MOST_STATES = 2_000_000


class Violation(Exception):
    """Raised by a step, or by a look at a state, that the protocol must not lead to."""


class Outcome(NamedTuple):
    states: int
    verdict: str  # "right", or what is wrong
    trace: tuple = ()  # the steps that lead there


def explore(initial, steps, look, is_final, most_states=MOST_STATES):
    """steps(state) yields (label, next state); look(state) raises Violation."""
    before = {initial: None}
    sources = {}  # of each state, from which states it is reached
    ends = []
    queue = deque([initial])
    while queue:
        state = queue.popleft()
        moved = False
        try:
            look(state)
            for label, following in steps(state):
                moved = True
                sources.setdefault(following, []).append(state)
                if following not in before:
                    before[following] = (label, state)
                    queue.append(following)
        except Violation as violation:
            return Outcome(len(before), str(violation), trace(before, state))
        if is_final(state):
            ends.append(state)
        elif not moved:
            return Outcome(len(before), "deadlock", trace(before, state))
        if len(before) > most_states:
            return Outcome(len(before), "too many states")
    caught = set(before) - that_lead_to(ends, sources)
    if caught:
        return Outcome(len(before), "goes on without an end", trace(before, min(caught, key=depth_in(before))))
    return Outcome(len(before), "right")


def that_lead_to(ends, sources):
    reached = set(ends)
    queue = list(ends)
    while queue:
        for source in sources.get(queue.pop(), ()):
            if source not in reached:
                reached.add(source)
                queue.append(source)
    return reached


def depth_in(before):
    return lambda state: len(trace(before, state))


def trace(before, state):
    labels = []
    while before[state] is not None:
        label, state = before[state]
        labels.append(label)
    return tuple(reversed(labels))

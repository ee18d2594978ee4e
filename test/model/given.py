"""What sessions remember of a prefix (src/decide/given.c, src/shared/changes.c), in every interleaving.

Writers change what is stored for the prefix: each tells, then commits or aborts, then its end is
counted.  One session looks the prefix up in transaction after transaction, by snapshots that it may
keep for a while.  A step is what nobody can come between.  Whatever a look answers has to be what
its snapshot shows, which is the set of writers that had committed when it was taken.

usage, in test/model: python3 -m given [MISTAKE]
"""

import sys
from typing import NamedTuple

# Branches that break a rule, and the scenario that shows it.
MISTAKES = {
    "state read after the snapshot": "one writer",
    "ended before it is visible": "one writer",
    "counted only when it has ended": "one writer",
    "used in the transaction that read it": "an old snapshot",
    "an abort ends the others": "two writers",
    "state from before the change is under way": "a change of one's own",
}

# A program of the session: transactions of steps.  "snapshot" takes one, "look" uses the last,
# "look by the first" the first of the transaction; "change" is a change of one's own.
LOOK = ("snapshot", "look")
SCENARIOS = {
    "one writer": (("commit",), (LOOK, LOOK, LOOK)),
    "a writer that fails": (("abort",), (LOOK, LOOK, LOOK)),
    "two writers": (("commit", "commit", "abort"), (LOOK, LOOK, LOOK)),
    "an old snapshot": (("commit",), (LOOK, ("snapshot", "snapshot", "look", "look by the first"), LOOK)),
    "a change of one's own": ((), (LOOK, LOOK, LOOK, ("change", "snapshot", "look"), LOOK, LOOK)),
}


class State(NamedTuple):
    writers: tuple          # how far each is: 0, 1 told, 2 visible or aborted, 3 ended
    visible: frozenset      # who has committed
    under_way: int
    ended: int
    transaction: int        # of the session, and its next step
    step: int
    snapshots: tuple        # of this transaction
    asked_by: int           # -1: nobody yet
    remembered: object      # (state, what was read), or None
    reading: object         # between the parts of a reading: (state, what is read, as far as it is)


class Wrong(Exception):
    """A look has answered what its snapshot does not show."""


class Given:
    """A scenario, with a mistake or without."""

    def __init__(self, scenario, mistake=None):
        self.ends, self.program = SCENARIOS[scenario]
        self.mistake = mistake
        self.used = 0       # answers from memory: a scenario without any shows nothing

    def explore(self):
        """The number of states; raises Wrong."""
        start = State((0,) * len(self.ends), frozenset(), 0, 1, 0, 0, (), -1, None, None)
        seen, to_do = {start}, [start]
        while to_do:
            state = to_do.pop()
            following = [*self.of_writers(state), *self.of_session(state)]
            if not following:
                assert state.under_way == 0, "somebody is counted for ever"
            for after in following:
                if after not in seen:
                    seen.add(after)
                    to_do.append(after)
        return len(seen)

    # ---- writers ----

    def of_writers(self, state):
        """What may come next of each."""
        for i, at in enumerate(state.writers):
            if at < 3:
                after = state._replace(writers=(*state.writers[:i], at + 1, *state.writers[i + 1:]))
                yield (self.tell, self.become_visible, self.end)[at](after, i)

    def tell(self, state, writer):
        """Before its commit can be seen."""
        del writer
        if self.mistake == "counted only when it has ended":
            return state
        if self.mistake == "ended before it is visible":
            return self.count(state)
        return state._replace(under_way=state.under_way + 1)

    def become_visible(self, state, writer):
        """Or it aborts."""
        if self.ends[writer] == "abort":
            return state
        return state._replace(visible=state.visible | {writer})

    def end(self, state, writer):
        """The callback."""
        if self.mistake == "ended before it is visible":
            return state
        if self.mistake == "an abort ends the others" and self.ends[writer] == "abort":
            return state._replace(under_way=0, ended=state.ended + 1)
        return self.count(state)

    def count(self, state):
        """One has ended."""
        return state._replace(under_way=max(state.under_way - 1, 0), ended=state.ended + 1)

    # ---- the session ----

    def of_session(self, state):
        """Its next step, if it has one left."""
        if state.reading is not None:
            yield self.read_on(state)
        elif state.transaction < len(self.program):
            steps = self.program[state.transaction]
            if state.step == len(steps):
                yield self.commit(state, "change" in steps)
            else:
                after = state._replace(step=state.step + 1)
                yield getattr(self, steps[state.step].split()[0])(after, steps[state.step])

    def commit(self, state, has_changed):
        """A change of its own becomes visible and is counted: what is between, others see."""
        if has_changed:
            state = self.count(state)._replace(visible=state.visible | {"self"})
        return state._replace(transaction=state.transaction + 1, step=0, snapshots=())

    def change(self, state, step):
        """Its own snapshots show it from now on."""
        del step
        if self.mistake == "state from before the change is under way":
            return state
        return state._replace(under_way=state.under_way + 1)

    def shown(self, state):
        """What a snapshot that is taken now shows."""
        own = "change" in self.program[state.transaction][:state.step]
        return state.visible | ({"self"} if own else frozenset())

    def snapshot(self, state, step):
        """Is taken."""
        del step
        return state._replace(snapshots=(*state.snapshots, self.shown(state)))

    def look(self, state, step):
        """Answers from memory, or begins to read."""
        snapshot = state.snapshots[0 if step == "look by the first" else -1]
        now = 0 if state.under_way else state.ended
        too_new = state.asked_by == state.transaction and self.mistake != "used in the transaction that read it"
        if now == 0 or too_new:
            return state
        if state.asked_by < 0:
            return state._replace(asked_by=state.transaction)
        if state.remembered is not None and state.remembered[0] == now:
            self.used += 1
            if state.remembered[1] != snapshot:
                raise Wrong(f"{step}: {set(state.remembered[1])}, and the snapshot shows {set(snapshot)}")
            return state
        return state._replace(asked_by=state.transaction, remembered=None, reading=(now, None))

    def read_on(self, state):
        """Takes a snapshot of its own; what that shows is remembered with the state from before."""
        now, read = state.reading
        if read is None:
            return state._replace(reading=(now, self.shown(state)))
        if self.mistake == "state read after the snapshot":
            now = 0 if state.under_way else state.ended
        return state._replace(reading=None, remembered=(now, read))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Given(MISTAKES[sys.argv[1]], sys.argv[1]).explore()
    for name in SCENARIOS:
        model = Given(name)
        print(f"{name:30} {model.explore():7} states, {model.used} answers from memory")

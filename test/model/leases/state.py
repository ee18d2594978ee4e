"""What a state of the model consists of.

Everything is immutable and hashable, so that a state can be remembered.  Accounts and
transactions are numbered from 0; whatever there is one of for each account is a tuple.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """A version of an account's row."""

    used: int = 0
    leased: int = 0  # how much of it is leased to the memory
    lease: int = 0  # the lease's id; 0: none


class Entry(NamedTuple):
    """An account's entry in shared memory."""

    lease: int
    terms: int  # the limit that the lease was drawn under
    may_give: int  # how far use may be given back before a threshold is passed
    granted: int = 0  # what the committed row leases to it, as far as that is published
    wanted: int | None = None  # what the row's last writer has put there, not published yet
    writer: tuple | None = None  # and who that is: transaction and operation
    closing: bool = False  # the writer has closed the lease
    taken: int = 0  # by transactions that have ended
    busy: int = 0  # by transactions that have not
    giving: int = 0  # given back by transactions that have not
    settling: int = 0  # holds settled by transactions that have not, though nothing may come back
    lost: int = 0  # taken by prepared transactions
    unknown: bool = False  # a prepared transaction has to do with it: its end is not told

    @property
    def left(self):
        """What anybody may take."""
        return (self.granted if self.wanted is None else min(self.granted, self.wanted)) - self.spent

    @property
    def spent(self):
        return self.taken + self.busy + self.lost

    @property
    def quiet(self):
        """Nobody who has to do with it has yet to end."""
        return self.busy == self.giving == self.settling == 0 and not self.unknown


class Booked(NamedTuple):
    """A ledger entry."""

    account: int
    amount: int  # negative: given back
    lease: int  # that it was taken from or given to; 0: the row
    id: int
    hold: int | None = None  # reserved by this hold, or given back of it


class Work(NamedTuple):
    """What a transaction has done and holds; a savepoint keeps a copy of it."""

    rows: tuple  # its versions, None where it has written none
    locked: frozenset = frozenset()  # accounts whose rows it has locked
    shared: frozenset = frozenset()  # accounts whose leases it has locked against draining
    busy: tuple = ()
    giving: tuple = ()
    settling: tuple = ()
    spared: tuple = ()  # what it has taken off may_give
    wrote: tuple = ()  # Wrote, or None
    booked: tuple = ()
    closed: tuple = ()  # holds that it has closed: (hold, how much of it is kept)
    told: int = 0  # thresholds that it has told of
    guessed: bool = False  # it could not wait to know whether it passes one


class Wrote(NamedTuple):
    """What a transaction has put into an entry with its row."""

    wanted: int
    closing: bool
    opens: bool  # the lease began with it
    writer: tuple


class Call(NamedTuple):
    """Where an operation stands."""

    step: str = "begin"
    seen: tuple = ()  # the leases that the rows bear by its snapshot
    early: int = 0  # an id that was drawn before anything else; 0: none
    rows: tuple = ()  # accounts that it charges by their rows, in order
    drain: frozenset = frozenset()  # accounts whose leases have to be drained first
    drained: frozenset = frozenset()  # those of them that it has locked, with nobody sharing them
    start: Work | None = None  # what was done before it


class Txn(NamedTuple):
    """A transaction.

    run -> visible -> committed; run -> aborting -> aborted; run -> prepared -> committed, aborted.
    From "visible" and "aborting" on its rows are free, but the callback that tells the memory is
    still to come, and locks on leases stay until after it.
    """

    work: Work
    at: int = 0  # the operation of its program
    call: Call = Call()
    saved: Work | None = None
    status: str = "run"
    undone: Work | None = None  # a savepoint is rolled back: what the memory has to hear of


class State(NamedTuple):
    rows: tuple  # committed
    memory: tuple  # Entry, or None
    txns: tuple
    limits: tuple
    ids: int = 0  # the ledger's sequence
    crashes: int = 0


def changed(items, index, value):
    """A tuple with another item at one place."""
    return items[:index] + (value,) + items[index + 1 :]

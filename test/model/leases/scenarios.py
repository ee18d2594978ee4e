"""Small programs of a few transactions each, run in every interleaving."""

from typing import NamedTuple

LIMIT = 10


# ---- operations of a program ------------------------------------------------


class Charge(NamedTuple):
    """Takes from every account of the call, or from none."""

    amounts: tuple  # ((account, amount), ...) in the order of accounts
    draws: bool = False  # by the row, it draws more than it needs
    hold: int | None = None  # it reserves
    keyed: bool = False  # its id is drawn before anything else


class Refund(NamedTuple):
    """Gives back of what another transaction, or an operation before, has taken."""

    account: int
    amount: int
    debit: int  # the transaction


class Settle(NamedTuple):
    """Closes a hold and keeps a part of it; nothing: a release, or an expiry."""

    hold: int
    keeps: int = 0


class Close(NamedTuple):
    """Administration that writes the row: whatever is leased has to come back."""

    accounts: tuple


class Lower(NamedTuple):
    """Terms change without anybody touching the row, as by apply_catalog."""

    account: int
    limit: int


class Savepoint(NamedTuple):
    pass


class RollBack(NamedTuple):
    """To the savepoint."""


# ---- scenarios --------------------------------------------------------------


class Scenario(NamedTuple):
    programs: tuple
    crashes: int = 0
    accounts: int = 1
    draw: int = 4  # how much a draw is
    threshold: int | None = None  # use that an event is due at, on account 0
    aborts: bool = True  # may any transaction abort at its end?
    prepares: bool = False
    amounts: dict = {}  # of holds
    after: dict = {}  # transactions that begin when another has ended


def draw(amount, account=0):
    return Charge(((account, amount),), draws=True)


def take(amount, account=0, **more):
    return Charge(((account, amount),), **more)


SCENARIOS = {
    # one operation in each transaction
    "draw, debit, refund twice": Scenario(
        ((draw(1),), (take(3),), (Refund(0, 1, debit=1),), (Refund(0, 2, debit=1),)), crashes=1
    ),
    "draw, two debits": Scenario(((draw(2),), (take(3),), (take(4),)), crashes=2, prepares=True),
    "draw, debit, recall": Scenario(((draw(2),), (take(2),), (take(6),)), crashes=2, prepares=True),
    "draw, debit, recall, debit": Scenario(((draw(2),), (take(1),), (take(6),), (take(2),))),
    "two draws, debit": Scenario(((draw(1),), (draw(3),), (take(5),)), crashes=1, prepares=True),
    "two draws, debit, close": Scenario(((draw(1),), (draw(2),), (take(3),), (Close((0,)),))),
    "draw, debit, refund, debit": Scenario(
        ((draw(1),), (take(3),), (Refund(0, 3, debit=1),), (take(8),)), crashes=1
    ),
    "draw, debit, refund, recall": Scenario(((draw(1),), (take(3),), (Refund(0, 3, debit=1),), (take(6),))),
    "draw, lower, two debits": Scenario(((draw(2),), (Lower(0, 4),), (take(3),), (take(1),)), crashes=1),
    "draw, debit, close, debit": Scenario(((draw(1),), (take(2),), (Close((0,)),), (take(4),)), crashes=1),
    "draw, debit, close, refund": Scenario(((draw(1),), (take(3),), (Close((0,)),), (Refund(0, 3, debit=1),))),
    "prepared refund": Scenario(
        ((draw(1),), (take(3),), (Refund(0, 3, debit=1),), (take(9),)), prepares=True, aborts=False
    ),
    "refused beside a refund": Scenario(
        ((draw(6), take(3)), (Refund(0, 3, debit=0),), (take(2),)), aborts=False
    ),
    "refused while use comes and goes": Scenario(
        ((draw(5),), (Refund(0, 3, debit=0),), (take(3),), (take(4),)), aborts=False
    ),
    # several operations, and savepoints
    "two debits each": Scenario(((draw(1),), (take(2), take(5)), (take(2), take(5))), aborts=True),
    "asks for all beside a taker": Scenario(((draw(1),), (take(1), take(5)), (take(9),)), aborts=False),
    "two that ask for all": Scenario(((draw(1),), (take(2), take(7)), (take(2), take(7))), aborts=False),
    "two that drain": Scenario(((draw(1),), (take(1),), (take(9),), (take(8),)), after={1: 0}, aborts=False),
    "draws and takes its own draw": Scenario(((draw(2), take(7)), (draw(1), take(1))), crashes=1),
    "gives back and takes again": Scenario(
        ((draw(6),), (take(3),), (Refund(0, 3, debit=1), take(3)), (take(1),)), after={1: 0}
    ),
    "refunds what it has just taken": Scenario(((draw(1),), (take(4), Refund(0, 4, debit=1)), (take(8),)), crashes=1),
    "a savepoint around a take": Scenario(
        ((draw(1),), (Savepoint(), take(3), RollBack(), take(2)), (take(6),), (Close((0,)),)), after={1: 0}
    ),
    "a savepoint around a draw": Scenario(
        ((draw(1), Savepoint(), draw(1), RollBack(), take(1)), (draw(2),), (take(4),)), crashes=1, prepares=True
    ),
    "asks for too much after a savepoint": Scenario(
        ((draw(1), Savepoint(), draw(1), RollBack(), take(10)), (take(1),)), crashes=1
    ),
    "a savepoint around a recall": Scenario(
        ((draw(2),), (Savepoint(), take(7), RollBack(), take(1)), (take(3),), (take(1),)), after={1: 0}
    ),
    "a savepoint around a lease's opening": Scenario(
        ((Savepoint(), draw(1), RollBack(), take(1)), (draw(2),), (take(3),)), crashes=1
    ),
    "a savepoint around a refund": Scenario(
        ((draw(1),), (take(3),), (Savepoint(), Refund(0, 3, debit=1), RollBack()), (take(9),)), aborts=False
    ),
    "closes what it has taken from": Scenario(((draw(1),), (take(3), Close((0,))), (take(5),)), crashes=1),
    "draws twice beside a taker": Scenario(((draw(1),), (take(2), take(5)), (draw(6), take(3))), aborts=False),
    "asks after a prepared take has been undone": Scenario(
        ((draw(1),), (take(3),), (take(1), take(8))), after={1: 0}, prepares=True, aborts=False
    ),
    # two accounts
    "a drain with a row from before": Scenario(
        ((draw(1, 0), draw(1, 1)), (Charge(((0, 1), (1, 3))),), (take(5, 0), take(7, 1))),
        accounts=2,
        after={1: 0},
        aborts=False,
    ),
    "two accounts, one leased": Scenario(
        ((draw(1),), (Charge(((0, 3), (1, 1))),), (Charge(((0, 8), (1, 1))),)), accounts=2
    ),
    "two accounts, both leased": Scenario(
        ((draw(1, 0), draw(1, 1)), (Charge(((0, 2), (1, 2))),), (Charge(((0, 3), (1, 3))),)), accounts=2, aborts=False
    ),
    "a drain beside two accounts": Scenario(
        ((draw(1, 0), draw(1, 1)), (Charge(((0, 2), (1, 9))),), (Close((0, 1)),)), accounts=2
    ),
    "two drains of two accounts": Scenario(
        ((draw(1, 0), draw(1, 1)), (Charge(((0, 2), (1, 2))),), (Close((0, 1)),), (Charge(((0, 8), (1, 8))),)),
        accounts=2,
        aborts=False,
    ),
    "two charges beside a drain": Scenario(
        ((draw(1),), (take(1), take(3)), (take(6),), (Close((0,)),)), aborts=False
    ),
    "members of a leased team": Scenario(
        ((draw(1),), (Charge(((0, 3), (1, 1))),), (Charge(((0, 3), (1, 1))),), (take(1, 1),)),
        accounts=2,
        aborts=False,
    ),
    "an orphan beside a prepared take": Scenario(
        ((draw(1),), (take(3),), (take(7),), (take(5),)), crashes=1, prepares=True, aborts=False
    ),
    # keys
    "a key beside a new lease": Scenario(((take(1, keyed=True),), (draw(1),), (take(2),)), crashes=1),
    # holds
    "reserve, settle": Scenario(
        ((draw(1),), (take(3, hold=0),), (Settle(0, 1),), (take(8),)), amounts={0: 3}, crashes=1
    ),
    "settle, expiry": Scenario(
        ((draw(1),), (take(4, hold=0),), (Settle(0, 3),), (Settle(0),)), amounts={0: 4}, crashes=1
    ),
    "a hold outlives its lease": Scenario(
        ((draw(1),), (take(3, hold=0),), (Close((0,)), draw(1)), (take(2),), (Settle(0, 1),)),
        amounts={0: 3},
        after={1: 0, 3: 2},
        aborts=False,
    ),
    # thresholds
    "a draw below a threshold": Scenario(((draw(2),), (take(2),), (take(3),)), threshold=6),
    "a refund passes a threshold": Scenario(
        ((draw(6),), (take(1),), (Refund(0, 2, debit=0),), (take(2),)), threshold=6, draw=3
    ),
    "refunds on both ways": Scenario(
        ((draw(6),), (Refund(0, 1, debit=0),), (Refund(0, 1, debit=0),), (take(2),)), threshold=5, draw=3, aborts=False
    ),
    "passes a threshold after a take of its own": Scenario(
        ((draw(1),), (take(1), take(4)), (take(1),)), threshold=6
    ),
    "two that pass a threshold": Scenario(
        ((draw(1),), (take(1), take(3)), (take(1), take(3))), threshold=6, aborts=False
    ),
    "refunds below a threshold after a take of its own": Scenario(
        ((draw(6),), (take(1), Refund(0, 2, debit=0)), (take(1),), (take(2),)), threshold=6, draw=3, aborts=False
    ),
    "a refund of what a hold has": Scenario(
        ((draw(6),), (take(3, hold=0),), (Refund(0, 3, debit=0),), (Settle(0, 3),)),
        threshold=6,
        draw=3,
        amounts={0: 3},
        aborts=False,
    ),
    "a hold straddles a threshold": Scenario(
        ((take(4),), (take(3, hold=0),), (draw(1),), (Settle(0, 2),)), threshold=6, draw=2, amounts={0: 3}, aborts=False
    ),
    "a settle beside a threshold": Scenario(
        ((draw(2),), (take(2, hold=0),), (Settle(0, 2),), (take(2),)), threshold=6, draw=3, amounts={0: 2}, aborts=False
    ),
}

# Two that have charged and then change the plan meet in 40P01; by rows the second waits with its charge.
CHARGED_AND_CHANGED = Scenario(((draw(1),), (take(1), Close((0,))), (take(1), Close((0,)))), aborts=False)

# Two charges the other way round meet in 40P01, by leases or by rows alone.
CROSSED = Scenario(
    ((draw(1, 0), draw(1, 1)), (take(9, 0), take(9, 1)), (take(9, 1), take(9, 0))), accounts=2, aborts=False
)

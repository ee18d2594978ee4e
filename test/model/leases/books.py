"""What a state says of use, and who holds which lock: read off the transactions."""

from itertools import accumulate

GOOD = ("visible", "committed")
OPEN = ("run", "prepared")
ENDED = ("committed", "aborted")


def visible_use(state, account):
    """True use, as any new snapshot sees the ledger."""
    return sum(b.amount for t in state.txns if t.status in GOOD for b in t.work.booked if b.account == account)


def of_lease(state, account, lease):
    """The ledger's sum by lease id; an index on id finds only what is younger than the lease."""
    return sum(
        b.amount
        for t in state.txns
        if t.status in GOOD
        for b in t.work.booked
        if b.account == account and b.lease == lease and b.id > lease
    )


def in_flight(state, account, me, untold=False):
    """
    The most that others may come to have taken: what a savepoint undoes is the last that was done.
    With "untold" also what has been undone, as long as the memory has not been told.
    """
    return sum(
        max(accumulate((b.amount for b in work.booked if b.account == account), initial=0))
        for i, t in enumerate(state.txns)
        for work in works_in_flight(t, untold)
        if i != me
    )


def works_in_flight(txn, untold):
    if txn.status in OPEN or untold and txn.status == "aborting":
        yield txn.undone if untold and txn.undone is not None else txn.work


def own(txn, account):
    return sum(b.amount for b in txn.work.booked if b.account == account)


def is_closed(state, hold):
    return any(h == hold for t in state.txns if t.status in GOOD for h, _ in t.work.closed)


def reserved(state, account, me=None):
    """What open holds have, to a snapshot, or to a transaction that has its own work in it."""
    seen = [t for i, t in enumerate(state.txns) if t.status in GOOD or i == me]
    closed = {hold for t in seen for hold, _ in t.work.closed}
    return sum(
        b.amount
        for t in seen
        for b in t.work.booked
        if b.account == account and b.hold is not None and b.amount > 0 and b.hold not in closed
    )


def row_is_free(state, account, me):
    return not any(
        i != me and t.status in OPEN and account in t.work.locked for i, t in enumerate(state.txns)
    )


def shares(txn, account):
    """A savepoint that is rolled back keeps its locks until its callback has run."""
    return txn.status not in ENDED and (
        account in txn.work.shared or (txn.undone is not None and account in txn.undone.shared)
    )


def waits_for(txn):
    """The lease that it wants to drain, or None."""
    if txn.status != "run" or txn.call.step != "drain":
        return None
    return min(txn.call.drain - txn.call.drained)


def may_share(state, account, me):
    """Whoever waits for those who share keeps others out, too."""
    return not any(
        i != me and (account in t.call.drained or waits_for(t) == account) for i, t in enumerate(state.txns)
    )


def may_drain(state, account, me, alone=False):
    """Two may drain at once: the row's lock is what keeps them apart."""
    return not any(
        i != me and (shares(t, account) or (alone and account in t.call.drained))
        for i, t in enumerate(state.txns)
    )

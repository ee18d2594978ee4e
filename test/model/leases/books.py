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


def in_flight(state, account, me):
    """The most that others may come to have taken: what a savepoint undoes is the last that was done."""
    return sum(
        max(accumulate(amounts_at(t.work, account), initial=0))
        for i, t in enumerate(state.txns)
        if i != me and t.status in OPEN
    )


def counted_as_taken(state, account, me):
    """
    What others' takes come to while nobody can tell: also those undone of which the memory has not
    heard, and what they have given back and it has not heard.
    """
    takes = sum(
        amount
        for i, t in enumerate(state.txns)
        if i != me and t.status in (*OPEN, "aborting")
        for amount in amounts_at(t.undone or t.work, account)
        if amount > 0
    )
    return takes + sum(t.work.giving[account] for t in state.txns if t.status == "visible")


def amounts_at(work, account):
    return (b.amount for b in work.booked if b.account == account)


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

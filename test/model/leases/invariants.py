"""What has to be true in every state that the protocol leads to."""

from . import books
from .explore import Violation


def look(model, state):
    for account in range(len(state.rows)):
        look_at_account(model, state, account)


def look_at_account(model, state, account):
    use, row = books.visible_use(state, account), state.rows[account]
    if not 0 <= use <= model.most:
        raise Violation(f"overspent or given back twice: {use}")
    if use < books.reserved(state, account):
        raise Violation("a hold is worth less than it has reserved")
    shown = row.used - row.leased + (books.of_lease(state, account, row.lease) if row.lease else 0)
    if shown != use:
        raise Violation(f"the tables say {shown}, true use is {use}")
    if row.used < use:
        raise Violation("the row holds less than is used")
    entry = state.memory[account]
    if entry is not None and (entry.busy < 0 or entry.giving < 0 or entry.lost < 0):
        raise Violation(f"a count below nothing: {entry}")
    if entry is not None and entry.writer is None and entry.wanted is not None:
        raise Violation(f"nobody is writing what the memory waits for: {entry}")
    # what a prepared transaction has written waits for who reads it over
    if entry is not None and entry.writer is not None and not model.scenario.prepares and nobody_is_at(state, account):
        raise Violation(f"its writer has ended, and the memory has not heard: {entry}")
    if entry is not None and entry.writer is None and entry.quiet and nobody_is_at(state, account):
        if entry.lease != row.lease or entry.granted != row.leased or entry.closing:
            raise Violation(f"{entry} beside {row}")
        if entry.taken != books.of_lease(state, account, row.lease):
            raise Violation(f"{entry}: the ledger says {books.of_lease(state, account, row.lease)}")


def nobody_is_at(state, account):
    """No transaction that has to do with the account is still to end, or to tell the memory."""
    return not any(
        t.status not in books.ENDED
        and (t.undone is not None or account in t.work.locked or t.work.busy[account] or t.work.giving[account])
        for t in state.txns
    )


def look_at_commit(model, before, after, me):
    """A threshold is told by the transaction that passes it, and by no other."""
    line = model.threshold(0)
    if line is None or any(t.work.guessed for t in after.txns):
        return
    was, now = (books.visible_use(s, 0) - books.reserved(s, 0) for s in (before, after))
    passed = int(was < line <= now)
    told = after.txns[me].work.told
    if passed > told:
        raise Violation(f"{was} to {now} passes {line}, and nobody tells")
    # an operation tells what it passes, also where another one of its transaction has come down before
    if told > passed and all(b.amount >= 0 for b in after.txns[me].work.booked):
        raise Violation(f"{was} to {now} is told to pass {line}")

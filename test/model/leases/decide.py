"""Decisions under the lock of a row: take, draw, recall, close, give back.

Each function answers with what the row and the entry become, or why that cannot be.  It has to
look at what others have in flight where the answer depends on that.
"""

from typing import NamedTuple

from . import books
from .memory import read_over, write
from .state import Entry, Row, Wrote

DRAIN, REFUSE = "drain", "refuse"


class Standing(NamedTuple):
    """An account whose row the transaction has locked."""

    row: Row
    entry: Entry | None
    orphan: bool  # leased, and nothing is known of how much is taken
    drained: bool  # others have nothing in flight


class Decision(NamedTuple):
    row: Row
    entry: Entry | None
    wrote: Wrote | None = None
    spared: int = 0
    told: int = 0
    guessed: bool = False
    opened: int = 0  # the id of a new lease


def standing(model, state, me, account):
    """The row, with the memory read over, and an orphan closed if nobody can be taking from it."""
    txn = state.txns[me]
    row = txn.work.rows[account] or state.rows[account]
    entry = state.memory[account]
    drained = account in txn.call.drained
    if not model.may_wait(state, me, account) and model.mistake != "does not ask":
        # it may not wait, but it may ask whether it would have to
        drained = drained or model.is_drained(state, account, me)
    if model.mistake != "reads nothing over":
        entry = read_over(entry, row, me)
    if row.lease and (entry is None or entry.lease != row.lease):
        if not model.is_drained(state, account, me) and model.mistake != "orphan beside prepared":
            return Standing(row, None, True, False)
        spent = 0 if model.mistake == "orphan counts as unused" else books.of_lease(state, account, row.lease)
        return Standing(Row(row.used - row.leased + spent), None, False, True)
    if entry is not None and entry.unknown and drained:
        spent = books.of_lease(state, account, entry.lease)
        if model.mistake != "lost is taken":
            entry = entry._replace(taken=spent, lost=0, giving=txn.work.giving[account], settling=txn.work.settling[account], unknown=False)
        else:
            entry = entry._replace(taken=entry.taken + entry.lost, lost=0, unknown=False, giving=0)
    return Standing(row, entry, False, drained or entry is None)


def only_own(entry, txn, account):
    """Has nobody else anything in flight?"""
    mine = (txn.work.busy[account], txn.work.giving[account], txn.work.settling[account])
    return (entry.busy, entry.giving, entry.settling) == mine and not entry.unknown


def recalled(row, units):
    return Row(row.used - units, row.leased - units, row.lease)


def closed(row, entry, txn, account):
    """The row without its lease; one's own are in flight, but go or stay with the row."""
    spent = entry.taken + txn.work.busy[account] - txn.work.giving[account]
    return Row(row.used - row.leased + spent)


def wrote(model, txn, account, row, me, opens=False):
    before = txn.work.wrote[account]
    return Wrote(row.leased, row.lease == 0, opens or (before is not None and before.opens), (me, txn.at))


def decision(model, state, me, account, row, entry, **more):
    """Lets the memory know of a row that is another now."""
    txn = state.txns[me]
    before = txn.work.rows[account] or state.rows[account]
    note = None
    if entry is not None and (row.leased, row.lease) != (before.leased, before.lease):
        note = wrote(model, txn, account, row, me, opens=bool(more.get("opened")))
        entry = write(entry, note)
        if more.get("opened") and model.mistake == "opens after commit":
            entry = None
        if model.mistake == "publishes before commit":
            entry = entry._replace(granted=note.wanted)
        if model.mistake == "recalled stays takeable":
            entry = entry._replace(wanted=None)
    return Decision(row, entry, note, **more)


def least(row, entry):
    """Use that is certain, whatever becomes of what is in flight."""
    return row.used - row.leased + entry.taken - entry.giving


# ---- taking -----------------------------------------------------------------


def recallable(model, row, entry, txn, account):
    """What the row can have back: one's own draw, and what one gives back oneself, are room for oneself."""
    wanted = row.leased
    if model.mistake == "own draws are no room":
        wanted = min(wanted, entry.granted)
    giving = 0 if model.mistake == "own refunds are no room" else txn.work.giving[account]
    return max(wanted - entry.spent + giving, 0)


def charge(model, state, me, account, amount, op):
    txn, limit = state.txns[me], state.limits[account]
    row, entry, orphan, drained = standing(model, state, me, account)
    if orphan:
        # beside the whole lease it does not matter how much of that is taken
        fits = limit - row.used >= amount and model.threshold(account) is None
        return decision(model, state, me, account, row._replace(used=row.used + amount), None) if fits else DRAIN
    other_terms = entry is not None and entry.terms != limit and model.mistake != "old terms"
    missing = amount - (limit - row.used)
    if entry is not None and (missing > 0 or other_terms) and model.mistake != "refuses without recall":
        back = recallable(model, row, entry, txn, account)
        if not other_terms:
            back = min(back, missing)
        can_close = only_own(entry, txn, account) or model.mistake == "closes over takes" and entry.giving == 0
        can_close = can_close or model.mistake == "closes over refunds" and entry.busy == 0 and not entry.unknown
        if can_close and (other_terms or back < missing or model.mistake is not None and "closes" in model.mistake):
            row = closed(row, entry, txn, account)
        else:
            row = recalled(row, back)
    if limit - row.used < amount:
        return REFUSE if drained or not model.may_wait(state, me, account) else DRAIN
    told, guessed, line = 0, False, model.threshold(account)
    held = books.reserved(state, account, me)
    if line is not None and row.lease and model.mistake != "row passes a threshold":
        # is it certain on which side of the line use lies?
        if least(row, entry) - held < line <= row.used + amount:
            if only_own(entry, txn, account):
                row = closed(row, entry, txn, account)
            elif model.may_wait(state, me, account):
                return DRAIN
            else:
                row, guessed = recalled(row, recallable(model, row, entry, txn, account)), True
    if line is not None and (not row.lease or guessed):
        use = row.used - held
        told = int(use < line <= use + amount and op.hold is None)
    row = row._replace(used=row.used + amount)
    if guessed:
        return decision(model, state, me, account, row, entry, told=told, guessed=True)
    if op.draws and model.leases and not other_terms and (entry is None or not entry.closing and row.lease):
        return draw(model, state, me, account, row, entry, op, told)
    return decision(model, state, me, account, row, entry, told=told)


def draw(model, state, me, account, row, entry, op, told):
    """Takes more than is needed, as far as there is room; below the next threshold."""
    limit, line = state.limits[account], model.threshold(account)
    more, may_give = min(model.scenario.draw, limit - row.used), limit
    if line is not None and model.mistake != "draws over a threshold":
        held = books.reserved(state, account, me)
        if op.hold is not None:
            held += op.amounts[0][1]
        use = row.used if model.mistake == "holds straddle" else row.used - held
        if row.used < line:
            more = min(more, line - 1 - row.used)
        elif use >= line:
            may_give = use - line
        else:
            more = 0
    if more <= 0:
        return decision(model, state, me, account, row, entry, told=told)
    opened = 0
    if entry is None:
        opened = state.ids + 1
        entry = Entry(opened, limit, may_give)
    row = Row(row.used + more, row.leased + more, entry.lease)
    return decision(model, state, me, account, row, entry, opened=opened, told=told)


# ---- giving back, closing ---------------------------------------------------


def give(model, state, me, account, amount, kept=None):
    """kept: how much of a hold is kept when the rest comes back; None: not a hold's."""
    txn = state.txns[me]
    row, entry, orphan, drained = standing(model, state, me, account)
    can_drain = model.may_wait(state, me, account)
    if orphan:
        return DRAIN
    there = row.used
    if entry is not None:
        there = row.used - row.leased + entry.taken - entry.giving + txn.work.busy[account]
        if model.mistake == "gives own use only":
            there = row.used - row.leased
    if there < amount and not drained and can_drain:
        return DRAIN
    if there < amount and drained:
        return REFUSE
    row = row._replace(used=row.used - amount)
    line, spared, told, guessed = model.threshold(account), 0, 0, False
    if line is not None and kept is None and entry is not None and model.mistake != "row gives below a threshold":
        if entry.may_give >= amount:
            entry, spared = entry._replace(may_give=entry.may_give - amount), amount
        elif only_own(entry, txn, account):
            row = closed(row, entry, txn, account)
        elif can_drain:
            return DRAIN
        else:
            row, guessed = recalled(row, recallable(model, row, entry, txn, account)), True
    if line is not None and kept is not None and not row.lease:
        # the hold is closed already by one's own work
        after = row.used - books.reserved(state, account, me)
        told = int(after - kept < line <= after)
    return decision(model, state, me, account, row, entry, spared=spared, told=told, guessed=guessed)


def close(model, state, me, account):
    """Others have nothing in flight: administration has drained it."""
    txn = state.txns[me]
    row, entry, orphan, _ = standing(model, state, me, account)
    if orphan:
        return DRAIN
    if entry is None:
        return decision(model, state, me, account, row, entry)
    return decision(model, state, me, account, closed(row, entry, txn, account), entry)

"""What happens to an account's entry in shared memory, outside of charging."""

from .state import Entry, changed


def read_over(entry, row, writer):
    """Whoever has the row locked knows that every other change of it is decided."""
    if entry is None or entry.writer is None or entry.writer[0] == writer:
        return entry
    if entry.lease != row.lease:
        return None
    return entry._replace(granted=row.leased, wanted=None, writer=None, closing=False)


def lease_of(work, account):
    """The lease that a transaction has taken from or given to; 0: none."""
    return next((b.lease for b in work.booked if b.account == account and b.lease), 0)


def is_its(entry, work, account):
    return entry is not None and lease_of(work, account) in (0, entry.lease)


def write(entry, wrote):
    """Its writer's row is not committed yet: what is missing can be taken no more, what is new not yet."""
    return entry._replace(wanted=wrote.wanted, closing=wrote.closing, writer=wrote.writer)


def committed(memory, work, mistake):
    """The commit callback."""
    for account, entry in enumerate(memory):
        wrote = work.wrote[account]
        if mistake == "opens after commit" and entry is None and wrote is not None and wrote.opens:
            memory = changed(memory, account, Entry(work.rows[account].lease, 10, 10, granted=wrote.wanted))
        if is_its(entry, work, account):
            memory = changed(memory, account, after_commit(entry, work, account, mistake))
    return memory


def after_commit(entry, work, account, mistake):
    busy, giving, wrote = work.busy[account], work.giving[account], work.wrote[account]
    back = 0 if mistake == "gives before commit" else giving
    entry = entry._replace(
        busy=entry.busy - busy,
        giving=entry.giving - giving,
        settling=entry.settling - work.settling[account],
        taken=entry.taken + busy - back,
    )
    if wrote is None or (entry.writer != wrote.writer and mistake != "late callback"):
        return entry
    if wrote.closing:
        return None
    return entry._replace(granted=wrote.wanted, wanted=None, writer=None)


def undone(memory, gone, kept, mistake):
    """The callback of an abort, or of a savepoint that is rolled back to "kept"."""
    for account, entry in enumerate(memory):
        if is_its(entry, gone, account):
            memory = changed(memory, account, after_abort(entry, gone, kept, account, mistake))
    return memory


def after_abort(entry, gone, kept, account, mistake):
    busy = gone.busy[account] - kept.busy[account]
    giving = gone.giving[account] - kept.giving[account]
    if mistake == "abort gives nothing":
        entry = entry._replace(taken=entry.taken + busy)
    if mistake == "abort gives twice":
        busy *= 2
    if mistake == "gives before commit":
        entry = entry._replace(taken=entry.taken + giving)
    entry = entry._replace(
        busy=entry.busy - busy,
        giving=entry.giving - giving,
        settling=entry.settling - gone.settling[account] + kept.settling[account],
        may_give=entry.may_give + gone.spared[account] - kept.spared[account],
    )
    wrote, before = gone.wrote[account], kept.wrote[account]
    if wrote == before or (entry.writer != wrote.writer and mistake != "late callback"):
        return entry
    if mistake == "savepoint keeps what was written" and before is not None:
        return entry
    if before is not None:
        return entry._replace(wanted=before.wanted, closing=before.closing, writer=before.writer)
    if wrote.opens:
        return None
    wanted = entry.wanted if mistake == "abort keeps a recall" else None
    return entry._replace(wanted=wanted, closing=False, writer=None)


def prepared(memory, work, mistake):
    """PREPARE TRANSACTION: nobody will tell how it ends."""
    for account, entry in enumerate(memory):
        busy, giving, wrote = work.busy[account], work.giving[account], work.wrote[account]
        if not is_its(entry, work, account):
            continue
        if mistake == "prepare ends a take":
            entry = entry._replace(busy=entry.busy - busy, taken=entry.taken + busy)
        elif busy or giving or work.settling[account]:
            entry = entry._replace(busy=entry.busy - busy, lost=entry.lost + busy, unknown=True)
            if mistake == "prepare ends a refund":
                entry = entry._replace(giving=entry.giving - giving, taken=entry.taken - giving)
        if mistake == "prepare publishes" and wrote is not None and entry.writer == wrote.writer:
            entry = entry._replace(granted=wrote.wanted, wanted=None, writer=None)
        memory = changed(memory, account, entry)
    return memory

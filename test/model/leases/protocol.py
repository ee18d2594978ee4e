"""The steps of a transaction, and what else can happen: the way of docs/leases.md.

PostgreSQL ends a transaction in this order: its rows become visible and free, the callback runs,
its other locks go.  A prepared transaction keeps rows and locks, and no callback runs when it
ends.  A crash empties the memory.
"""

from . import books, decide, invariants, memory
from .explore import MOST_STATES, Violation, explore
from .scenarios import LIMIT, Charge, Close, Lower, Refund, RollBack, Savepoint, Settle
from .state import Booked, Call, Row, State, Txn, Work, changed

class Model:
    """A scenario under the protocol, under one with a mistake, or by rows alone."""

    def __init__(self, scenario, mistake=None, leases=True):
        self.scenario = scenario
        self.mistake = mistake
        self.leases = leases
        self.most = LIMIT
        none = (0,) * scenario.accounts
        self.nothing = Work(
            (None,) * scenario.accounts,
            busy=none,
            giving=none,
            settling=none,
            spared=none,
            wrote=(None,) * scenario.accounts,
        )

    def explore(self, most_states=MOST_STATES):
        return explore(self.initial(), self.steps, self.look, self.is_final, most_states)

    def initial(self):
        n = self.scenario.accounts
        txns = (Txn(self.nothing),) * len(self.scenario.programs)
        return State((Row(),) * n, (None,) * n, txns, (self.most,) * n)

    def is_final(self, state):
        return all(t.status in books.ENDED for t in state.txns)

    def look(self, state):
        invariants.look(self, state)

    def threshold(self, account):
        return self.scenario.threshold if account == 0 else None

    def may_wait(self, state, me, account):
        """
        May it wait for those who have taken?  Not if it has taken itself: two of a kind would wait
        for each other.  Nor if it has had any row locked since an earlier operation: one who has
        taken may wait for that.
        """
        txn = state.txns[me]
        if not self.leases:
            return False
        itself = txn.work.busy[account] != 0 or txn.work.giving[account] != 0 or txn.work.settling[account] != 0
        if itself and self.mistake != "takers drain":
            return False
        earlier = txn.call.start.locked
        if self.mistake == "waits with another's row":
            earlier = earlier & {account}
        return not earlier or self.mistake == "waits with an earlier row"

    def is_drained(self, state, account, me):
        return books.may_drain(state, account, me, alone=self.mistake == "drains alone")

    # ---- all steps ----

    def steps(self, state):
        for me, txn in enumerate(state.txns):
            for label, following in self.steps_of(state, me, txn):
                yield f"t{me} {label}", following
        for account, entry in enumerate(state.memory):
            if entry is not None and entry.quiet and entry.writer is None:
                yield "an idle entry is forgotten", state._replace(memory=changed(state.memory, account, None))
        if state.crashes < self.scenario.crashes and (any(state.memory) or not self.leases):
            yield "crash", crash(state)

    def steps_of(self, state, me, txn):
        if txn.status == "visible":
            told = memory.committed(state.memory, txn.work, self.mistake)
            yield "commit callback", put(state, me, txn._replace(status="committed"), memory=told)
        elif txn.status == "aborting":
            told = memory.undone(state.memory, txn.work, self.nothing, self.mistake)
            yield "abort callback", put(state, me, txn._replace(status="aborted"), memory=told)
        elif txn.status == "prepared":
            yield "COMMIT PREPARED", self.visible(state, me, "committed")
            yield "ROLLBACK PREPARED", put(state, me, txn._replace(status="aborted"))
        elif txn.status != "run":
            return
        elif txn.undone is not None:
            told = memory.undone(state.memory, txn.undone, txn.work, self.mistake)
            yield "subabort callback", put(state, me, txn._replace(undone=None), memory=told)
        elif txn.at == len(self.scenario.programs[me]):
            yield from self.end(state, me, txn)
        elif me in self.scenario.after and state.txns[self.scenario.after[me]].status not in books.ENDED:
            return
        else:
            yield from self.operation(state, me, txn, self.scenario.programs[me][txn.at])

    # ---- the end of a transaction ----

    def end(self, state, me, txn):
        known = txn.work.shared or any(txn.work.wrote) or any(txn.work.spared)
        yield "commit", self.visible(state, me, "visible" if known else "committed")
        if txn.work == self.nothing:
            return
        if self.scenario.aborts:
            yield "abort", put(state, me, txn._replace(status="aborting"))
        if self.scenario.prepares:
            told = memory.prepared(state.memory, txn.work, self.mistake)
            yield "PREPARE", put(state, me, txn._replace(status="prepared"), memory=told)

    def visible(self, state, me, status):
        txn = state.txns[me]
        rows = tuple(mine or there for mine, there in zip(txn.work.rows, state.rows))
        after = put(state, me, txn._replace(status=status), rows=rows)
        invariants.look_at_commit(self, state, after, me)
        return after

    # ---- operations ----

    def operation(self, state, me, txn, op):
        if isinstance(op, Savepoint):
            yield "SAVEPOINT", put(state, me, done(txn._replace(saved=txn.work)))
        elif isinstance(op, RollBack):
            yield "ROLLBACK TO", put(state, me, done(txn._replace(work=txn.saved, undone=txn.work)))
        elif isinstance(op, Lower):
            yield "lowers the limit", put(
                state, me, done(txn), limits=changed(state.limits, op.account, op.limit)
            )
        elif txn.call.step == "begin":
            yield from self.begin(state, me, txn, op)
        else:
            yield from getattr(self, "step_" + txn.call.step)(state, me, txn, op)

    def begin(self, state, me, txn, op):
        call = Call(start=txn.work)
        if isinstance(op, Close):
            step = "drain" if self.leases else "lock"
            if self.mistake == "administration does not drain":
                step = "lock"
            call = call._replace(step=step, rows=op.accounts, drain=frozenset(op.accounts))
            yield "begins to close", put(state, me, txn._replace(call=call))
        elif isinstance(op, Charge) and op.keyed:
            call = call._replace(step="look", early=state.ids + 1)
            yield "draws its id", put(state, me, txn._replace(call=call), ids=state.ids + 1)
        elif isinstance(op, Charge):
            yield from self.step_look(state, me, txn._replace(call=call), op)
        elif isinstance(op, Refund):
            if books.own(state.txns[op.debit], op.account) > 0 and (
                state.txns[op.debit].status in books.GOOD or op.debit == me
            ):
                yield from self.look_to_give(state, me, txn._replace(call=call), op.account)
            else:
                yield "has nothing to refund", put(state, me, done(txn))
        else:
            yield from self.close_hold(state, me, txn._replace(call=call), op)

    # ---- charging ----

    def step_look(self, state, me, txn, op):
        """Share locks, where they can be had at once, then a snapshot; some are refused by that alone."""
        if self.refused_at_sight(state, me, op):
            yield "is refused at sight", put(state, me, done(txn))
            return
        txn = self.share(state, me, txn, [account for account, _ in op.amounts])
        yield "looks", put(state, me, txn._replace(call=txn.call._replace(step="take")))

    def share(self, state, me, txn, accounts):
        got = [a for a in accounts if state.memory[a] is not None and books.may_share(state, a, me)]
        if not self.leases:
            got = []
        seen = tuple(mine or there for mine, there in zip(txn.work.rows, state.rows))
        if self.mistake != "refuses by an old row":
            seen = tuple(Row(lease=row.lease) for row in seen)  # nothing else of it is looked at
        return txn._replace(
            work=txn.work._replace(shared=txn.work.shared | frozenset(got)), call=txn.call._replace(seen=seen)
        )

    def refused_at_sight(self, state, me, op):
        """Does an amount not fit beside what is committed?  Nobody waits for that."""
        for account, amount in op.amounts:
            use = self.use_at_sight(state, me, account)
            if use is None or state.limits[account] - use >= amount:
                continue
            if state.limits[account] - books.visible_use(state, account) >= amount:
                raise Violation("refused at sight, though it fits")
            return True
        return False

    def use_at_sight(self, state, me, account):
        """What is used, or None where that cannot be said without a lock."""
        txn, row, entry = state.txns[me], state.rows[account], state.memory[account]
        if account in txn.work.locked or txn.work.busy[account] or txn.work.giving[account]:
            return None
        if self.mistake == "never refuses at sight":
            return None
        if row.lease == 0:
            return row.used
        if entry is None or entry.lease != row.lease:
            return None
        if self.mistake == "refuses by row and left":
            return row.used - entry.left
        if (entry.giving or entry.unknown) and self.mistake != "refuses beside refunds":
            return None
        return row.used - row.leased + entry.taken

    def step_take(self, state, me, txn, op):
        """Memory first; an account whose lease runs short goes by its row."""
        early = txn.call.early
        leased = [
            (a, n)
            for a, n in op.amounts
            if self.is_usable(state, txn, a)
            and (not early or early > state.memory[a].lease or self.mistake == "early id")
        ]
        if self.mistake == "refuses by an old row":
            self.look_at_old_rows(state, txn, op)
        leased = [(a, n) for a, n in leased if state.memory[a].left >= n or self.overtakes(state, a, n)]
        entries, work = state.memory, txn.work
        for account, amount in leased:
            entry = entries[account]
            self.look_at_take(state, me, account, amount)
            entries = changed(entries, account, entry._replace(busy=entry.busy + amount))
            work = work._replace(
                busy=changed(work.busy, account, work.busy[account] + amount),
                booked=work.booked
                + (Booked(account, amount, entry.lease, early or entry.lease + 1, op.hold),),
            )
        rows = tuple(a for a, _ in op.amounts if a not in dict(leased))
        txn = txn._replace(work=self.lets_go(work), call=txn.call._replace(step="lock", rows=rows))
        if rows:
            yield "goes by rows", put(state, me, txn, memory=entries)
        else:
            yield "takes from memory", put(state, me, done(txn), memory=entries)

    def look_at_old_rows(self, state, txn, op):
        for account, amount in op.amounts:
            row, entry = txn.call.seen[account], state.memory[account]
            if account in txn.work.locked or entry is None or entry.lease != row.lease or not entry.quiet:
                continue
            use = row.used - row.leased + entry.taken
            if state.limits[account] - use < amount <= state.limits[account] - books.visible_use(state, account):
                raise Violation("refused at sight, though it fits")

    def is_usable(self, state, txn, account):
        entry = state.memory[account]
        return (
            account in txn.work.shared
            and entry is not None
            and (entry.lease == txn.call.seen[account].lease or self.mistake == "takes unseen")
            and (not entry.closing or self.mistake == "gives while closing")
            and (entry.terms == state.limits[account] or self.mistake == "old terms")
        )

    def overtakes(self, state, account, amount):
        entry = state.memory[account]
        if self.mistake == "takes uncommitted draws" and entry.wanted is not None:
            return entry.wanted - entry.spent >= amount
        return self.mistake == "takes returned units" and entry.granted - entry.spent >= amount

    def lets_go(self, work):
        """Locks of leases that it has not come to use: a drain would wait for them."""
        used = frozenset(a for a in work.shared if work.busy[a] or work.giving[a] or work.settling[a])
        return work._replace(shared=used)

    # ---- rows ----

    def step_drain(self, state, me, txn, op):
        """All leases that have to be drained, in order, before any row is locked."""
        account = books.waits_for(txn)
        if not self.is_drained(state, account, me):
            return
        call = txn.call._replace(drained=txn.call.drained | {account})
        if call.drained == call.drain:
            call = call._replace(step="lock")
        yield f"has drained {account}", put(state, me, txn._replace(call=call))

    def step_lock(self, state, me, txn, op):
        account = next((a for a in txn.call.rows if a not in txn.work.locked), None)
        if account is not None and not books.row_is_free(state, account, me):
            return
        if account is not None:
            txn = txn._replace(work=txn.work._replace(locked=txn.work.locked | {account}))
        if all(a in txn.work.locked for a in txn.call.rows):
            txn = txn._replace(call=txn.call._replace(step="decide"))
        yield f"locks row {account}", put(state, me, txn)

    def step_decide(self, state, me, txn, op):
        before = state
        for account in txn.call.rows:
            amount = self.amount(op, account)
            if isinstance(op, Charge):
                made = decide.charge(self, state, me, account, amount, op)
            elif isinstance(op, Close):
                made = decide.close(self, state, me, account)
            else:
                made = decide.give(self, state, me, account, -amount, getattr(op, "keeps", None))
            if made == decide.DRAIN:
                yield "has to drain, and backs off", self.backs_off(before, me, account, op)
                return
            if made == decide.REFUSE:
                yield "is refused", self.refused(before, me, account, amount)
                return
            if isinstance(op, Charge):
                self.look_at_take(state, me, account, amount)
            state = self.carried_out(state, me, account, amount, made, op)
        txn = state.txns[me]
        yield "writes its rows", put(state, me, done(txn._replace(work=self.lets_go(txn.work))))

    def amount(self, op, account):
        """What it adds to the account's use."""
        if isinstance(op, Charge):
            return dict(op.amounts)[account]
        if isinstance(op, Refund):
            return -op.amount
        return op.keeps - self.scenario.amounts[op.hold] if isinstance(op, Settle) else 0

    def carried_out(self, state, me, account, amount, made, op):
        txn = state.txns[me]
        work = txn.work
        work = work._replace(
            rows=changed(work.rows, account, made.row),
            spared=changed(work.spared, account, work.spared[account] + made.spared),
            wrote=changed(work.wrote, account, made.wrote or work.wrote[account]),
            told=work.told + made.told,
            guessed=work.guessed or made.guessed,
        )
        if amount:
            hold = getattr(op, "hold", None)
            work = work._replace(booked=work.booked + (Booked(account, amount, 0, 0, hold),))
        return put(
            state,
            me,
            txn._replace(work=work),
            memory=changed(state.memory, account, made.entry),
            ids=max(state.ids, made.opened),
        )

    def without_call(self, state, me):
        """What the operation has done so far, taken back: by an internal subtransaction."""
        txn = state.txns[me]
        told = memory.undone(state.memory, txn.work, txn.call.start, self.mistake)
        return txn._replace(work=txn.call.start), told

    def backs_off(self, state, me, account, op):
        """Nobody waits for those who have taken with a row locked that they may come to want."""
        txn, told = state.txns[me], state.memory
        closed = txn.work.closed
        call = txn.call._replace(step="drain", drain=txn.call.drain | {account}, drained=frozenset())
        if isinstance(op, Charge):
            call = call._replace(rows=tuple(a for a, _ in op.amounts))
        if self.mistake != "waits with the row":
            txn, told = self.without_call(state, me)
            # a hold's own row is locked before all this, and stays so
            txn = txn._replace(work=txn.work._replace(closed=closed))
        return put(state, me, txn._replace(call=call), memory=told)

    def refused(self, state, me, account, amount):
        txn = state.txns[me]
        use = books.visible_use(state, account) + books.own(txn, account)
        if not self.may_wait(state, me, account) and not self.is_drained(state, account, me):
            # for it alone, what is in flight counts as taken
            use += books.counted_as_taken(state, account, me)
            entry = state.memory[account]
            use += entry.lost if entry is not None else 0
        if amount > 0 and state.limits[account] - use >= amount:
            raise Violation("refused, though it fits")
        if amount < 0:
            raise Violation("nothing is there to give back")
        txn, told = self.without_call(state, me)
        return put(state, me, done(txn), memory=told)

    def look_at_take(self, state, me, account, amount):
        use = books.visible_use(state, account) + books.in_flight(state, account, me)
        if use + books.own(state.txns[me], account) + amount > state.limits[account]:
            raise Violation("given beyond the limit")

    # ---- giving back ----

    def close_hold(self, state, me, txn, op):
        """Whoever removes the hold's row closes it."""
        others = [t for i, t in enumerate(state.txns) if i != me and any(h == op.hold for h, _ in t.work.closed)]
        careful = self.mistake != "a hold is closed twice"
        if careful and any(t.status in books.OPEN for t in others):
            return
        account = next(
            (b.account for t in state.txns if t.status in books.GOOD for b in t.work.booked if b.hold == op.hold), None
        )
        closed = any(h == op.hold for h, _ in txn.work.closed) or any(t.status in books.GOOD for t in others)
        if account is None or (careful and closed):
            yield "finds no hold", put(state, me, done(txn))
            return
        txn = txn._replace(work=txn.work._replace(closed=txn.work.closed + ((op.hold, op.keeps),)))
        yield from self.look_to_give(state, me, txn, account)

    def look_to_give(self, state, me, txn, account):
        txn = self.share(state, me, txn, [account])
        yield "looks", put(state, me, txn._replace(call=txn.call._replace(step="give", rows=(account,))))

    def step_give(self, state, me, txn, op):
        """To the lease, as far as it was taken from there; else to the row."""
        (account,) = txn.call.rows
        hold = getattr(op, "hold", None)
        amount = -self.amount(op, account)
        entry = state.memory[account]
        spared = amount if hold is None and self.threshold(account) is not None else 0
        usable = self.is_usable(state, txn, account) and entry.taken - entry.giving >= amount
        if usable and self.mistake != "gives below a threshold":
            usable = entry.may_give >= spared
        if not usable:
            txn = txn._replace(work=self.lets_go(txn.work), call=txn.call._replace(step="lock"))
            yield "gives to the row", put(state, me, txn)
            return
        work = txn.work
        noted = 0 if self.mistake == "refunds are not noted" else amount
        settles = int(hold is not None and self.mistake != "settles are not noted")
        early = self.mistake == "gives before commit"
        entry = entry._replace(
            giving=entry.giving + noted,
            taken=entry.taken - (amount if early else 0),
            may_give=entry.may_give - spared,
            settling=entry.settling + settles,
        )
        lease = entry.lease
        if self.mistake == "gives by the hold's entry" and hold is not None:
            lease = next(b.lease for t in state.txns for b in t.work.booked if b.hold == hold)
        work = work._replace(
            giving=changed(work.giving, account, work.giving[account] + noted),
            settling=changed(work.settling, account, work.settling[account] + settles),
            spared=changed(work.spared, account, work.spared[account] + spared),
        )
        if amount:
            work = work._replace(booked=work.booked + (Booked(account, -amount, lease, entry.lease + 1, hold),))
        entries = changed(state.memory, account, entry)
        yield "gives to the lease", put(state, me, done(txn._replace(work=self.lets_go(work))), memory=entries)


def put(state, me, txn, **more):
    return state._replace(txns=changed(state.txns, me, txn), **more)


def done(txn):
    """The operation is over."""
    return txn._replace(at=txn.at + 1, call=Call())


def crash(state):
    txns = tuple(
        t._replace(status="committed")
        if t.status == "visible"
        else t
        if t.status in ("prepared", "committed", "aborted")
        else t._replace(status="aborted", undone=None, call=Call())
        for t in state.txns
    )
    # who had not begun begins after it
    txns = tuple(
        before if before.status == "run" and before.at == 0 and before.call.step == "begin" else after
        for before, after in zip(state.txns, txns)
    )
    return state._replace(memory=(None,) * len(state.memory), txns=txns, crashes=state.crashes + 1)

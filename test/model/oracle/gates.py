"""Gates: tables whose rows charge by themselves (API.md, protect).

A gate adds up, for each subject, what the new rows of an event are worth and
what the old ones were; then what is less gives back, subject by subject in byte
order, and what is more takes."""

from typing import NamedTuple

from . import books, corrections, memory
from .accounts import accounts, prefixes
from .arguments import check_feature, check_subject
from .decide import NOT_ENTITLED, decide
from .enforce import charge, charge_allowed, observed, refusal
from .errors import Fault, fits, invalid, not_found
from .world import Operation

# The expressions that the generator knows, as functions of the folders and a row.
SUBJECTS = {
    "r.owner": lambda folders, row: row.owner,
    "r.owner || '/' || r.sub":
        lambda folders, row: None if None in (row.owner, row.sub) else f"{row.owner}/{row.sub}",
    "r.owner || coalesce('/' || r.sub, '')":
        lambda folders, row: row.owner and row.owner + (f"/{row.sub}" if row.sub else ""),
    "(SELECT f.tenant FROM folder f WHERE f.id = r.folder)": lambda folders, row: folders.get(row.folder),
}
AMOUNTS = {
    "1": lambda row: 1,
    "r.amount": lambda row: row.amount,
    "r.tokens": lambda row: row.tokens,
    "CASE WHEN r.sub IS NULL THEN 2 ELSE 0 END": lambda row: 0 if row.sub else 2,
}


class Row(NamedTuple):
    """Of every application table; (id, part) is the key."""

    id: int
    part: int
    owner: object
    sub: object
    folder: object
    amount: object
    tokens: object


class Gate(NamedTuple):
    subject: str
    amount: str
    gives_back: bool
    overdraw: bool
    remember: bool


class Event(NamedTuple):
    """What a trigger sees of a statement."""

    table: str
    old: tuple = ()
    new: tuple = ()
    pairs: bool = False  # old and new rows belong together, one by one


# ---- protect, unprotect --------------------------------------------------


def protect(world, target, feature, subject, amount="1", refund=None, exceed="refuse", remember=False):
    """The beginning of the triggers' names."""
    kind = _kind(world, feature)
    if kind not in ("metered", "capacity"):
        raise invalid("rows of this kind cannot be counted")
    table = _name(target)
    if (table, feature) in world.gates:
        raise Fault("42710", "has a gate of that feature")
    gives_back = kind == "capacity" if refund is None else refund == "on_decrease"
    world.gates[table, feature] = Gate(subject, amount, gives_back, exceed == "overdraw", remember)
    _count_present(world, table, feature)
    return f"quota_{feature}"


def unprotect(world, target, feature):
    check_feature(feature)
    if (_name(target), feature) not in world.gates:
        raise Fault("42704", "no gate of that feature")
    del world.gates[_name(target), feature]
    for key in memory.of(world, feature, _name(target)):
        del world.remembered[key]


def _name(target):
    return target.split(".")[1]


def _kind(world, feature):
    check_feature(feature)
    if feature not in world.features:
        raise not_found(f"feature {feature}")
    return world.features[feature].kind


def _count_present(world, table, feature):
    """The rows that are there are counted, never refused."""
    worth = _worth(world, table, feature)
    if world.features[feature].kind == "capacity":
        differences = {name: actual - recorded for name, recorded, actual in _differences(world, feature)
                       if name in worth}
    else:
        used = {name: _used_ever(world, name, feature) for name in worth}
        differences = {name: units - used[name] for name, units in worth.items() if units > used[name]}
    if world.gates[table, feature].remember:
        memory.renew(world, {(table, feature): world.gates[table, feature]}, feature)
    booked = {name: _adjust(world, name, feature, differences[name], {"counted": table}) for name in _in_order(differences)}
    memory.uncharged(world, feature, [name for name, units in differences.items() if units > 0 and not booked[name]], [table])


def _used_ever(world, subject, feature):
    """All that was charged for exactly this subject, at the deepest account that each charge began with, without open holds."""
    charges = {}
    for entry in world.ledger.values():
        if (entry.subject, entry.feature) == (subject, feature) and entry.kind != "transfer":
            charges.setdefault(entry.debit, []).append(entry)
    used = 0
    for number, entries in charges.items():
        if number in world.holds and world.holds[number].state == "open":
            continue
        deepest = max(entry.account.encode() for entry in entries if entry.operation == number)
        own = world.operations[number].kind in ("correction", "give_back")  # else one of a refund: no use
        used += sum(entry.amount for entry in entries
                    if entry.account.encode() == deepest and (own or entry.kind != "correction"))
    return used


# ---- an event --------------------------------------------------


def fire(world, events, folders_before):
    """The gates of a statement's events, each gate in order of its name."""
    for event in events:
        for table, feature in sorted(world.gates):
            if table == event.table:
                _decide_event(world, world.gates[table, feature], feature, event, folders_before)


def _decide_event(world, gate, feature, event, folders_before):
    if not gate.remember and not gate.gives_back and not event.new:
        return
    tally = _Tally(gate, folders_before, dict(world.folders))
    written = {}
    if gate.remember:
        written = memory.tally_event(world, tally, feature, event)
    elif event.pairs:
        for old, new in zip(event.old, event.new):
            tally.pair(old, new)
    else:
        for row in event.old:
            tally.give(row)
        for row in event.new:
            tally.take(row)
    net = {name: tally.taken.get(name, 0) - tally.given.get(name, 0) for name in {*tally.taken, *tally.given}}
    for name in _in_order(net):
        if net[name] < 0:
            _give(world, name, feature, -net[name], {"table": event.table})
    for name in _in_order(net):
        if net[name] > 0:
            if not _take(world, name, feature, net[name], gate.overdraw, {"table": event.table}):
                for key in [key for key, owner in written.items() if owner == name and gate.gives_back]:
                    world.remembered[key] = (name, 0)


class _Tally:
    """What each subject takes and gives."""

    def __init__(self, gate, folders_before, folders):
        self.gate, self.before, self.folders = gate, folders_before, folders
        self.taken, self.given = {}, {}

    def take(self, row):
        amount = self.amount(row)
        self.add(self.taken, self.payer(row), amount)

    def give(self, row):
        name = somebody(self.gate, self.before, row)
        if name is not None:
            self.add(self.given, name, old_amount(self.gate, row))

    def pair(self, old, new):
        before = old_amount(self.gate, old)
        # what did not count may go on so
        amount = self.amount(new) if counts(self.gate, old) or counts(self.gate, new) else 0
        if not self.gate.gives_back:
            if amount > before:
                self.add(self.taken, self.payer(new), amount - before)
            return
        owner = somebody(self.gate, self.before, old)
        nobody = somebody(self.gate, self.folders, new) is None
        if nobody and owner is None and amount <= before:  # nobody's row may stay nobody's
            return
        self.add(self.taken, self.payer(new), amount)
        if owner is not None:
            self.add(self.given, owner, before)

    def amount(self, row):
        """Of a new row."""
        amount = AMOUNTS[self.gate.amount](row)
        if amount is None:
            raise Fault("22004", "amount is NULL")
        if amount < 0:
            raise invalid("amount is negative")
        return amount

    def payer(self, row):
        """Of a new row."""
        name = SUBJECTS[self.gate.subject](self.folders, row)
        check_subject(name)
        return name

    @staticmethod
    def add(sums, name, amount):
        sums[name] = fits(sums.get(name, 0) + amount)


def somebody(gate, folders, row):
    """None: nobody, or nothing that could be one."""
    name = SUBJECTS[gate.subject](folders, row)
    try:
        check_subject(name)
    except Fault:
        return None
    return name


def counts(gate, row):
    amount = AMOUNTS[gate.amount](row)
    return amount is not None and amount >= 0


def old_amount(gate, row):
    return max(0, AMOUNTS[gate.amount](row) or 0)


def _in_order(names):
    return sorted(names, key=str.encode)


# ---- charging --------------------------------------------------


def _take(world, subject, feature, amount, overdraw, metadata):
    """Was anything charged?"""
    verdict = decide(world, subject, feature, amount)
    if verdict.allowed:
        charge_allowed(world, subject, feature, amount, verdict, metadata)
    elif overdraw or world.observing:
        observed(world, subject, feature, amount, verdict, metadata)
    else:
        raise refusal(subject, feature, amount, verdict)
    return _is_counted(world, feature, verdict)


def _is_counted(world, feature, verdict):
    return verdict.reason != NOT_ENTITLED or world.features[feature].kind == "capacity"


def _give(world, subject, feature, amount, metadata):
    """Whatever entitlement and status; what is not there does not come back."""
    number = world.next_id()
    if world.features[feature].kind == "capacity":
        amount = min(amount, books.capacity_in_use(world, subject, feature))
        books.give_capacity(world, number, subject, feature, amount, metadata)
        levels = prefixes(subject)
    else:
        found = accounts(world, subject, feature)
        for account in found:
            corrections.lower(world, number, subject, account, amount, metadata)
        levels = [account.prefix for account in found]
    world.operations[number] = Operation("give_back", subject, feature, amount, 0, tuple(levels), ())


def _adjust(world, subject, feature, difference, metadata):
    """It is there already: that is no matter of a rate, and no denial.  False: nothing was charged."""
    if difference > 0:
        verdict = decide(world, subject, feature, difference)
        if not _is_counted(world, feature, verdict):
            return False
        charge(world, subject, feature, difference, verdict, metadata)
    elif difference < 0:
        _give(world, subject, feature, -difference, metadata)
    return True


# ---- recount --------------------------------------------------


def recount(world, feature, dry_run=True):
    """Rows (subject, recorded, actual)"""
    kind = _kind(world, feature)
    mine = {key: gate for key, gate in world.gates.items() if key[1] == feature}
    known = {key: gate for key, gate in mine.items() if gate.remember}
    if kind != "capacity" and not (kind == "metered" and known):
        raise invalid("only a capacity, and what is remembered, can be counted from rows")
    if not mine:
        raise invalid("there is no gate")
    differences = _differences(world, feature) if kind == "capacity" else memory.differences(world, known, feature)
    found = [(subject, recorded, fits(actual)) for subject, recorded, actual in differences]
    if not dry_run:
        memory.renew(world, known, feature)
    for subject, recorded, actual in found if not dry_run else ():
        if not _adjust(world, subject, feature, actual - recorded, {"recount": True}):
            memory.uncharged(world, feature, [subject], [table for table, _ in known])
    return found


def _worth(world, table, feature):
    """Units by subject of the rows that a table has."""
    gate, worth, folders = world.gates[table, feature], {}, dict(world.folders)
    for (name, *_), row in world.rows.items():
        subject = somebody(gate, folders, row) if name == table else None
        if subject is not None:
            worth[subject] = fits(worth.get(subject, 0) + old_amount(gate, row))
    return worth


def _differences(world, feature):
    actual = {}
    for table, name in world.gates:
        for subject, units in _worth(world, table, name).items() if name == feature else ():
            actual[subject] = actual.get(subject, 0) + units
    own = _own(world, feature)
    return [(name, own.get(name, 0), actual.get(name, 0)) for name in _in_order({*own, *actual})
            if own.get(name, 0) != actual.get(name, 0)]


def _own(world, feature):
    """What each subject has without those below it, and without what is reserved."""
    own = {}

    def add(name, units):
        for subject, change in ((name, units), (name.rpartition("/")[0], -units)):
            if subject:
                own[subject] = own.get(subject, 0) + change

    for (name, counted), units in world.capacity.items():
        if counted == feature:
            add(name, units)
    for number, hold in world.holds.items():
        operation = world.operations[number]
        if hold.state == "open" and operation.feature == feature:
            own[operation.subject] = own.get(operation.subject, 0) - hold.reserved
    return own

"""Gates that remember: what each row was charged, and to whom (API.md, protect remember)."""

from . import gates


def of(world, feature, table):
    """Keys of what is remembered."""
    return [key for key in world.remembered if key[:2] == (table, feature)]


def _forget(world, key):
    """What was remembered under the key: (None, 0) if nothing."""
    charge = world.remembered.get(key, (None, 0))
    if key in world.remembered:
        del world.remembered[key]
    return charge


# ---- an event --------------------------------------------------


def tally_event(world, tally, feature, event):
    """Whose charge was written, by key."""
    written = {}

    def key_of(row):
        return event.table, feature, row.id, row.part

    def remember(row, subject, units):
        written[key_of(row)] = subject
        world.remembered[key_of(row)] = (subject, units)

    if not event.pairs:
        for row in event.old:
            subject, units = _forget(world, key_of(row))
            # what moves gives back and takes like one that goes and one that comes
            if subject is not None and (tally.gate.gives_back or event.new):
                tally.add(tally.given, subject, units)
        for row in event.new:
            units = tally.amount(row)
            tally.add(tally.taken, tally.payer(row), units)
            remember(row, tally.payer(row), units)
        return written
    changed = [(new, _change(tally, world.remembered.get(key_of(old)), new), key_of(old)) for old, new in zip(event.old, event.new)]
    for new, charge, old_key in changed:
        if charge is not None and old_key != key_of(new):
            _forget(world, old_key)
    for new, charge, old_key in changed:
        if charge is not None and (old_key != key_of(new) or world.remembered.get(old_key) != charge):
            remember(new, *charge)
    return written


def _change(tally, known, new):
    """What is to be remembered of a row, of which that was known; None: nothing, as before."""
    gate = tally.gate
    owner = gates.SUBJECTS[gate.subject](tally.folders, new)
    if known is None and (gates.somebody(gate, tally.folders, new) is None or not gates.counts(gate, new)):
        return None
    units = tally.amount(new)
    subject = known[0] if known is not None and owner is None else tally.payer(new)
    if gate.gives_back:
        if known is not None:
            tally.add(tally.given, *known)
        tally.add(tally.taken, subject, units)
        return subject, units
    if known is not None and units <= known[1]:
        return known
    tally.add(tally.taken, subject, units - (known[1] if known else 0))
    return subject, units


# ---- counting --------------------------------------------------


def _now(world, table, feature, gate):
    """What the table's rows are worth now, by key, without those of nobody."""
    found = {}
    for (name, number, part), row in world.rows.items():
        subject = gates.somebody(gate, dict(world.folders), row) if name == table else None
        if subject is not None:
            found[table, feature, number, part] = (subject, gates.old_amount(gate, row))
    return found


def _keeps_most(world, gate, feature):
    return not gate.gives_back and world.features[feature].kind != "capacity"


def renew(world, known, feature):
    """Remembers what rows of these gates are worth now; where nothing is given back, the most that they ever were."""
    for (table, _), gate in known.items():
        now = _now(world, table, feature, gate)
        for key in [key for key in of(world, feature, table) if key not in now]:
            del world.remembered[key]
        for key, charge in now.items():
            before = world.remembered.get(key)
            if before is None or not _keeps_most(world, gate, feature) or charge[1] > before[1]:
                world.remembered[key] = charge


def uncharged(world, feature, subjects, tables):
    """Rows that nobody was charged for give nothing back."""
    if world.features[feature].kind == "capacity":
        return
    for key, (subject, _) in list(world.remembered.items()):
        gate = world.gates.get(key[:2])
        if key[1] == feature and key[0] in tables and subject in subjects and gate.gives_back:
            world.remembered[key] = (subject, 0)


def differences(world, known, feature):
    """Of a metered feature: (subject, recorded, actual)."""
    sums = {}  # (subject, are they given back?) -> [recorded, actual]
    for (table, _), gate in known.items():
        now = _now(world, table, feature, gate)
        before = {key: world.remembered[key] for key in of(world, feature, table)}
        for key in {*now, *before}:
            if key in before:
                whose = before[key][0] if gate.gives_back or key not in now else now[key][0]
                sums.setdefault((whose, gate.gives_back), [0, 0])[0] += before[key][1]
            if key in now:
                units = now[key][1] if gate.gives_back else max(now[key][1], before.get(key, (None, 0))[1])
                sums.setdefault((now[key][0], gate.gives_back), [0, 0])[1] += units
    totals = {}
    for (subject, gives_back), (recorded, actual) in sums.items():
        total = totals.setdefault(subject, [0, 0])
        total[0] += recorded
        total[1] += actual if gives_back else max(actual, recorded)
    return [(name, *totals[name]) for name in sorted(totals, key=str.encode) if totals[name][0] != totals[name][1]]

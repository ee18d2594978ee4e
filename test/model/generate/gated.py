"""Application tables with gates, and random statements that write to them."""

from oracle import gates, tables
from oracle.arguments import check_subject
from oracle.errors import Fault

SUBJECTS = sorted(gates.SUBJECTS)
PARTITIONS = ["part", "part", "part_0", "part_1", "part_rest", "part_2", "part_3"]
IDS = 40  # of rows
FOLDERS = 5


class Gated:
    """Makes the operations for a Generator."""

    def __init__(self, generator):
        self.generator, self.rng, self.world = generator, generator.rng, generator.world

    def opening(self):
        """Functions that make the first operations: tables, folders, gates."""
        return [self._tables] + [self.write_folder] * 3 + [self.protect] * self.rng.choice([2, 3, 4])

    def _tables(self):
        cascade = [table for table in ("doc", "part") if self.rng.random() < 0.5]
        return self._call("create_tables", cascade=cascade)

    def _call(self, function, **arguments):
        return self.generator._call(function, **arguments)

    def _write(self, table, **change):
        change = {name.replace("_", " "): value for name, value in change.items()}
        return self._call("write", table=table, change=change)

    # ---- gates --------------------------------------------------

    def protect(self):
        rng = self.rng
        feature = self.generator._feature("metered", "capacity")
        kind = self.world.features[feature].kind if feature in self.world.features else "metered"
        amounts = ["r.tokens", "r.tokens", "r.amount", "1"] if kind == "metered" else ["1", "1", "r.amount", "r.amount"]
        arguments = {
            "target": rng.choice(["app.doc", "app.part"]), "feature": feature, "subject": rng.choice(SUBJECTS),
            "amount": rng.choice(amounts + sorted(gates.AMOUNTS)),
        }
        if rng.random() < 0.4:
            arguments["refund"] = rng.choice([None, "on_decrease", "never"])
        if rng.random() < 0.4:
            arguments["exceed"] = rng.choice(["refuse", "overdraw", "overdraw"])
        if rng.random() < 0.4:
            arguments["remember"] = True
        return self._call("protect", **arguments)

    def unprotect(self):
        table, feature = self._gate()
        if self.rng.random() < 0.3:
            table, feature = "doc", self.generator._feature("metered", "capacity")
        return self._call("unprotect", target=f"app.{table}", feature=feature)

    def recount(self):
        _, feature = self._gate()
        if self.rng.random() < 0.1:
            feature = self.generator._feature()
        arguments = {"feature": feature}
        if self.rng.random() < 0.5:
            arguments["dry_run"] = False
        return self._call("recount", **arguments)

    def _gate(self):
        """(table, feature) of one, if there is any."""
        found = sorted(self.world.gates)
        return self.rng.choice(found) if found else ("doc", "tokens")

    # ---- statements ------------------------------------------------

    def write(self):
        kinds = [self.insert, self.copy, self.upsert, self.merge, self.insert_select, self.update, self.hand_over,
                 self.move, self.delete, self.truncate, self.write_folder, self.delete_folders]
        return self.rng.choices(kinds, [26, 6, 10, 7, 5, 20, 8, 6, 11, 1.5, 3, 2])[0]()

    def _table(self):
        """Mostly one with a gate, sometimes a partition."""
        table = self._gate()[0] if self.rng.random() < 0.9 else self.rng.choice(["doc", "part"])
        return self.rng.choice(PARTITIONS) if table == "part" else table

    def _rows(self, table):
        return sorted(tables.matching(self.world, table, {}), key=lambda row: (row.id, row.part))

    def insert(self):
        table = self._table()
        rows = self._new_rows(table)
        change = {"insert": rows}
        if self.rng.random() < 0.1:
            change["conflict"] = "nothing"
        return self._write(table, **change)

    def copy(self):
        table = self._table()
        return self._write(table, copy=self._new_rows(table))

    def upsert(self):
        table = self._table()
        return self._write(table, insert=self._mixed_rows(table), conflict="update")

    def merge(self):
        """A join gives the rows an order of its own, and the first that is bad is told, so all are bad in one way."""
        table = self._table()
        rows = self._mixed_rows(table)
        for row in rows:
            row[2] = row[2] if _can_pay(row[2]) else None
        gone = [row[0] for row in rows if self.rng.random() < 0.3]
        return self._write(table, merge=rows, gone=gone)

    def _mixed_rows(self, table):
        """Keys that are there and keys that are not."""
        rows, known = self._new_rows(table, bad=False), self._rows(table)
        if known:
            for old in self.rng.sample(known, min(len(known), self.rng.choice([1, 1, 2, 4]))):
                row = self._row(table, old.id, old.part, False)
                rows.append(row)
        self.rng.shuffle(rows)
        keys = {}
        for row in rows:  # a statement may touch a row once
            keys.setdefault(tuple(row[:2]), row)
        return list(keys.values())

    def _new_rows(self, table, bad=True):
        known = {row.id for row in self._rows(tables.root_of(table))}
        free = [number for number in range(1, IDS) if number not in known] or [1]
        ids = self.rng.sample(free, min(len(free), self.rng.choice([1, 1, 2, 3, 5])))
        if self.rng.random() < 0.03:
            ids = [self.rng.choice(ids)] + [self.rng.randint(1, IDS)]
        values = sorted(tables.PARTS[table] or range(4))
        return [self._row(table, number, self._part(values), bad) for number in ids]

    def _part(self, values):
        return self.rng.choice(values if self.rng.random() < 0.99 else [0, 1, 2, 3])

    def _row(self, table, number, part, bad):
        row = [number, part, self._owner(table, bad), self._sub(), self._folder(), 1, 1]
        row[5], row[6] = self._units(table, row, "r.amount", bad), self._units(table, row, "r.tokens", bad)
        return row

    def _owner(self, table, bad=False):
        """One that cannot pay mostly where it is refused."""
        if self.rng.random() < 0.03:
            return self.rng.choice([None, None, "a//b"])
        subject = self.generator._subject()
        return subject if bad and self._reads(table, "r.owner") else subject if _can_pay(subject) else "acme"

    def _reads(self, table, column):
        """Does a gate of the table?"""
        return any(column in (gate.subject, gate.amount)
                   for (name, _), gate in self.world.gates.items() if name == tables.root_of(table))

    def _sub(self):
        return self.rng.choice([None, "eng", "bob", "y", "new"])

    def _folder(self):
        known = sorted(self.world.folders)
        if known and self.rng.random() < 0.93:
            return self.rng.choice(known)
        return self.rng.choice([None, None, 1, 2, FOLDERS])

    def _units(self, table, row, column, bad):
        """Often exactly what a gate has left for the row."""
        for (name, feature), gate in sorted(self.world.gates.items()):
            if name == tables.root_of(table) and gate.amount == column:
                subject = gates.SUBJECTS[gate.subject](self.world.folders, gates.Row(*row))
                units = self.generator._amount(subject, feature)
                return units if bad or (units is not None and 0 <= units < 2**62) else 2
        return self.rng.choice([0, 1, 2, 5] * 8 + [None, -1])  # a gate that comes later may not count it

    def insert_select(self):
        """Rows of one table into another."""
        table, source = self._table(), self.rng.choice(["doc", "part"])
        return self._write(table, insert={"select": source, "shift": IDS, "where": self._where(source)})

    def _where(self, table, single=False):
        rows = self._rows(table)
        if rows and (single or self.rng.random() < 0.6):
            some = self.rng.sample(rows, 1 if single else min(len(rows), self.rng.choice([1, 1, 2, 3, 5])))
            where = {"id": [row.id for row in some]}
            return where | ({"part": some[0].part} if single else {})
        if single:
            return {"id": [0]}
        kind = self.rng.random()
        if kind < 0.5:
            return {"owner": self._owner(table)}
        return {"part": self.rng.randrange(4)} if kind < 0.85 else {}

    def update(self):
        """Other amounts."""
        table = self._table()
        single = self.rng.random() < 0.4
        where, changes = self._where(table, single), {}
        rows = tables.matching(self.world, table, where)
        for name in self.rng.choice([["amount"], ["tokens"], ["amount", "tokens"]]):
            kind = self.rng.random()
            if kind < 0.35:
                changes[name] = ["+", self.rng.choice([0, 1, 1, 2, 5, 30])]
            elif kind < 0.6:
                changes[name] = ["-", self.rng.choice([1, 1, 2, 5, 100])]
            elif rows:
                changes[name] = self._units(table, list(rows[0]), f"r.{name}", single)
            else:
                changes[name] = 1
        return self._write(table, update=changes, where=where)

    def hand_over(self):
        """Other owners, perhaps with other amounts."""
        table = self._table()
        changes = {"owner": self._owner(table)}
        if self.rng.random() < 0.3:
            changes = {"folder": self._folder()}
        elif self.rng.random() < 0.3:
            changes["sub"] = self._sub()
        if self.rng.random() < 0.3:
            changes[self.rng.choice(["amount", "tokens"])] = self.rng.choice([["+", 1], ["-", 2], 3])
        return self._write(table, update=changes, where=self._where(table))

    def move(self):
        """To another partition; from the table, for a partition's rows stay in it."""
        changes = {"part": self.rng.randrange(4)}
        if self.rng.random() < 0.3:
            changes["owner"] = self._owner("part")
        return self._write("part", update=changes, where=self._where("part"))

    def delete(self):
        table = self._table()
        return self._write(table, delete=self._where(table))

    def truncate(self):
        return self._write(self._table(), truncate=True)

    def write_folder(self):
        tenant = None if self.rng.random() < 0.05 else self.generator._subject()
        return self._write("folder", folder=self.rng.randint(1, FOLDERS),
                           tenant=tenant if _can_pay(tenant) else None)

    def delete_folders(self):
        """The parents of rows, which go first."""
        known = sorted(self.world.folders) or [1]
        return self._write("folder", delete_folders=self.rng.sample(known, min(len(known), self.rng.choice([1, 1, 2]))))


def _can_pay(subject):
    try:
        check_subject(subject)
    except Fault:
        return False
    return True

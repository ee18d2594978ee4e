"""The application's tables: rows in dictionaries, changed statement by statement.

`doc` is plain, `part` is partitioned by its column of that name; a `folder` is
what a row's payer may be looked up in.  What a statement does is an argument:
{"insert": rows or a select, "conflict"}, {"copy": rows}, {"merge": rows, "gone": ids},
{"update": columns, "where"}, {"delete": where}, {"truncate": tables}, {"folder": id,
"tenant"}, {"delete folders": ids}."""

from . import gates
from .errors import Fault, fits
from .gates import Event, Row

PARTS = {  # table or partition -> the values of column part that it takes; None: all
    "doc": None, "part": None, "part_0": {0}, "part_1": {1}, "part_rest": {2, 3}, "part_2": {2}, "part_3": {3},
}
TRUNCATED = {"part": ("part_0", "part_1", "part_2", "part_3"), "part_rest": ("part_2", "part_3")}  # in this order


def root_of(table):
    return table.split("_")[0]


def create_tables(world, cascade):
    """cascade: the tables whose rows go with their folder."""
    for table in ("doc", "part"):
        world.tables[table] = table in cascade


def write(world, table, change):
    """How many rows it touched."""
    folders = dict(world.folders)
    kind = next(iter(change))
    count, events = KINDS[kind](world, table, change)
    gates.fire(world, events, folders)
    return count


def matching(world, table, where):
    """Rows, by the conditions {"id": [...], "owner": value, "part": value}, which must all hold."""
    root, parts = root_of(table), PARTS[table]
    return [
        row for (name, *_), row in world.rows.items()
        if name == root and (parts is None or row.part in parts)
        and ("id" not in where or row.id in where["id"])
        and ("owner" not in where or row.owner == where["owner"])
        and ("part" not in where or row.part == where["part"])
    ]


def _insert(world, table, change):
    root, parts, conflict = root_of(table), PARTS[table], change.get("conflict")
    rows = change["insert"]
    if isinstance(rows, dict):
        found = sorted(matching(world, rows["select"], rows["where"]), key=lambda row: (row.id, row.part))
        rows = [row._replace(id=row.id + rows["shift"]) for row in found]
    new, updated = [], []
    for row in rows:
        row = Row(*row)
        key = root, row.id, row.part
        if parts is not None and row.part not in parts:
            raise Fault("23514", "row does not belong to the partition")
        if key not in world.rows:
            world.rows[key] = row
            new.append(row)
        elif conflict is None:
            raise Fault("23505", "key is there")
        elif conflict == "update":
            old = world.rows[key]
            world.rows[key] = old._replace(owner=row.owner, amount=row.amount, tokens=row.tokens)
            updated.append((old, world.rows[key]))
    _require_folders(world, root, new)
    events = [_update_event(root, updated)] if conflict == "update" else []
    return len(new) + len(updated), events + [Event(root, new=tuple(new))]


def _copy(world, table, change):
    return _insert(world, table, {"insert": change["copy"]})


def _merge(world, table, change):
    """Keys that match go if they are in "gone", else get new values; what does not match comes."""
    known = {(row.id, row.part): row for row in matching(world, table, {})}
    rows = [Row(*row) for row in change["merge"]]
    old = [(known[row.id, row.part], row) for row in rows if (row.id, row.part) in known]
    gone = [row for row, _ in old if row.id in change["gone"]]
    updated = [(row, row._replace(owner=new.owner, amount=new.amount, tokens=new.tokens))
               for row, new in old if row not in gone]
    for row, new in updated:
        world.rows[root_of(table), row.id, row.part] = new
    events = [_remove(world, root_of(table), gone), _update_event(root_of(table), updated)]
    count, inserted = _insert(world, table, {"insert": [row for row in rows if (row.id, row.part) not in known]})
    return len(old) + count, events + inserted


def _update_event(root, updated):
    return Event(root, tuple(old for old, _ in updated), tuple(new for _, new in updated), True)


def _require_folders(world, root, rows):
    if world.tables[root] and any(row.folder is not None and row.folder not in world.folders for row in rows):
        raise Fault("23503", "no such folder")


def _update(world, table, change):
    root, updated = root_of(table), []
    for old in matching(world, table, change["where"]):
        new = old._replace(**{name: _value(getattr(old, name), given) for name, given in change["update"].items()})
        updated.append((old, new))
    for old, _ in updated:
        del world.rows[root, old.id, old.part]
    for _, new in updated:
        if (root, new.id, new.part) in world.rows:
            raise Fault("23505", "key is there")
        world.rows[root, new.id, new.part] = new
    _require_folders(world, root, [new for old, new in updated if new.folder != old.folder])
    return len(updated), [_update_event(root, updated)]


def _value(old, given):
    """What SET makes of a column: a constant, ["+", n], or ["-", n], which stops at 0."""
    if not isinstance(given, list):
        return given
    sign, units = given
    if sign == "+":
        return None if old is None else fits(old + units)
    return max(0, (old or 0) - units)


def _delete(world, table, change):
    gone = matching(world, table, change["delete"])
    return len(gone), [_remove(world, root_of(table), gone)]


def _remove(world, root, rows):
    for row in rows:
        del world.rows[root, row.id, row.part]
    return Event(root, old=tuple(rows))


def _truncate(world, table, _change):
    """Every partition is an event of its own."""
    tables = TRUNCATED.get(table, (table,))
    return None, [_remove(world, root_of(table), matching(world, each, {})) for each in tables]


def _folder(world, _table, change):
    """A new one, or another tenant."""
    world.folders[change["folder"]] = change["tenant"]
    return 1, []


def _delete_folders(world, _table, change):
    """Before their rows, which go along or stay behind."""
    gone = [number for number in change["delete folders"] if number in world.folders]
    for number in gone:
        del world.folders[number]
    events = []
    for table, cascades in world.tables.items():
        rows = [row for row in matching(world, table, {}) if row.folder in gone]
        if cascades and rows:
            events.append(_remove(world, table, rows))
    return len(gone), events


KINDS = {
    "insert": _insert, "copy": _copy, "merge": _merge, "update": _update, "delete": _delete, "truncate": _truncate, "folder": _folder,
    "delete folders": _delete_folders,
}

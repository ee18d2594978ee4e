"""The application's tables in the database: what the oracle's tables do, as SQL."""

from oracle.calls import call
from oracle.errors import answer
from oracle.gates import Row

from .compare import difference

FUNCTIONS = {"create_tables", "write"}  # that are statements, not calls
COLUMNS = ("id", "part", "owner", "sub", "folder", "amount", "tokens")
REMEMBERED = (
    "SELECT k.relname::text, f.name, concat(c.key::jsonb ->> 0, '/', c.key::jsonb ->> 1), c.subject, c.amount"
    " FROM quota_internal.gate_charge c JOIN quota_internal.feature f ON f.id = c.feature_id JOIN pg_class k ON k.oid = c.target"
)
BODY = (
    "id int, part int, owner text, sub text, folder int{reference}, amount bigint, tokens bigint, "
    "PRIMARY KEY (id, part)"
)
REFERENCE = " REFERENCES app.folder ON DELETE CASCADE"
COPY_END = "\\."
DROP = "DROP SCHEMA IF EXISTS app CASCADE"
PARTITIONS = """
CREATE TABLE app.part_0 PARTITION OF app.part FOR VALUES IN (0);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES IN (1);
CREATE TABLE app.part_rest PARTITION OF app.part DEFAULT PARTITION BY LIST (part);
CREATE TABLE app.part_2 PARTITION OF app.part_rest FOR VALUES IN (2);
CREATE TABLE app.part_3 PARTITION OF app.part_rest DEFAULT"""


def sql(function, arguments):
    """The statement, without semicolon."""
    if function == "create_tables":
        return _creation(arguments["cascade"])
    table, change = f"app.{arguments['table']}", arguments["change"]
    return WRITERS[next(iter(change))](table, change)


def shown(function, arguments):
    """As psql reads it."""
    statement = sql(function, arguments)
    return statement if statement.endswith(COPY_END) else statement + ";"


def run(database, function, arguments):
    """Rows, as of a function: the number of rows."""
    if "copy" in arguments.get("change", ()):
        command, data = sql(function, arguments).removesuffix(COPY_END).split(";\n", 1)
        return [(database.copy(command, data),)]
    result = database.sql(sql(function, arguments))
    if function == "create_tables" or "truncate" in arguments["change"]:
        return [(None,)]
    return [(result.rowcount,)]


def find(world, database):
    """None, or (where, expected, got): the rows, and what recount says of every capacity with a gate."""
    if not world.tables:
        return None
    for table in world.tables:
        expected = {row for (name, *_), row in world.rows.items() if name == table}
        got = {Row(*row) for row in database.rows(f"SELECT {', '.join(COLUMNS)} FROM app.{table}")}
        if expected != got:
            return f"rows of {table}", sorted(expected - got, key=repr)[:5], sorted(got - expected, key=repr)[:5]
    expected = {(table, feature, f"{row}/{part}", *charge) for (table, feature, row, part), charge in world.remembered.items()}
    got = set(database.rows(REMEMBERED))
    if expected != got:
        return "what is remembered", sorted(expected - got)[:5], sorted(got - expected)[:5]
    for feature in sorted({feature for (_, feature), gate in world.gates.items()
                           if world.features[feature].kind == "capacity" or gate.remember}):
        arguments = {"feature": feature}
        expected = answer(call, world, "recount", arguments)
        found = difference(None, "recount", expected, answer(database.guarded, "recount", arguments))
        if found:
            where, *both = found
            return f"recount of {feature}: {where}", *both
    return None


def _creation(cascade):
    doc, part = (BODY.format(reference=REFERENCE if table in cascade else "") for table in ("doc", "part"))
    return (
        f"{DROP};\nCREATE SCHEMA app;\nCREATE TABLE app.folder (id int PRIMARY KEY, tenant text);\n"
        f"CREATE TABLE app.doc ({doc});\nCREATE TABLE app.part ({part}) PARTITION BY LIST (part);{PARTITIONS}"
    )


def _literal(value):
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _where(where):
    conditions = []
    for name, value in where.items():
        if isinstance(value, list):
            conditions.append(f"{name} IN ({', '.join(map(str, value))})")
        else:
            conditions.append(f"{name} IS NULL" if value is None else f"{name} = {_literal(value)}")
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def _insert(table, change):
    rows = change["insert"]
    if isinstance(rows, dict):
        shifted = [f"id + {rows['shift']}"] + list(COLUMNS[1:])
        source = f"SELECT {', '.join(shifted)} FROM app.{rows['select']}{_where(rows['where'])} ORDER BY id, part"
    else:
        source = "VALUES " + ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
    conflict = {
        None: "",
        "nothing": " ON CONFLICT DO NOTHING",
        "update": " ON CONFLICT (id, part) DO UPDATE SET owner = excluded.owner, amount = excluded.amount, "
                  "tokens = excluded.tokens",
    }[change.get("conflict")]
    return f"INSERT INTO {table} ({', '.join(COLUMNS)}) {source}{conflict}"


def _copy(table, change):
    """The command, and what psql reads after it."""
    lines = "".join("\t".join(map(_copied, row)) + "\n" for row in change["copy"])
    return f"COPY {table} ({', '.join(COLUMNS)}) FROM stdin;\n{lines}{COPY_END}"


def _copied(value):
    if value is None:
        return r"\N"
    return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def _merge(table, change):
    rows = ", ".join(f"({', '.join(map(_literal, row))})" for row in change["merge"])
    gone = f"WHEN MATCHED AND t.id IN ({', '.join(map(str, change['gone']))}) THEN DELETE " if change["gone"] else ""
    return (
        f"MERGE INTO {table} AS t USING (VALUES {rows}) AS n ({', '.join(COLUMNS)}) ON t.id = n.id AND t.part = n.part "
        f"{gone}WHEN MATCHED THEN UPDATE SET owner = n.owner, amount = n.amount::bigint, tokens = n.tokens::bigint "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(COLUMNS)}) VALUES (n.id, n.part, n.owner, n.sub, n.folder::int, "
        "n.amount::bigint, n.tokens::bigint)"
    )


def _set(name, given):
    if not isinstance(given, list):
        return f"{name} = {_literal(given)}"
    sign, units = given
    return f"{name} = {name} + {units}" if sign == "+" else f"{name} = greatest({name} - {units}, 0)"


def _update(table, change):
    return f"UPDATE {table} SET {', '.join(_set(*item) for item in change['update'].items())}{_where(change['where'])}"


def _delete(table, change):
    return f"DELETE FROM {table}{_where(change['delete'])}"


def _truncate(table, _change):
    return f"TRUNCATE {table}"


def _folder(_table, change):
    return (
        f"INSERT INTO app.folder VALUES ({change['folder']}, {_literal(change['tenant'])}) "
        "ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant"
    )


def _delete_folders(_table, change):
    return f"DELETE FROM app.folder{_where({'id': change['delete folders']})}"


WRITERS = {
    "insert": _insert, "copy": _copy, "merge": _merge, "update": _update, "delete": _delete, "truncate": _truncate, "folder": _folder,
    "delete folders": _delete_folders,
}

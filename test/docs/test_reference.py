"""docs/reference.md is complete and exact: it has every function, view and setting as the database has them."""

import json
import re

import pytest
from pages import ROOT, read_page, psql

PAGE = ROOT / "docs" / "reference.md"
TEXT = PAGE.read_text(encoding="utf-8")

OBJECTS = """
LOAD 'quota';
SELECT jsonb_build_object(
    'functions', (
        SELECT jsonb_agg(jsonb_build_object(
            'name', p.proname, 'set', p.proretset, 'returns', format_type(p.prorettype, NULL),
            'arguments', (
                SELECT jsonb_agg(jsonb_build_object(
                           'name', p.proargnames[n], 'type', format_type(a.type, NULL),
                           'in', coalesce(p.proargmodes[n], 'i') = 'i',
                           'default', pg_get_function_arg_default(p.oid, n::int)) ORDER BY n)
                FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY AS a(type, n)),
            'columns', (                        -- of a named result type, which the page writes like OUT arguments
                SELECT jsonb_agg(jsonb_build_object(
                           'name', a.attname, 'type', format_type(a.atttypid, NULL), 'in', false) ORDER BY a.attnum)
                FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
                WHERE t.oid = p.prorettype AND a.attnum > 0 AND NOT a.attisdropped)))
        FROM pg_proc p
        WHERE p.pronamespace = 'quota'::regnamespace AND p.proname !~ '^_'
          AND p.proname !~ '^subject_(multi)?range$'),     -- of CREATE TYPE ... AS RANGE
    'views', (
        SELECT jsonb_object_agg(c.relname, (
            SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0))
        FROM pg_class c WHERE c.relnamespace = 'quota'::regnamespace AND c.relkind = 'v'),
    'settings', (SELECT jsonb_object_agg(s.name, s.boot_val) FROM pg_settings s WHERE s.name LIKE 'quota.%'),
    'metrics', (SELECT jsonb_agg(m[1]) FROM regexp_matches(obj_description('quota.metrics'::regclass), '^(quota_\\w+)', 'gn') m),
    'event_types', obj_description('quota.events'::regclass));
"""


@pytest.fixture(scope="session")
def objects(new_database):
    status, said = psql(new_database(), "\\pset format unaligned\n\\pset tuples_only on\n" + OBJECTS)
    assert status == 0, said
    return json.loads(said)


def short(type_name):
    return type_name.replace("timestamp with time zone", "timestamptz")


def signature(function):
    """A function as the page writes it."""
    taken, given = [], []
    for argument in (function["arguments"] or []) + (function["columns"] or []):
        written = f"{argument['name']} {short(argument['type'])}"
        if not argument["in"]:
            given.append(written)
            continue
        if argument["default"]:
            default = re.sub(r"::[a-z ]+(\[\])?$", "", argument["default"])
            written += f" = {default}"
        taken.append(written)
    answer = f"({', '.join(given)})" if given else short(function["returns"])
    return f"quota.{function['name']}({', '.join(taken)})\n    → {'setof ' if function['set'] else ''}{answer}"


def section(heading):
    """The text from a heading to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", TEXT, re.M | re.S)
    assert found, f"no section {heading}"
    return found.group(1)


def test_every_function_as_it_is(objects):
    for function in objects["functions"]:
        assert f"```\n{signature(function)}\n```" in section(function["name"]), signature(function)


def test_no_function_that_is_none(objects):
    names = {function["name"] for function in objects["functions"]}
    written = set(re.findall(r"^```\nquota\.(\w+)\(", TEXT, re.M))
    assert written == names


def test_every_function_has_an_example(objects):
    examples = "\n".join(block.sql for block in read_page(PAGE) if block.is_run)
    missing = [f["name"] for f in objects["functions"] if not re.search(rf"\bquota\.{f['name']}\(", examples)]
    assert not missing


def test_every_column_of_every_view(objects):
    for view, columns in objects["views"].items():
        table = re.sub(r"```.*?```", "", section(view), flags=re.S)
        cells = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
        known = re.findall(r"`(\w+)`", cells)
        if view in ("events", "metrics"):
            known = known[: len(columns)]
        assert known == columns, view


# There only where the library is preloaded; test/t/050_shared.pl asks for it.
PRELOADED = {"quota.max_accounts": "65536"}


def test_every_setting(objects):
    shown = dict(re.findall(r"^\| `(quota\.\w+)` \|[^|]*\| `?([^|`]*)`? \|", TEXT, re.M))
    assert {name: "" if value == "empty" else value for name, value in shown.items()} == objects["settings"] | PRELOADED


def test_every_type_of_event(objects):
    types = re.findall(r"^(\w+): ", objects["event_types"], re.M)
    assert types
    shown = re.findall(r"^\| `(\w+)` \|", section("events").split("| type | `data` |")[1], re.M)
    assert shown == types


def test_every_metric(objects):
    shown = re.findall(r"`(quota_\w+)`", " ".join(line.split("|")[1] for line in section("metrics").splitlines() if line.startswith("| `quota_")))
    assert shown == objects["metrics"]

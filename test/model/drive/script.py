"""A list of operations as SQL that a person can read and paste."""

import json

from oracle import times

from . import tables
from .database import JSONS, TIMES, literal


def _quoted(text):
    return "'" + text.replace("'", "''") + "'"


def _shown(name, value):
    if value is None:
        return "NULL"
    if isinstance(value, dict) and "result of" in value:
        return f":id{value['result of']}"
    if name in TIMES:
        return _quoted(times.text_of(value))
    if name in JSONS and not isinstance(value, str):
        return _quoted(json.dumps(json.loads(literal(name, value)), ensure_ascii=False))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else _quoted(value)


def statement(number, operation, wanted):
    """One operation as psql would run it. wanted: numbers whose id is used later."""
    do = operation["do"]
    if do == "set":
        value = operation["value"]
        text = times.text_of(value) if operation["setting"] == "clock" else value
        return f"SET quota.{operation['setting']} = {_quoted(text)};"
    if do != "call":
        return {"rollback_to": "ROLLBACK TO"}.get(do, do.upper()) + (f" {operation['name']}" if "name" in operation else "") + ";"
    if operation["function"] in tables.FUNCTIONS:
        return tables.shown(operation["function"], operation["arguments"])
    arguments = ", ".join(f"{name} => {_shown(name, value)}" for name, value in operation["arguments"].items())
    select = f"SELECT * FROM quota.{operation['function']}({arguments})"
    if number in wanted:
        return f"SELECT id AS id{number} FROM quota.{operation['function']}({arguments}) \\gset"
    return select + ";"


def script(start, operations):
    """(number, operation) pairs as text; start: the clock at the beginning."""
    wanted = {
        value["result of"]
        for _, operation in operations
        for value in operation.get("arguments", {}).values()
        if isinstance(value, dict) and "result of" in value
    }
    lines = [f"SET quota.clock = {_quoted(times.text_of(start))};"]
    return "\n".join(lines + [statement(n, operation, wanted) for n, operation in operations])

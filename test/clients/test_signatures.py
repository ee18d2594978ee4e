"""The package knows every function of the extension exactly: arguments, their types, defaults and columns."""

import inspect

import psycopg
import pytest
import quota_client
import quota_client.aio
from quota_client.core import values
from quota_client.core.call import Call
from quota_client.core.calls import administration, enforcement, state

FUNCTIONS = """
    SELECT p.proname,
           (SELECT array_agg(p.proargnames[n] ORDER BY n) FROM generate_series(1, p.pronargs) AS n),
           (SELECT array_agg(format_type(p.proargtypes[n - 1], NULL) ORDER BY n) FROM generate_series(1, p.pronargs) AS n),
           p.pronargdefaults,
           coalesce(
               (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_type AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid
                 WHERE t.oid = p.prorettype AND a.attnum > 0),
               (SELECT array_agg(p.proargnames[n] ORDER BY n) FROM generate_subscripts(p.proargmodes, 1) AS n
                 WHERE p.proargmodes[n] IN ('o', 't'))),
           p.proretset
      FROM pg_proc AS p
     WHERE p.pronamespace = 'quota'::regnamespace AND p.proname !~ '^_' AND p.prorettype <> 'trigger'::regtype
       AND p.proname !~ '^subject_(multi)?range$'
"""

BUILDERS = {
    name: builder
    for module in (enforcement, state, administration)
    for name, builder in vars(module).items()
    if inspect.isfunction(builder) and builder.__module__ == module.__name__
}

SAMPLES = {"text": "x", "bigint": 1, "integer": 1, "boolean": True, "numeric": 1, "text[]": ["x"]}


@pytest.fixture(scope="module")
def functions(place):
    with psycopg.connect(**place) as connection:
        return {row[0]: row[1:] for row in connection.execute(FUNCTIONS)}


def test_every_function_and_no_other(functions):
    assert set(BUILDERS) == set(functions)
    for surface in (quota_client, quota_client.aio):
        assert set(functions) <= set(surface.__all__)
        assert all(hasattr(surface, name) for name in surface.__all__)
    assert set(quota_client.__all__) == set(quota_client.aio.__all__)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_arguments_and_columns(functions, name):
    arguments, types, defaults, columns, is_set = functions[name]
    arguments, types = arguments or [], types or []
    builder = inspect.signature(BUILDERS[name])
    assert list(builder.parameters) == arguments
    optional = [p.name for p in builder.parameters.values() if p.default is not inspect.Parameter.empty]
    assert optional == arguments[len(arguments) - defaults :]
    given = {}
    for argument, sql_type in zip(arguments, types):
        sql_type = sql_type.replace("timestamp with time zone", "timestamptz")
        assert values.type_of(name, argument) == sql_type, argument
        given[argument] = SAMPLES.get(sql_type, "1")
    call = BUILDERS[name](**given)
    assert isinstance(call, Call) and set(call.arguments) == set(arguments)
    if columns:
        shown = [column.removeprefix("CAST(").removesuffix(" AS text)") for column in call.shape.columns.split(", ")]
        assert shown == columns


@pytest.mark.parametrize("surface", [quota_client, quota_client.aio])
def test_a_function_shows_its_signature_and_words(surface):
    assert str(inspect.signature(surface.debit)).startswith("(connection, /, subject: ")
    assert surface.debit.__doc__ == enforcement.debit.__doc__ and surface.debit.__name__ == "debit"
    assert inspect.iscoroutinefunction(surface.debit) == (surface is quota_client.aio)

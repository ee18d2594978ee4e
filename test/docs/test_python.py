"""clients/python/README.md is true: every Python block of it runs, in order, over a database with its catalog.

A block that begins with a comment such as "# shop.py" is a file of an application: it is written, and used as its
name says.  All others run in one process, where they may await.
"""

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys

import psycopg
import pytest
from pages import ROOT

CLIENT = ROOT / "clients" / "python"
PAGE = CLIENT / "README.md"
BLOCKS = [
    (PAGE.read_text(encoding="utf-8")[: found.start()].count("\n") + 1, found.group(1))
    for found in re.finditer(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
]
FILE = re.compile(r"# (\w+\.py)\n")
CATALOG = """{
  "features": {"reports": {"kind": "metered"}, "llm_tokens": {"kind": "metered"},
               "documents": {"kind": "capacity"}, "mindmap": {"kind": "boolean"}},
  "plans": {"free": {"default": true, "entitlements": {
               "reports": {"allowance": 3, "period": "month"}, "llm_tokens": {"allowance": 10000, "period": "month"},
               "documents": {"allowance": 5}}},
            "pro": {"entitlements": {"llm_tokens": {"allowance": 1000000, "period": "month"}}}}}"""


@pytest.fixture(scope="module")
def application(new_database, tmp_path_factory):
    """A folder for the files of the page, and the environment in which "app" is a database with the catalog."""
    url = new_database()
    with psycopg.connect(url) as connection:
        connection.execute("SELECT * FROM quota.apply_catalog(%s::jsonb)", [CATALOG])
        connection.execute("CREATE TABLE report (id bigint PRIMARY KEY, owner text)")
        connection.execute("CREATE TABLE answer (owner text, body text)")
        connection.execute("CREATE TABLE paper (id bigint, owner text)")
        connection.execute("SELECT quota.protect('paper', 'documents', 'r.owner')")
        place = connection.info
        known = {"PGHOST": place.host, "PGPORT": str(place.port), "PGUSER": place.user, "PGDATABASE": place.dbname}
    folder = tmp_path_factory.mktemp("page")
    for _line, block in BLOCKS:
        name = FILE.match(block)
        if name:
            (folder / name.group(1)).write_text(at(block, known["PGDATABASE"]), encoding="utf-8")
    known["PYTHONPATH"] = os.pathsep.join([str(CLIENT / "src"), str(folder)])
    return folder, os.environ | known | {"PYTHONDONTWRITEBYTECODE": "1"}


def at(block, database):
    """A block with the database of this run in place of the page's."""
    return re.sub(r"(///|dbname=)app\b", rf"\g<1>{database}", block)


def run(application, *command, **options):
    folder, environment = application
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plain_blocks():
    return [(line, block) for line, block in BLOCKS if not FILE.match(block)]


def run_in_order(database):
    """What the process of the page does; prints the line of each block before it."""
    asyncio.run(_run_in_order(database))


async def _run_in_order(database):
    names = {"__name__": "__main__"}
    for line, block in plain_blocks():
        print(f"== {line}", flush=True)
        code = compile("\n" * line + at(block, database), str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        answer = eval(code, names)
        if inspect.isawaitable(answer):
            await answer
    from starlette.testclient import TestClient

    print("== end")
    with TestClient(names["api"]) as client:  # three reports are made by now
        print("api", client.post("/reports", headers={"X-User": "acme/carol"}).status_code)


@pytest.fixture(scope="module")
def printed(application):
    """{line of a block: what it printed}, of those that came to their end."""
    folder, environment = application
    call = f"import sys; sys.path.insert(0, {str(ROOT / 'test' / 'docs')!r}); import test_python as t; t.run_in_order(sys.argv[1])"
    command = [sys.executable, "-c", call, environment["PGDATABASE"]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    parts = re.split(r"^== (\w+)\n", done.stdout, flags=re.M)
    began = dict(zip(parts[1::2], parts[2::2]))
    end = began.pop("end", None)
    finished = list(began) if end else list(began)[:-1]
    return {int(line): began[line] for line in finished} | {"end": end}, done.stderr


@pytest.mark.parametrize("line", [line for line, _ in plain_blocks()])
def test_block(line, printed):
    outputs, errors = printed
    assert line in outputs, errors


def test_what_the_blocks_print(printed):
    """Each of them shows what the words around it say."""
    assert printed[0]["end"] == "api 402\n", printed[1]
    said = "".join(printed[0].values())
    assert re.search(r"^2 \d{4}-\d\d-01 ", said, re.M)  # one report of three
    assert "[('pro', 1000000)]" in said
    assert re.search(r"^402 quota_exceeded 8800 None$", said, re.M)
    assert "no mind map, then\nTrue 10000\n" in said
    assert re.search(r"^documents acme$", said, re.M)


def test_the_django_application(application):
    check = """
import django, settings
from django.conf import settings as configured
import os
database = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"], "USER": os.environ["PGUSER"]}
given = {name: value for name, value in vars(settings).items() if name.isupper()}
configured.configure(**given, DATABASES={"default": database}, ROOT_URLCONF="shop", ALLOWED_HOSTS=["*"], SECRET_KEY="x")
django.setup()
from django.test import Client
print([Client().post("/reports", HTTP_X_USER="django").status_code for _ in range(4)])
"""
    assert run(application, "-W", "ignore", "-c", check) == "[200, 200, 200, 402]\n"


def test_the_tests_of_an_application(application):
    folder, _ = application
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "quota_client.pytest_plugin", str(folder / "test_months.py")]
    assert "1 passed" in run(application, *command)


def test_every_block_is_run():
    files = {FILE.match(block).group(1) for _, block in BLOCKS if FILE.match(block)}
    assert files == {"settings.py", "shop.py", "conftest.py", "test_months.py"} and len(plain_blocks()) >= 10

"""Fixtures: databases of our own in a private cluster.

QUOTA_TEST_URL names the maintenance database of that cluster as a superuser.
Without it the run fails: there is nothing to skip to.
"""

import os

import pytest
from pages import database_url, psql

# The roles that docs/tour.md and docs/operations.md create.
CREATED_ROLES = ("my_app", "my_dashboard", "my_billing", "monitoring")

# The one that docs/paywall-without-code-changes.md logs in as.
LOGIN_ROLE = "ragflow"


def run_or_fail(url, sql):
    status, said = psql(url, "\\set ON_ERROR_STOP on\n" + sql)
    assert status == 0, said
    return said


@pytest.fixture(scope="session")
def maintenance():
    given = os.environ.get("QUOTA_TEST_URL")
    if not given:
        pytest.fail("QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database")
    url = database_url(given, "postgres")
    drop = f"DROP ROLE IF EXISTS {', '.join(CREATED_ROLES)}, {LOGIN_ROLE};"
    run_or_fail(url, drop + f"CREATE ROLE {LOGIN_ROLE} LOGIN;")
    yield url
    run_or_fail(url, drop)


@pytest.fixture(scope="session")
def new_database(maintenance):
    """Makes a database with the extension and returns its URL; it is dropped at the end."""
    made = []

    def make(extension=True):
        name = f"quota_docs_{os.getpid()}_{len(made)}"
        run_or_fail(maintenance, f"DROP DATABASE IF EXISTS {name} WITH (FORCE);")
        run_or_fail(maintenance, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8';")
        made.append(name)
        url = database_url(maintenance, name)
        if extension:
            run_or_fail(url, "CREATE EXTENSION quota CASCADE;")
        return url

    yield make
    for name in made:
        run_or_fail(maintenance, f"DROP DATABASE {name} WITH (FORCE);")

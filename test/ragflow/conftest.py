"""Fixtures: a database with the application's tables behind the paywall, and the application over either driver.

QUOTA_TEST_URL names the maintenance database of a private cluster as a superuser.  Without it the run fails: there is
nothing to skip to.
"""

import os
import secrets
import sys
from pathlib import Path
from types import SimpleNamespace

import peewee
import pytest
import sqlalchemy.exc

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ragflow"
sys.path.insert(0, str(EXAMPLE))
sys.dont_write_bytecode = True

from app.with_peewee import models as peewee_models, services as peewee_services  # noqa: E402
from app.with_sqlalchemy import services as sqlalchemy_services  # noqa: E402
from scratch import scratch  # noqa: E402


@pytest.fixture(scope="session")
def maintenance():
    given = os.environ.get("QUOTA_TEST_URL")
    if not given:
        pytest.fail("QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database")
    return given


@pytest.fixture(scope="session")
def database(maintenance):
    """A database whose tables are behind the paywall."""
    with scratch(maintenance, "paywall.sql") as place:
        yield place


@pytest.fixture
def bare(maintenance):
    """A database with the application's tables and the extension: no catalog, no gate."""
    with scratch(maintenance) as place:
        yield place


@pytest.fixture
def connected():
    """Connect the application to a database over a driver: its services, and `Refused`, what the driver raises."""
    engines = []

    def connect(place, driver):
        if driver == "peewee":
            services, refused = peewee_services, peewee.DatabaseError
            peewee_models.DB.init(place.app)
        else:
            services, refused = sqlalchemy_services, sqlalchemy.exc.DBAPIError
            engines.append(sqlalchemy_services.connect(place.app))
        found = {name: value for name, value in vars(services).items() if name.endswith("Service")}
        return SimpleNamespace(Refused=refused, **found)

    yield connect
    if not peewee_models.DB.deferred:
        peewee_models.DB.close_all()
    for engine in engines:
        engine.dispose()


@pytest.fixture(params=["peewee", "sqlalchemy"])
def app(request, connected, database):
    return connected(database, request.param)


def register(app, name="Ada"):
    """A new tenant's id, on the free plan."""
    return app.UserService.register(name, f"{name}-{secrets.token_hex(6)}@example.org")


@pytest.fixture
def tenant(app):
    return register(app)


@pytest.fixture
def kb(app, tenant):
    return app.KnowledgebaseService.create(tenant, "Engines")

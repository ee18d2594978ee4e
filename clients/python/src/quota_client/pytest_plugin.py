"""Fixtures for the tests of an application that charges through quota.

pytest finds them where the package is installed; elsewhere conftest.py says
``pytest_plugins = ["quota_client.pytest_plugin"]``.  The application's conftest.py says where its test database is::

    @pytest.fixture(scope="session")
    def quota_admin():
        return create_engine("postgresql+psycopg2://admin@/test")   # what opens connections, of level admin
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from .core.calls.administration import forget
from .core.run import Step, Steps, drive
from .testing import Clock, clock, erase


@pytest.fixture(scope="session")
def quota_admin() -> Any:
    """What opens connections of level admin to the test database; to be defined by the application."""
    raise pytest.UsageError("define a fixture quota_admin: an Engine, pool or function that opens connections of level admin")


@pytest.fixture
def quota_clock() -> Iterator[Callable[[Any, datetime], Clock]]:
    """quota_clock(target, moment): quota's time of day until the end of the test.  `target` is an open connection, or an
    Engine for all its transactions; the Clock that it returns has set() and advance()."""
    with contextlib.ExitStack() as stack:
        yield lambda target, moment: stack.enter_context(clock(target, moment))


@pytest.fixture
def quota_subject(request: pytest.FixtureRequest, quota_admin: Any) -> Iterator[str]:
    """A subject of the test's own, forgotten afterwards."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.name)[:80] + "-" + uuid.uuid4().hex[:8]

    def forgetting() -> Steps[None]:
        yield Step((forget(name),))

    yield name
    drive(quota_admin, forgetting())


@pytest.fixture
def quota_reset(quota_admin: Any) -> None:
    """The test begins with nothing charged, held, granted or subscribed; the catalog stays."""
    erase(quota_admin)

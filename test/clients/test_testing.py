"""What an application's own tests use: the clock, the way back, and the fixtures of the pytest plugin."""

import datetime as dt

import pytest
import quota_client
import ways
from conftest import PYTHON_CLIENT
from quota_client import testing
from quota_client.core import drivers

pytest_plugins = ["pytester"]

END_OF_MARCH = dt.datetime(2031, 3, 31, 23, 59, tzinfo=dt.timezone.utc)


async def test_the_clock_of_a_session(way, subject):
    async with way.begin() as c:
        if drivers.is_async(c):
            async with testing.aclock(c, END_OF_MARCH) as clock:
                row = await way.call("debit", c, subject, "tokens", 1000)
                assert row.resets_at == END_OF_MARCH + dt.timedelta(minutes=1)
                await clock.advance(minutes=1)
                assert (await way.call("check", c, subject, "tokens")).remaining == 1000
                await clock.set(END_OF_MARCH)
                assert (await way.call("check", c, subject, "tokens")).remaining == 0
        else:
            with testing.clock(c, END_OF_MARCH) as clock:
                row = quota_client.debit(c, subject, "tokens", 1000)
                assert row.resets_at == END_OF_MARCH + dt.timedelta(minutes=1)
                clock.advance(minutes=1)
                assert quota_client.check(c, subject, "tokens").remaining == 1000
                clock.set(END_OF_MARCH)
                assert quota_client.check(c, subject, "tokens").remaining == 0
        assert (await way.call("check", c, subject, "tokens")).resets_at.year < 2031


@pytest.mark.parametrize("way", [ways.Core, ways.Orm, ways.AsyncCore, ways.AsyncOrm], indirect=True)
async def test_the_clock_of_every_transaction_of_an_engine(way, subject, used):
    with testing.clock(way.engine, END_OF_MARCH) as clock:
        for minute in range(2):
            async with way.begin() as c:
                row = await way.call("debit", c, subject, "tokens", 1000)
                assert row.resets_at == dt.datetime(2031, 4 + minute, 1, tzinfo=dt.timezone.utc)
            clock.advance(minutes=1)
    async with way.begin() as c:
        assert (await way.call("check", c, subject, "tokens")).remaining == 1000
    assert used() == (0, 0)  # of the present month


def test_a_moment_has_a_time_zone(owner):
    with pytest.raises(TypeError, match="time zone"), testing.clock(owner, dt.datetime(2031, 3, 31)):
        pass


async def test_erasing_leaves_the_catalog(way, subject, owner):
    async with way.begin() as c:
        await way.call("debit", c, f"{subject}/o'hara", "tokens", 10)
        await way.call("override", c, subject, "tokens", {"allowance": 3})
        await way.call("reserve", c, f"other-{subject}", "documents", 1)
    if way.client is quota_client:
        testing.erase(way.bind)
    else:
        await testing.aerase(way.bind)
    assert owner.execute("SELECT count(*) FROM quota.ledger").fetchone() == (0,)
    assert owner.execute("SELECT remaining FROM quota.check(%s, 'tokens')", [subject]).fetchone() == (1000,)
    async with way.begin() as c:
        await way.call("debit", c, subject, "tokens", 10)


CONFTEST = """
import functools, psycopg, pytest
pytest_plugins = ["quota_client.pytest_plugin"]

@pytest.fixture(scope="session")
def quota_admin():
    return functools.partial(psycopg.connect, %r)
"""

TESTS = """
import datetime as dt
import psycopg
from quota_client import debit, check

def test_each_has_a_subject_of_its_own(quota_admin, quota_subject):
    with quota_admin() as connection:
        assert debit(connection, quota_subject, "tokens", 1000).remaining == 0

def test_and_the_last_one_is_forgotten(quota_admin, quota_subject):
    with quota_admin() as connection:
        assert connection.execute("SELECT count(*) FROM quota.ledger WHERE subject ~ 'each_has'").fetchone() == (0,)

def test_the_clock(quota_admin, quota_clock, quota_subject):
    with quota_admin() as connection:
        clock = quota_clock(connection, dt.datetime(2031, 3, 31, 23, 59, tzinfo=dt.timezone.utc))
        debit(connection, quota_subject, "tokens", 1000)
        clock.advance(minutes=1)
        assert check(connection, quota_subject, "tokens").remaining == 1000

def test_reset(quota_admin, quota_reset):
    with quota_admin() as connection:
        assert connection.execute("SELECT count(*) FROM quota.ledger").fetchone() == (0,)
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """An application's folder of tests, and the client on its path."""
    monkeypatch.setenv("PYTHONPATH", str(PYTHON_CLIENT / "src"))
    pytester.makepyfile(TESTS)
    return pytester


def test_the_plugin(project, place):
    project.makeconftest(CONFTEST % " ".join(f"{name}={value}" for name, value in place.items()))
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=4)


def test_an_application_says_where_its_database_is(project):
    project.makeconftest('pytest_plugins = ["quota_client.pytest_plugin"]')
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(["*define a fixture quota_admin*"])

"""The model test: thousands of random operations on the extension and on an
independent oracle, every answer compared.  README.md says how to run it.
"""

import os
import random
import sys

import pytest

sys.dont_write_bytecode = True

from conftest import OUTCOMES  # noqa: E402
from drive.database import make_template  # noqa: E402
from drive.explore import explore  # noqa: E402
from generate.capabilities import enabled  # noqa: E402
from generate.operations import OPERATIONS  # noqa: E402

FIRST_SEED = 1

LONGEST_REPORT = 12_000  # characters


def number_of(name, default):
    return int(os.environ.get(name) or default)


def seeds():
    """One for each run."""
    given = os.environ.get("QUOTA_MODEL_SEED")
    if given and given != "random":
        return [int(given)]
    first = random.SystemRandom().randrange(10**6) if given else FIRST_SEED
    runs = -(-number_of("QUOTA_MODEL_OPERATIONS", 30_000) // number_of("QUOTA_MODEL_RUN", 1_250))
    return range(first, first + runs)


@pytest.fixture(scope="session")
def url():
    """Of the cluster; the database that all others are copies of is made there."""
    given = os.environ.get("QUOTA_TEST_URL")
    if not given:
        pytest.fail("QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database")
    with make_template(given) as template_url:
        yield template_url


@pytest.mark.parametrize("seed", seeds())
def test_extension_answers_as_the_oracle(url, seed):
    """A run from one seed: random catalog, subjects, clock, transactions."""
    outcome = explore(url, seed, number_of("QUOTA_MODEL_RUN", 1_250), OPERATIONS, number_of("QUOTA_MODEL_SHRINK", 90))
    OUTCOMES.append(f"seed {seed}: {outcome.operations} operations in {outcome.seconds:.1f} s")
    if outcome.report:
        pytest.fail(f"replay: QUOTA_MODEL_SEED={seed} QUOTA_MODEL_CAPABILITIES={','.join(sorted(enabled()))}\n"
                    f"{outcome.report[:LONGEST_REPORT]}", pytrace=False)

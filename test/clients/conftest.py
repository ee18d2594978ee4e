"""The packages of clients/ are used where they are, as the example application uses them."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_CLIENT = ROOT / "clients" / "python"
sys.path.insert(0, str(PYTHON_CLIENT / "src"))


@pytest.fixture(scope="session")
def maintenance_url():
    """The superuser URL of a private cluster's maintenance database: without one the run fails, and skips nothing."""
    given = os.environ.get("QUOTA_TEST_URL")
    if not given:
        pytest.fail("QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database")
    return given

"""Random operations with every capability, on the oracle alone: its books stay right."""

import pytest
from alone import run_alone


@pytest.mark.parametrize("seed", range(1, 9))
def test_books_of_the_oracle(seed):
    runner = run_alone(seed, 400)
    assert sum(runner.answers.values()) > 100

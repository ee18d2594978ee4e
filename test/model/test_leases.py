"""The protocol of leases, in every interleaving: right as it is, wrong with each mistake."""

import random

import pytest
from leases import orders
from leases.at_random import explored
from leases.mistakes import MISTAKES, NO_MISTAKE
from leases.protocol import Model
from leases.scenarios import CHARGED_AND_CHANGED, CROSSED, SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name):
    outcome = Model(SCENARIOS[name]).explore()
    assert outcome.verdict == "right", "; ".join(outcome.trace)


@pytest.mark.parametrize("seed", range(1, 16))
def test_scenario_at_random(seed):
    scenario, outcome = explored(random.Random(seed), most_states=10_000)
    assert outcome.verdict in ("right", "too many states"), (scenario, outcome.trace)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_shown(name):
    outcome = Model(SCENARIOS[MISTAKES[name].shown_by], name).explore()
    assert outcome.verdict not in ("right", "too many states")


@pytest.mark.parametrize("name", [name for name in SCENARIOS if SCENARIOS[name].crashes])
def test_memory_alone(name):
    assert Model(SCENARIOS[name], NO_MISTAKE).explore().verdict == "right"


@pytest.mark.parametrize("name", SCENARIOS)
def test_rows_alone(name):
    """What is no deadlock with leases is none without, so nothing is too easy."""
    assert Model(SCENARIOS[name], leases=False).explore().verdict == "right"


def test_crossed_charges_deadlock_by_rows_too():
    assert Model(CROSSED).explore().verdict == "deadlock"
    assert Model(CROSSED, leases=False).explore().verdict == "deadlock"


def test_the_one_deadlock_that_rows_do_not_have():
    assert Model(CHARGED_AND_CHANGED).explore().verdict == "deadlock"
    assert Model(CHARGED_AND_CHANGED, leases=False).explore().verdict == "right"


@pytest.mark.parametrize("name", orders.RIGHT)
def test_order_of_locks(name):
    assert not orders.may_deadlock(*orders.RIGHT[name])


@pytest.mark.parametrize("name", orders.WRONG)
def test_wrong_order_of_locks(name):
    assert orders.may_deadlock(*orders.WRONG[name])

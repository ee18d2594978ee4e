"""What sessions remember is what their snapshots show; each rule is needed."""

import pytest
from given import MISTAKES, SCENARIOS, Given, Wrong


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_remembered_is_shown(scenario):
    model = Given(scenario)
    assert model.explore() > 10
    assert model.used > 0


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_shows(mistake):
    with pytest.raises(Wrong):
        Given(MISTAKES[mistake], mistake).explore()

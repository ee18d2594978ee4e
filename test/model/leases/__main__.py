"""Explores all scenarios, or one with a mistake in the protocol, and shows how it goes wrong.

usage: python3 -m leases [MISTAKE]        in test/model
"""

import sys

from .mistakes import MISTAKES
from .protocol import Model
from .scenarios import SCENARIOS

if len(sys.argv) > 1:
    shown_by = MISTAKES[sys.argv[1]].shown_by
    outcome = Model(SCENARIOS[shown_by], sys.argv[1]).explore()
    print(f"{shown_by}: {outcome.verdict}", *outcome.trace, sep="\n    ")
else:
    for name, scenario in SCENARIOS.items():
        outcome = Model(scenario).explore()
        print(f"{name:44} {outcome.states:7} states  {outcome.verdict}")

"""Explores all scenarios, one with a mistake in the protocol, or ones made at random.

usage, in test/model:
    python3 -m leases                       all scenarios
    python3 -m leases MISTAKE               how it goes wrong, step by step
    python3 -m leases --random SEED N       the scenarios of N seeds from SEED on
"""

import random
import sys

from .at_random import explored
from .mistakes import MISTAKES
from .protocol import Model
from .scenarios import SCENARIOS

if sys.argv[1:2] == ["--random"]:
    for seed in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
        scenario, outcome = explored(random.Random(seed), most_states=100_000)
        if outcome.verdict not in ("right", "too many states"):
            print(f"{seed}: {outcome.verdict}", scenario, *outcome.trace, sep="\n    ", flush=True)
elif len(sys.argv) > 1:
    shown_by = MISTAKES[sys.argv[1]].shown_by
    outcome = Model(SCENARIOS[shown_by], sys.argv[1]).explore()
    print(f"{shown_by}: {outcome.verdict}", *outcome.trace, sep="\n    ")
else:
    for name, scenario in SCENARIOS.items():
        outcome = Model(scenario).explore()
        print(f"{name:50} {outcome.states:7} states  {outcome.verdict}")

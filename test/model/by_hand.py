#!/usr/bin/python3
"""Runs seeds by hand: by_hand.py URL SEED COUNT [HOW_MANY_SEEDS] [FUNCTIONS,...]"""

import os
import sys

from drive.database import make_template
from drive.explore import explore
from generate.operations import OPERATIONS

if __name__ == "__main__":
    url, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seeds = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    only = set(sys.argv[5].split(",")) if len(sys.argv) > 5 else OPERATIONS
    with make_template(url) as maintenance:
        for each in range(seed, seed + seeds):
            outcome = explore(maintenance, each, count, only, int(os.environ.get("QUOTA_MODEL_SHRINK", "90")))
            print(f"seed {each}: {outcome.operations} operations, {outcome.seconds:.1f} s", flush=True)
            if outcome.report:
                print(outcome.report)
                sys.exit(1)

"""Runs scripts by short turns and prints what each does beside the first.

usage: rounds.py CLIENTS SCRIPT[@DATABASE]...
       SCRIPT: for pgbench, or a command that is run with CLIENTS SECONDS and prints "tps = N"

The order is another one in every round, so that what else happens to the machine meets all; a
ratio is that of one round, and the median of the rounds counts.
"""
import os
import random
import re
import statistics
import subprocess
import sys

ROUNDS = int(os.environ.get("ROUNDS", "20"))
SECONDS = int(os.environ.get("SECONDS_PER_RUN", "3"))


def tps(clients, script, seconds):
    file, _, database = script.partition("@")
    command = [script, clients, str(seconds)] if not file.endswith(".sql") else ["pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=2",
               f"--time={seconds}", f"--file={file}", *([database] if database else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(re.search(r"tps = ([\d.]+)", done.stdout)[1])


clients, scripts = sys.argv[1], sys.argv[2:]
for script in scripts:
    tps(clients, script, 2)
rounds = []
for _ in range(ROUNDS):
    order = random.sample(scripts, len(scripts))
    rounds.append({script: tps(clients, script, SECONDS) for script in order})
print(f"{clients} clients, {ROUNDS} rounds of {SECONDS} s, load average {os.getloadavg()[0]:.1f}")
for script in scripts:
    ratios = [r[script] / r[scripts[0]] for r in rounds]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    name = os.path.basename(script).replace(".sql", "")
    print(f"{name:12} {statistics.median(r[script] for r in rounds):8.0f} tps"
          f"  {statistics.median(ratios):.3f}, the middle half {low:.3f} to {high:.3f}", flush=True)

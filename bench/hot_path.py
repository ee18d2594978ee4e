"""What a call costs where much has piled up: used-up grants, open holds, old
windows, overrides, plans.  Called by bench/hot_path, with the cluster up.

usage: hot_path.py [RESULTS.md]

Each case is an account with little beside one with much of the same, in one
database.  The same call on either runs by turns; what counts is the CPU time of the
backend (/proc/PID/schedstat), which other load on the machine changes little, and
the median of the rounds' ratios.
"""
import os
import statistics
import subprocess
import sys
from collections import namedtuple
from datetime import datetime, timezone

import results

ROUNDS = int(os.environ.get("ROUNDS", "7"))
CALLS = int(os.environ.get("CALLS", "100"))
BEGIN_MARK, END_MARK = "<!-- bench/hot_path --write: begin -->", "<!-- end of hot_path -->"

# little and much are subjects, call has %s for one; most: the ratio it may have
Case = namedtuple("Case", "name what call little much most")

DEBIT = "quota.debit('%s', 'tokens', 1)"
CHECK = "quota.check('%s', 'tokens')"
ME = "quota.me('%s')"
HOLD = "quota.settle((SELECT id FROM quota.reserve('%s', 'tokens', 1)), 1)"
RENEW = "quota.extend((SELECT min(id) FROM quota_internal.hold WHERE subject = '%s'), '30 days')"
REFUND = "quota.refund((SELECT id FROM quota.debit('%s', 'tokens', 1)))"
CASES = (
    Case("grants", "1,000 grants, 3 of them with something left, beside 3", DEBIT, "grants-few", "grants-used", 1.3),
    Case("grants", "", CHECK, "grants-few", "grants-used", None),
    Case("grants", "", ME, "grants-few", "grants-used", None),
    Case("grants", "8,900 grants, 3 of them with something left, beside 3", DEBIT, "grants-few", "grants-years", None),
    Case("grants", "1,000 grants, each with something left, beside 3", DEBIT, "grants-few", "grants-left", None),
    Case("holds", "50,000 open holds, beside 1", DEBIT, "holds-one", "holds-many", None),
    Case("holds", "", CHECK, "holds-one", "holds-many", None),
    Case("holds", "", HOLD, "holds-one", "holds-many", None),
    Case("holds", "", RENEW, "holds-one", "holds-many", None),
    Case("old windows", "10 years of days behind it, with a cap for every 5 hours, beside one", DEBIT, "windows-new", "windows-old", None),
    Case("old windows", "", CHECK, "windows-new", "windows-old", None),
    Case("old windows", "", REFUND, "windows-new", "windows-old", None),
    Case("subscriptions", "1,000 that are over, beside none", DEBIT, "subscriptions-new", "subscriptions-old", None),
    Case("overrides", "of 100,000 subjects, one of them this, beside a plan's", DEBIT, "overrides-none", "overrides-one", None),
)
LOAD = "UPDATE quota_internal.feature SET title = 'x' WHERE name = 'tokens'"


class Session:
    """A psql that stays open, and its backend's CPU time."""

    def __init__(self):
        self.psql = subprocess.Popen(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = int(self.ask("SELECT pg_backend_pid()"))

    def ask(self, sql):
        self.psql.stdin.write(f"{sql};\n\\echo == done\n")
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line == "== done\n":
                return "".join(lines).strip()
            lines.append(line)
        sys.exit("psql has ended")

    def cpu_ms(self, sql):
        before = self.cpu_ns()
        self.ask(sql)
        return (self.cpu_ns() - before) / 1e6

    def cpu_ns(self):
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0])


def calls(call, subject, n):
    """Each in a transaction of its own, so that what it leaves behind can be pruned."""
    return f"DO $$ BEGIN FOR i IN 1..{n} LOOP PERFORM {call % subject}; COMMIT; END LOOP; END $$"


def measure(session, case):
    few, many = [], []
    for subject in (case.little, case.much):
        session.ask(calls(case.call, subject, 10))
    for turn in range(ROUNDS):
        sides = [(case.little, few), (case.much, many)]
        for subject, times in sides if turn % 2 else reversed(sides):
            times.append(session.cpu_ms(calls(case.call, subject, CALLS)) / CALLS)
    return statistics.median(few), statistics.median(many), statistics.median(m / f for f, m in zip(few, many))


def measure_load(session):
    """What reading the catalog takes after an invalidation of it."""
    times = []
    for _ in range(ROUNDS):
        session.ask(LOAD)
        first = session.cpu_ms("SELECT quota.has('x', 'tokens')")
        times.append(first - session.cpu_ms("SELECT quota.has('x', 'tokens')"))
    return statistics.median(times)


def main():
    session = Session()
    lines = ["| account | call | ms, little | ms, much | ratio | target |", "| --- | --- | ---: | ---: | ---: | --- |"]
    what = ""
    for case in CASES:
        what = case.what or what
        few, many, ratio = measure(session, case)
        target = "" if case.most is None else f"{case.most} {'met' if ratio <= case.most else 'missed'}"
        name = case.call.split("(")[0].removeprefix("quota.")
        if "reserve" in case.call:
            name = "reserve and settle"
        elif "debit" in case.call and name != "debit":
            name = "debit and refund"
        lines.append(f"| {case.name}: {what} | {name} | {few:.3f} | {many:.3f} | **{ratio:.2f}** | {target} |")
        print(lines[-1], flush=True)
    for plans in ("4", "1,000 of 10 versions with 3 features"):
        load = measure_load(session)
        target = f"50 ms {'met' if load <= 50 else 'missed'}" if "," in plans else ""
        lines.append(f"| plans: {plans} | the first after a change of the catalog | | {load:.1f} | | {target} |")
        print(lines[-1], flush=True)
        if "," not in plans:
            subprocess.run(["psql", "-X", "-q", "-f", os.path.join(os.path.dirname(__file__), "hot_path_plans.sql")], check=True)
    if len(sys.argv) > 1:
        version = session.ask("SELECT version()").split(" on ")[0]
        lines.insert(0, f"* {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {version}; `ROUNDS={ROUNDS} CALLS={CALLS} bench/hot_path --write`\n")
        results.write(sys.argv[1], BEGIN_MARK, END_MARK, "\n".join(lines))


main()

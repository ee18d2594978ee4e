"""Runs the cases of bench/run and reports; called by it, with the cluster up.

usage: measure.py SCRIPTS [RESULTS.md]

A case is one pgbench script for each side.  After one warm-up the two sides run
by short turns, the order reversed every round, so that what else happens to the
machine (a neighbour, its disk) meets both; a ratio is taken within each round,
and the median of the rounds counts.  At the end every transaction that pgbench
reported must be found in the ledgers and the counters of its side.
"""
import os
import re
import statistics
import subprocess
import sys
import zlib
from collections import Counter, namedtuple
from datetime import datetime, timezone

import results

SIDES = ("quota", "peer")
ROUNDS = int(os.environ.get("ROUNDS", "10"))
SECONDS_PER_RUN = int(os.environ.get("SECONDS_PER_RUN", "4"))
WARM_UP_SECONDS = int(os.environ.get("WARM_UP_SECONDS", "5"))
SUBJECTS = int(os.environ.get("SUBJECTS", "100000"))
SYNC = os.environ.get("SYNC", "on off").split()
BEGIN_MARK, END_MARK = "<!-- bench/run --write: begin -->", "<!-- end -->"

# What a transaction leaves behind: in whose tables, how many ledger entries,
# and what they come to.
Trace = namedtuple("Trace", "store entries amount")


def charges(n):
    """Each side charges n accounts in its own tables."""
    return {"quota": Trace("quota", n, n), "peer": Trace("peer", n, n)}



# base, subjects: which subjects of quota.sql and peer.sql; target None: for information.
class Case(namedtuple("Case", "name script base subjects clients traces target")):
    @property
    def writes(self):
        return self.traces["quota"].entries > 0


CUSTOMERS, DEFAULT_PLAN, PATHS = 10_000_000, 20_000_000, 30_000_000
CASES = (
    Case("debit_uniform", "debit", CUSTOMERS, SUBJECTS, (1, 8, 32), charges(1), 0.9),
    Case("debit_hot", "debit", 0, 1, (1, 8, 32), charges(1), 0.9),
    Case("check", "check", CUSTOMERS, SUBJECTS, (1, 8), charges(0), 0.7),
    Case("debit_default_plan", "debit", DEFAULT_PLAN, SUBJECTS, (8,), charges(1), None),
    Case("debit_key", "debit_key", CUSTOMERS, SUBJECTS, (8,), charges(1), None),
    # a hold of one unit, settled with one, against two bare debits of ours
    Case("hold", "hold", CUSTOMERS, SUBJECTS, (1, 8),
         {"quota": Trace("quota", 2, 1), "peer": Trace("quota", 2, 2)}, 0.8),
    # an INSERT into a gated table, against one with a hand-written trigger
    Case("gate", "gate", CUSTOMERS, SUBJECTS, (1, 8), charges(1), 1.0),
    Case("debit_path", "debit_path", PATHS, SUBJECTS // 100, (8,), charges(2), None),
)

Run = namedtuple("Run", "tps transactions wal_bytes")


class Row:
    """One line of the result: a case at one number of clients."""

    def __init__(self, case, clients, sync, rounds):
        self.case, self.clients, self.sync = case, clients, sync
        self.ratios = [r["quota"].tps / r["peer"].tps for r in rounds]
        self.ratio = statistics.median(self.ratios)
        self.tps = {s: statistics.median(r[s].tps for r in rounds) for s in SIDES}
        self.wal = {s: sum(r[s].wal_bytes for r in rounds) / sum(r[s].transactions for r in rounds)
                    for s in SIDES}

    def middle(self):
        """Between which ratios the middle half of the rounds lies."""
        if len(self.ratios) < 2:
            return self.ratio, self.ratio
        quarters = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return quarters[0], quarters[2]

    def verdict(self):
        if self.case.target is None:
            return "info"
        return "met" if self.ratio >= self.case.target else "below"

    def machine_line(self):
        return (f"result case={self.case.name} clients={self.clients} synchronous_commit={self.sync}"
                f" quota_tps={self.tps['quota']:.0f} peer_tps={self.tps['peer']:.0f}"
                f" ratio={self.ratio:.3f} quartiles={self.middle()[0]:.3f},{self.middle()[1]:.3f}"
                f" lowest={min(self.ratios):.3f} highest={max(self.ratios):.3f}"
                f" quota_wal={self.wal['quota']:.0f} peer_wal={self.wal['peer']:.0f}"
                f" target={self.case.target or '-'} verdict={self.verdict()}")

    def table_line(self):
        wal = f"{self.wal['quota']:.0f} / {self.wal['peer']:.0f}" if self.case.writes else ""
        target = f"{self.case.target:.2f} {self.verdict()}" if self.case.target else ""
        return (f"| {self.case.name} | {self.clients} | {self.sync if self.case.writes else ''}"
                f" | {self.tps['quota']:,.0f} | {self.tps['peer']:,.0f} | **{self.ratio:.2f}**"
                f" | {self.middle()[0]:.2f} to {self.middle()[1]:.2f} | {target} | {wal} |")


TABLE_HEAD = """\
| case | clients | synchronous_commit | quota tps | peer tps | ratio | middle half of the rounds | target | WAL bytes per transaction |
| --- | ---: | --- | ---: | ---: | ---: | --- | --- | ---: |"""


def sql(query):
    """One row of one query, as a list of texts."""
    answer = subprocess.run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c", query],
                            check=True, capture_output=True, text=True)
    return answer.stdout.strip().split("|")


def prepare():
    """Brings both sides into the same state before a case."""
    for table in ("quota_internal.bucket", "quota_internal.ledger_entry", "quota_internal.idempotency_key", "quota_internal.hold", "quota_internal.hold_part",
                  "document_gated", "document_by_hand", "usage_counter", "usage_ledger", "usage_key"):
        sql(f"VACUUM {table}")
    sql("CHECKPOINT")


def pgbench(scripts, case, side, clients, sync, seed, seconds):
    """One run; None if the machine was so busy that nothing got through."""
    before = sql("SELECT pg_current_wal_insert_lsn()")[0]
    command = ["pgbench", "--no-vacuum", "--protocol=prepared", f"--random-seed={seed}",
               f"--client={clients}", f"--jobs={min(clients, os.cpu_count() or 1)}",
               f"--time={seconds}", f"--file={scripts}/{case.script}.{side}.sql",
               f"--define=base={case.base}", f"--define=subjects={case.subjects}",
               f"--define=month={datetime.now(timezone.utc):%Y-%m-01}"]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={**os.environ, "PGOPTIONS": f"-c synchronous_commit={sync}"})
    if done.returncode != 0:
        sys.exit(f"pgbench failed ({case.name}, {side}):\n{done.stderr}")
    transactions = int(re.search(r"actually processed: (\d+)", done.stdout)[1])
    failed = re.search(r"failed transactions: (\d+)", done.stdout)
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    if transactions == 0:
        return None
    if tps is None or int(failed[1]) != 0:
        sys.exit(f"pgbench says ({case.name}, {side}):\n{done.stdout}{done.stderr}")
    wal = sql(f"SELECT pg_current_wal_insert_lsn() - '{before}'")[0]
    return Run(float(tps[1]), transactions, int(wal))


def run_side(scripts, case, side, clients, sync, seed, seconds, expected):
    """A run whose transactions the books must have."""
    for attempt in range(3):
        # another seed each time, since a key counts once
        run = pgbench(scripts, case, side, clients, sync, seed + attempt, seconds)
        trace = case.traces[side]
        transactions = run.transactions if run else 0
        expected[trace.store, "entries"] += trace.entries * transactions
        expected[trace.store, "amount"] += trace.amount * transactions
        if run:
            return run
    return sys.exit(f"{case.name}, {side}: three times no transaction in {seconds} s")


def measure(scripts, case, clients, sync, expected):
    """The rounds, after some seconds of the same load, which write the full-page
    images that the checkpoint asks for."""

    def seed(number):
        """The same subjects on either side, others in each round."""
        return zlib.crc32(repr((case.name, clients, sync, number)).encode()) % 2**31

    prepare()
    for side in SIDES:
        run_side(scripts, case, side, clients, "off", seed("warm-up"), WARM_UP_SECONDS, expected)
    rounds = []
    for number in range(ROUNDS):
        rounds.append({side: run_side(scripts, case, side, clients, sync, seed(number), SECONDS_PER_RUN, expected)
                       for side in (SIDES if number % 2 == 0 else reversed(SIDES))})
        print(f"  {case.name} {clients} clients, synchronous_commit {sync}, round {number + 1}: "
              + ", ".join(f"{side} {rounds[-1][side].tps:.0f}" for side in SIDES), file=sys.stderr)
    row = Row(case, clients, sync, rounds)
    print(row.machine_line(), flush=True)
    return row


def counted():
    """What each side has on record: ledger rows, their sum, the counters' sum."""
    return {
        "quota": [int(n) for n in sql(
            "SELECT count(*), coalesce(sum(amount), 0), (SELECT coalesce(sum(used + overdrawn), 0) FROM quota_internal.bucket)"
            " FROM quota_internal.ledger_entry")],
        "peer": [int(n) for n in sql(
            "SELECT count(*), sum(amount), (SELECT sum(used) FROM usage_counter) FROM usage_ledger")]}


def verify(start, expected):
    """Entries, their sum and the counters' sum have grown by what was done."""
    good = True
    for side, now in counted().items():
        grown = [n - before for n, before in zip(now, start[side])]
        wanted = [expected[side, "entries"]] + [expected[side, "amount"]] * 2
        right = now[1] == now[2] and grown == wanted
        good = good and right
        print(f"verify side={side} expected={wanted[0]}/{wanted[1]} entries={grown[0]} ledger={grown[1]}"
              f" counters={grown[2]} verdict={'right' if right else 'WRONG'}")
    return good


def frame():
    """What the numbers were measured on."""
    model = re.search(r"^model name\s*: (.*)$", open("/proc/cpuinfo", encoding="utf-8").read(), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", open("/proc/meminfo", encoding="utf-8").read(), re.M)
    return (f"* {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, PostgreSQL {sql('SHOW server_version')[0]}\n"
            f"* {os.cpu_count()} cores ({model[1] if model else 'unknown'}), "
            f"{int(memory[1]) // 2**20 if memory else '?'} GiB, {os.uname().sysname} {os.uname().release};"
            f" pgbench on the same cores; load average when it began {os.environ.get('BENCH_LOAD', 'unknown')}\n"
            f"* `ROUNDS={ROUNDS} SECONDS_PER_RUN={SECONDS_PER_RUN} {os.environ.get('BENCH_COMMAND', 'bench/run')}`,"
            f" {SUBJECTS:,} subjects\n"
            f"* {os.environ.get('BENCH_SETTINGS', '')}; VACUUM of both sides' tables and CHECKPOINT before every case,"
            f" then {WARM_UP_SECONDS} s of either side's load, not measured, with synchronous_commit off\n")


def main():
    scripts, page = sys.argv[1], (sys.argv[2:] or [None])[0]
    wanted = os.environ.get("CASES", "").split() or [case.name for case in CASES]
    unknown = set(wanted) - {case.name for case in CASES}
    if unknown:
        sys.exit(f"there is no case {', '.join(sorted(unknown))}")
    header, start = frame(), counted()
    expected = Counter()
    rows = [measure(scripts, case, clients, sync, expected)
            for case in CASES if case.name in wanted
            for sync in (SYNC if case.writes else ["on"])
            for clients in case.clients]
    good = verify(start, expected)
    table = "\n".join([TABLE_HEAD] + [row.table_line() for row in rows]) + "\n"
    print(f"\n{table}")
    if not good:
        sys.exit("measure.py: the books do not balance")
    if page:
        results.write(page, BEGIN_MARK, END_MARK, f"{header}\n{table}".rstrip("\n"))


main()

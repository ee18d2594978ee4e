"""Measures what a gate adds to loading a table; called by bench/run, with the cluster up.

usage: bulk.py [RESULTS.md]

One INSERT ... SELECT of many rows over 1,000 customers into each of the tables of
documents.sql, by turns, the order reversed every round.  A ratio is taken within a
round, against the table without a gate; the median of the rounds counts.  The
ledger must have what the rows are worth, and one entry for each customer and
statement where the gate is at statement level.
"""
import os
import re
import statistics
import sys
import threading
import time
from subprocess import run

import results

ROUNDS = int(os.environ.get("ROUNDS", "5"))
CUSTOMERS = 1000
BEGIN_MARK, END_MARK = "<!-- bench/run --write: begin of bulk -->", "<!-- end of bulk -->"

# table, rows, entries in the ledger for each customer (None: one for each row), target
CASES = (
    ("document_gated", int(os.environ.get("BULK_ROWS", "1000000")), 1, 1.15),
    ("document_remembered", int(os.environ.get("BULK_ROWS", "1000000")), 1, None),
    ("document_by_row", int(os.environ.get("BULK_ROWS", "1000000")) // 10, None, None),
)


def psql(commands, name="bulk"):
    """The last line that a session prints."""
    done = run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"], input=commands, check=True,
               capture_output=True, text=True,
               env={**os.environ, "PGAPPNAME": name, "PGOPTIONS": "-c client_min_messages=warning"})
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


class PeakMemory(threading.Thread):
    """The most private memory (kB) that the loading backend had; shared buffers are not in it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak, self.done = 0, threading.Event()

    def run(self):
        pid = ""
        while not self.done.wait(0.05):
            pid = pid or psql("SELECT max(pid) FROM pg_stat_activity WHERE application_name = 'bulk'", "sampler")
            try:
                with open(f"/proc/{pid}/status", encoding="ascii") as status:
                    self.peak = max(self.peak, int(re.search(r"RssAnon:\s+(\d+)", status.read())[1]))
            except (OSError, TypeError):
                continue


def load(table, rows):
    """Seconds that the statement took, and the backend's peak memory in MB."""
    psql(f"TRUNCATE {table}; VACUUM quota_internal.bucket, quota_internal.ledger_entry, quota_internal.gate_charge; CHECKPOINT")
    time.sleep(1)
    memory = PeakMemory()
    memory.start()
    seconds = psql(f"""
        CREATE TEMP TABLE source AS
            SELECT (10000001 + g % {CUSTOMERS})::text AS tenant_id, 1 + g % 5000 AS size, md5(g::text) || ' a title' AS title
            FROM generate_series(1, {rows}) g;
        SELECT clock_timestamp() AS began \\gset
        INSERT INTO {table} (tenant_id, size, title) SELECT tenant_id, size, title FROM source;
        SELECT extract(epoch FROM clock_timestamp() - :'began');""")
    memory.done.set()
    memory.join()
    return float(seconds), memory.peak / 1024


def books():
    """Entries and their sum."""
    entries, amount = psql("SELECT count(*), sum(amount) FROM quota_internal.ledger_entry").split("|")
    return int(entries), int(amount)


def measure(table, rows, entries_each, target):
    """The table's line in RESULTS.md, and the line for machines."""
    ratios, times, memories = [], {table: [], "document_plain": []}, []
    for turn in range(ROUNDS):
        order = ("document_plain", table) if turn % 2 == 0 else (table, "document_plain")
        seconds = {}
        for name in order:
            before = books()
            seconds[name], memory = load(name, rows)
            times[name].append(seconds[name])
            if name == table:
                memories.append(memory)
                expected = (rows if entries_each is None else CUSTOMERS * entries_each,
                            sum(1 + g % 5000 for g in range(1, rows + 1)))
                after = books()
                if (after[0] - before[0], after[1] - before[1]) != expected:
                    sys.exit(f"verify bulk {table}: the ledger grew from {before} to {after}, not by {expected}")
        ratios.append(seconds[table] / seconds["document_plain"])
    ratio = statistics.median(ratios)
    verdict = "info" if target is None else "met" if ratio <= target else "above"
    print(f"result case=bulk_{table} rows={rows} seconds={statistics.median(times[table]):.2f}"
          f" plain_seconds={statistics.median(times['document_plain']):.2f} ratio={ratio:.3f}"
          f" lowest={min(ratios):.3f} highest={max(ratios):.3f} peak_mb={max(memories):.0f}"
          f" target={target or '-'} verdict={verdict}", flush=True)
    return (f"| {table} | {rows:,} | {statistics.median(times[table]):.1f}"
            f" | {statistics.median(times['document_plain']):.1f} | **{ratio:.2f}**"
            f" | {min(ratios):.2f} to {max(ratios):.2f} | {f'{target:.2f} {verdict}' if target else ''}"
            f" | {max(memories):.0f} |")


TABLE_HEAD = """\
| table | rows in one statement | seconds | without gate | ratio | its spread | target | peak private memory, MB |
| --- | ---: | ---: | ---: | ---: | --- | --- | ---: |"""


def main():
    """Runs the cases and writes them down."""
    lines = [measure(*case) for case in CASES]
    if len(sys.argv) > 1:
        results.write(sys.argv[1], BEGIN_MARK, END_MARK, "\n".join([TABLE_HEAD, *lines]))


if __name__ == "__main__":
    main()

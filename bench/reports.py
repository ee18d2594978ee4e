"""Times reports against passes by hand over the same rows; called by bench/reports, with the cluster up.

usage: reports.py [RESULTS.md]

Every query of a case runs in the same session, by turns; a ratio is taken within a
round, so that what else happens to the machine meets both, and the median of the
rounds counts.  The first round, which plans and fills caches, does not.
"""
import os
import statistics
import subprocess
import sys
from collections import namedtuple
from datetime import datetime, timezone

import results

ROUNDS = int(os.environ.get("ROUNDS", "7"))
WANTED = os.environ.get("CASES", "").split()
BEGIN_MARK, END_MARK = "<!-- bench/reports --write: begin -->", "<!-- end of reports -->"

# other: what the report is compared to; most: what the ratio, or without other the
# milliseconds, shall be at most; None: for information
Case = namedtuple("Case", "name report other_name other most")

THIS_MONTH = "e.at >= '2026-06-01'"
TOKENS = "e.feature_id = (SELECT f.id FROM quota_internal.feature f WHERE f.name = 'tokens')"


def below(subject):
    """The condition that an entry is for the subject or below."""
    return f"(e.subject = '{subject}' OR (e.subject > '{subject}/' AND e.subject < '{subject}0'))"


def a_pass(subject, account):
    """What this month's window of an account comes to, by hand."""
    return (f"SELECT sum(e.amount) FROM quota_internal.ledger_entry e WHERE {below(subject)} AND {TOKENS}"
            f" AND {THIS_MONTH} AND e.account = '{account}'")


def statement(subject, rows=100):
    return f"SELECT * FROM quota.statement('{subject}', 'tokens', max_rows => {rows})"


def usage(subject):
    return f"SELECT * FROM quota.usage('{subject}', 'tokens', '2026-06-01', '2026-06-21 11:30')"


def zone_usage(subject):
    return (f"SELECT * FROM quota.usage('{subject}', 'tokens', '2026-06-01', '2026-06-21 11:30', 'hour',"
            " 'Asia/Kathmandu')")


def breakdown(subject):
    return f"SELECT * FROM quota.breakdown('{subject}', 'tokens', '2026-06-01', '2026-06-21 11:30')"


def one_subject(view, subject="s10"):
    return Case(f"{view} of a subject", f"SELECT * FROM quota.{view} WHERE subject = '{subject}'", None, None, 20)


ALL_WINDOWS = "SELECT count(*), sum(b.used) FROM quota_internal.bucket b"
ALL_ENTRIES = "SELECT count(*), sum(e.amount) FROM quota_internal.ledger_entry e"
CASES = (
    Case("statement, 60,000 entries", statement("heavy"), "one pass", a_pass("heavy", "heavy"), 2),
    Case("statement, 60,000 of members", statement("team"), "one pass", a_pass("team", "team"), 2),
    Case("statement, 60,000 at two levels", statement("both"), "one pass", a_pass("both", "both"), 2),
    Case("statement, 300,000 in a year", statement("big"), "one pass", a_pass("big", "big"), 2),
    Case("statement of one of 300,000", statement("big/few"), None, None, 20),
    Case("statement of 13 entries", statement("few"), None, None, 20),
    Case("statement, a month of the past",
         "SELECT * FROM quota.statement('big', 'tokens', '2025-09-01', '2025-10-01')", None, None, None),
    Case("statement, 1,000 rows", statement("heavy", 1000), "100 rows", statement("heavy"), 2),
    Case("usage, 60,000 entries", usage("heavy"), "one pass", a_pass("heavy", "heavy"), 2),
    Case("usage, 60,000 of members", usage("team"), "one pass", a_pass("team", "team"), 2),
    Case("usage, 300,000 in a year", usage("big"), "one pass", a_pass("big", "big"), 3),
    Case("usage of 13 entries", usage("few"), None, None, 20),
    Case("usage by hours of Kathmandu, 60,000", zone_usage("heavy"), "one pass", a_pass("heavy", "heavy"), None),
    Case("usage by hours of Kathmandu, 13 entries", zone_usage("few"), None, None, 20),
    Case("breakdown, 60,000 entries", breakdown("heavy"), "one pass", a_pass("heavy", "heavy"), None),
    Case("breakdown, 60,000 of members", breakdown("team"), "one pass", a_pass("team", "team"), None),
    Case("breakdown of 13 entries", breakdown("few"), None, None, 20),
    Case("unit_hours of a subject", "SELECT quota.unit_hours('few', 'docs', '2026-06-01')", None, None, 20),
    Case("status", "SELECT * FROM quota.status('heavy')", None, None, 20),
    Case("me", "SELECT quota.me('s1')", None, None, 20),
    Case("check", "SELECT * FROM quota.check('both/m1', 'tokens')", None, None, 20),
    Case("explain", "SELECT * FROM quota.explain('both/m1', 'tokens')", None, None, 20),
    Case("offers", "SELECT * FROM quota.offers('s2', 'tokens')", None, None, 20),
    Case("metrics", "SELECT * FROM quota.metrics", None, None, 50),
    Case("export_catalog", "SELECT quota.export_catalog()", None, None, 20),
    Case("gates", "SELECT * FROM quota.gates", None, None, 20),
    one_subject("periods"), one_subject("subscriptions"), one_subject("holds", "s5"), one_subject("denials"),
    one_subject("events", "s1"), one_subject("ledger"),
    Case("periods that ended in a month",
         "SELECT subject, used FROM quota.periods WHERE period_end > '2025-12-01' AND period_end <= '2026-01-01'",
         "all windows", ALL_WINDOWS, None),
    Case("periods, all", "SELECT sum(used) FROM quota.periods", "all windows", ALL_WINDOWS, None),
    Case("subscriptions, all", "SELECT count(current_period_end) FROM quota.subscriptions", None, None, None),
    Case("holds, all", "SELECT sum(reserved) FROM quota.holds", None, None, None),
    Case("denials of a week",
         "SELECT subject, feature, reason, sum(times) FROM quota.denials WHERE day > '2026-06-14' GROUP BY 1, 2, 3",
         "one pass", "SELECT d.subject, d.feature_id, d.reason, sum(d.times) FROM quota_internal.denial d"
                     " WHERE d.day > '2026-06-14' GROUP BY 1, 2, 3", 3),
    Case("events after a cursor",
         "SELECT * FROM quota.events e WHERE e.xid < pg_snapshot_xmin(pg_current_snapshot()) AND (e.xid, e.id) >"
         " ((SELECT x.xid FROM quota_internal.event x WHERE x.id = 500000), 500000) ORDER BY e.xid, e.id LIMIT 100", None, None, 20),
    Case("events of a day", "SELECT type, count(*) FROM quota.events WHERE at >= '2026-06-20' GROUP BY 1", None, None, None),
    Case("ledger of a month, by account",
         "SELECT account, sum(amount) FROM quota.ledger WHERE at >= '2026-06-01' GROUP BY 1",
         "one pass", f"SELECT e.account, sum(e.amount) FROM quota_internal.ledger_entry e WHERE {THIS_MONTH} GROUP BY 1", 2),
    Case("ledger, export of a day",
         "SELECT sum(amount) FROM quota.ledger l"
         " WHERE l.xid >= (SELECT x.xid FROM large.exported x)"
         " AND l.xid < (SELECT pg_snapshot_xmin(pg_current_snapshot())) AND l.id > (SELECT 0)",
         "one pass", "SELECT sum(e.amount) FROM quota_internal.ledger_entry e WHERE e.at >= '2026-06-20'", 3),
    Case("maintain, nothing to do", "SELECT * FROM quota.maintain()", None, None, 50),
    # leaves dead rows, so none but verify comes after it
    Case("rename, 120,000 entries", "SELECT quota.rename('both', 'both2')", "and back", "SELECT quota.rename('both2', 'both')", None),
    # an error, if it finds anything
    Case("verify", "SELECT 1 / (count(*) = 0)::int FROM quota.verify()", "one pass over all entries", ALL_ENTRIES, None),
)

TIMER = """
CREATE FUNCTION pg_temp.ms(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
BEGIN
    -- the row as text, or the planner leaves out columns that nobody reads
    EXECUTE 'SELECT count(q::text) FROM (' || query || ') q';
    RETURN extract(epoch FROM clock_timestamp() - began) * 1000;
END $$;
"""


def psql(commands):
    """What a session prints, as lines."""
    done = subprocess.run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"], input=commands, check=True,
                          capture_output=True, text=True,
                          env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"})
    return done.stdout.strip().splitlines()


def times(case):
    """Milliseconds of the report, and of what it is compared to, by round."""
    queries = [case.report] + ([case.other] if case.other else [])
    calls = ", ".join(f"pg_temp.ms($q${query}$q$)" for query in queries)
    rounds = ROUNDS if case.name != "verify" else 1
    lines = psql(TIMER + f"SELECT {calls};\n" * ((rounds + 1) if rounds > 1 else 1))
    lines = lines[1:] if rounds > 1 else lines
    return [[float(ms) for ms in line.split("|")] for line in lines]


def measure(case):
    """The case's line in RESULTS.md."""
    rounds = times(case)
    ms = statistics.median(turn[0] for turn in rounds)
    other = ratio = None
    if case.other:
        other = statistics.median(turn[1] for turn in rounds)
        ratio = statistics.median(turn[0] / turn[1] for turn in rounds)
    value = ms if ratio is None else ratio
    verdict = "info" if case.most is None else "met" if value <= case.most else "above"
    print(f"result case=\"{case.name}\" ms={ms:.1f} other_ms={'-' if other is None else f'{other:.1f}'}"
          f" ratio={'-' if ratio is None else f'{ratio:.2f}'} most={case.most or '-'} verdict={verdict}", flush=True)
    bound = "" if case.most is None else f"{case.most:g}{' ms' if ratio is None else ''} {verdict}"
    compared = "" if other is None else f"{other:,.1f}, {case.other_name}"
    return f"| {case.name} | {ms:,.1f} | {compared} | {'' if ratio is None else f'**{ratio:.2f}**'} | {bound} |"


def main():
    """Runs the cases and writes them down."""
    wanted = [case for case in CASES if not WANTED or case.name.startswith(tuple(WANTED))]
    lines = [measure(case) for case in wanted]
    entries, windows, version = psql("SELECT count(*) FROM quota_internal.ledger_entry; SELECT count(*) FROM quota_internal.bucket; SHOW server_version")
    if len(sys.argv) > 1:
        head = (f"* {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, PostgreSQL {version}, `{os.environ['BENCH_COMMAND']}`,"
                f" load average when it began {os.environ['BENCH_LOAD']}\n"
                f"* {int(entries):,} ledger entries, {int(windows):,} windows\n\n"
                "| report | ms | by hand, ms | ratio | at most |\n| --- | ---: | ---: | ---: | --- |\n")
        results.write(sys.argv[1], BEGIN_MARK, END_MARK, head + "\n".join(lines))


if __name__ == "__main__":
    main()

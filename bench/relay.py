"""What bench/relay measures, in the cluster that PGHOST names; see there."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import psycopg
import results

TOP = Path(__file__).resolve().parents[1]
SOURCE = str(TOP / "clients" / "python" / "src")
sys.path.insert(0, SOURCE)

from quota_client.relay import new_secret  # noqa: E402

ROUNDS, EVENTS = int(os.environ.get("ROUNDS", 5)), int(os.environ.get("EVENTS", 5000))
GOAL = 500
BEGIN, END = "<!-- bench/relay --write: begin -->", "<!-- end of relay -->"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SETUP = """
CREATE EXTENSION quota CASCADE;
SELECT quota.apply_catalog('{"features": {"t": {"kind": "metered"}},
  "plans": {"pro": {"entitlements": {"t": {"allowance": 10, "period": "month"}}}}}');
"""


def load():
    return os.getloadavg()[0]


def state(port):
    with OPENER.open(f"http://127.0.0.1:{port}/state", timeout=10) as answer:
        return json.load(answer)


def start_receiver(secret):
    command = ["/usr/bin/python3", str(TOP / "examples" / "relay" / "receiver.py"), "--port", "0"]
    receiver = subprocess.Popen(command, env=os.environ | {"RELAY_SECRET": secret}, stderr=subprocess.PIPE, text=True)
    return receiver, int(receiver.stderr.readline().rpartition(":")[2].partition("/")[0])


def relay(config, *arguments):
    command = ["/usr/bin/python3", "-m", "quota_client.relay", "--config", config, *arguments]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": SOURCE}, check=True, stderr=subprocess.DEVNULL)


def one_round(connection, config, secret):
    """(events a second from the first that came to the last, CPU seconds of the relay for a thousand)"""
    for start in range(0, EVENTS, 100):  # transactions of a hundred, of so many subjects
        connection.execute(
            "SELECT count(quota.credit('customer-' || n, 't', 1)) FROM generate_series(%s::int, %s) n", [start, start + 99]
        )
    receiver, port = start_receiver(secret)
    try:
        text = f"[webhook here]\nurl = http://127.0.0.1:{port}/hook\nsecret = {secret}\nrate = 100000\nstart = beginning\n"
        Path(config).write_text(text, encoding="utf-8")
        before = os.times()
        relay(config, "run", "--once")
        after = os.times()
        came = state(port)
    finally:
        receiver.terminate()
        receiver.wait(20)
    assert came["in_order"] and came["taken"] >= EVENTS // 100 * 100 and came["repeated"] == 0, came
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return (came["taken"] - 1) / (came["last_at"] - came["first_at"]), cpu / came["taken"] * 1000


def main():
    began, secret = load(), new_secret()
    with tempfile.TemporaryDirectory() as folder, psycopg.connect("", autocommit=True) as connection:
        connection.execute(SETUP)
        config = os.path.join(folder, "relay.conf")
        relay(config, "init", "--database", f"dbname={connection.info.dbname}")
        rounds = [one_round(connection, config, secret) for _ in range(ROUNDS)]
        (version,) = connection.execute("SHOW server_version").fetchone()
    rates, cpu = zip(*rounds)
    rate = statistics.median(rates)
    lines = [
        f"* {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, PostgreSQL {version}, Python {sys.version.split()[0]},"
        f" {os.cpu_count()} cores, which relay, receiver and server share; load average {began:.2f} before, {load():.2f} after",
        f"* `ROUNDS={ROUNDS} EVENTS={EVENTS} {os.environ.get('BENCH_COMMAND', 'bench/relay')}`, fsync on",
        "",
        "| events a second, median | slowest and fastest round | goal | CPU ms of the relay for an event |",
        "| ---: | --- | --- | ---: |",
        f"| {rate:,.0f} | {min(rates):,.0f} to {max(rates):,.0f} | {GOAL} {'met' if rate >= GOAL else 'below'} | {statistics.median(cpu):.2f} |",
    ]
    print("\n".join(lines))
    if len(sys.argv) > 1:
        results.write(sys.argv[1], BEGIN, END, "\n".join(lines))


if __name__ == "__main__":
    main()

"""Times the console's pages, each as a whole: from the request to the finished page; called by bench/console.

usage: console.py [RESULTS.md]

The application runs in this process, through Flask's own client, over the tables that bench/reports has made.
The pages are asked for by turns, ROUNDS times and once before, which plans and fills caches: what else happens to
the machine meets all of them.
"""
import json
import os
import re
import statistics
import sys
import time
from collections import namedtuple
from datetime import datetime, timezone
from pathlib import Path

import results

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "examples" / "flask"), str(TOP / "clients" / "python" / "src")]

import docapp  # noqa: E402
from docapp import clock, config, db, setup  # noqa: E402
from docapp.console.queries import operators  # noqa: E402
from sqlalchemy import text  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "7"))
BEGIN_MARK, END_MARK = "<!-- bench/console --write: begin -->", "<!-- end of console -->"
MOST_MS = 300
URLS = [os.environ[door] for door in config.DOORS]
PAGE = {"headers": {"Accept": "text/html"}, "base_url": "https://localhost"}

# most: milliseconds; None: for information
Case = namedtuple("Case", "name path most")

CASES = (
    Case("walls, 7 days", "/console/", MOST_MS),
    Case("walls, 30 days", "/console/?days=30", None),
    Case("customers", "/console/customers", MOST_MS),
    Case("customers, found by a rare name", "/console/customers?q=customer+123456", MOST_MS),
    Case("customers, found by a common name", "/console/customers?q=customer", MOST_MS),
    Case("customers, nobody found", "/console/customers?q=nobody", MOST_MS),
    Case("use, 13 entries", "/console/use?subject=few&feature=tokens", MOST_MS),
    Case("use, 60,000 entries", "/console/use?subject=heavy&feature=tokens", MOST_MS),
    Case("use, 60,000 of members", "/console/use?subject=team&feature=tokens", MOST_MS),
    Case("use, 300,000 in a year", "/console/use?subject=big&feature=tokens", MOST_MS),
    Case("use by member, 60,000 of members", "/console/use?subject=team&feature=tokens&by=child", None),
    Case("a customer, 13 entries", "/console/customer?subject=few", MOST_MS),
    Case("a customer, 60,000 entries", "/console/customer?subject=heavy&feature=tokens", MOST_MS),
    Case("a customer, 60,000 of members", "/console/customer?subject=team&feature=tokens", MOST_MS),
    Case("a customer, 300,000 in a year", "/console/customer?subject=big&feature=tokens", MOST_MS),
    Case("a customer, explained and previewed",
         "/console/customer?subject=s10&explain=tokens&amount=2000000000000&preview=free", MOST_MS),
    Case("plans", "/console/plans", MOST_MS),
    Case("a plan with 70,000 subscribers", "/console/plan?plan=pro", MOST_MS),
    Case("a plan, a later page", "/console/plan?plan=pro&after=s3", MOST_MS),
    Case("the catalog", "/console/catalog", MOST_MS),
    Case("invoices of this month", "/console/invoices?month=2026-06", MOST_MS),
    Case("invoices of a month without any", "/console/invoices?month=2024-06", MOST_MS),
)


def prepare(owner):
    """The application's tables beside quota's, with a customer for every account, once."""
    with owner.begin() as connection:
        setup.make_tables(connection, *URLS)
        if connection.execute(text("SELECT EXISTS (SELECT FROM docapp.workspaces)")).scalar_one():
            return
        connection.execute(text("""
            INSERT INTO docapp.workspaces (slug, name)
            SELECT n.slug, 'Customer ' || row_number() OVER ()
            FROM large.setting t, LATERAL (
                SELECT 's' || n FROM generate_series(0, t.accounts - 1) n
                UNION ALL SELECT 'o' || n FROM generate_series(0, t.accounts / 50 - 1) n
                UNION ALL SELECT unnest(ARRAY['heavy', 'team', 'both', 'big', 'few'])) n(slug)"""))
        connection.execute(text("""
            INSERT INTO docapp.users (workspace_id, slug, email, name, password_hash)
            SELECT w.id, 'owner', w.slug || '@example.org', w.name, '' FROM docapp.workspaces w"""))
    with owner.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE docapp.workspaces, docapp.users"))


def operator_at(application):
    """Flask's client, signed in as an operator who may act."""
    with application.db.admin.begin() as connection:
        operators.save(connection, "bench@example.org", "Bench", "admin", "")
    with application.db.reader.connect() as connection:
        operator_id = operators.by_email(connection, "bench@example.org").id
    client = application.test_client()
    with client.session_transaction(base_url=PAGE["base_url"]) as session:
        session["operator"], session["csrf"] = operator_id, "token"
    return client


def timed(ask):
    """Milliseconds of an answer, which must be a page."""
    began = time.perf_counter()
    answer = ask()
    ms = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, (answer.status_code, answer.text[:2000])
    return ms


def check(client, since):
    """Asks what one plan's smaller allowance would change, with the use of a time or without."""
    page = client.get("/console/catalog", **PAGE).text
    draft = re.search(r'<textarea id="catalog"[^>]*>(.*?)</textarea>', page, re.S).group(1).replace("&#34;", '"')
    catalog = json.loads(draft)
    catalog["plans"]["free"]["entitlements"]["tokens"]["allowance"] = 50
    form = {"csrf_token": "token", "catalog": json.dumps(catalog), "since": since, "stamp": ""}
    return lambda: client.post("/console/catalog/check", data=form, **PAGE)


def line(name, most, took):
    """What is told of a page: printed, and its line in RESULTS.md."""
    ms, longest = statistics.median(took), max(took)
    verdict = "info" if most is None else "met" if ms <= most else "above"
    print(f'result page="{name}" ms={ms:.1f} longest_ms={longest:.1f} most={most or "-"} verdict={verdict}', flush=True)
    return f"| {name} | {ms:,.0f} | {longest:,.0f} | {'' if most is None else f'{most} ms {verdict}'} |"


def main():
    """Runs the cases and writes them down."""
    owner = db.engine(os.environ["QUOTA_OWNER_URL"])
    prepare(owner)
    with owner.connect() as connection:
        now = connection.execute(text("SELECT now FROM large.setting")).scalar_one()
        accounts, entries, version = connection.execute(text(
            "SELECT (SELECT count(*) FROM docapp.workspaces), (SELECT count(*) FROM quota_internal.ledger_entry),"
            " current_setting('server_version')")).one()
    clock.now = lambda: now.astimezone(timezone.utc)  # where quota.clock stands
    config.catalog = lambda: {"features": {}}  # the application's own need not be in the catalog here
    secrets = {"SECRET_KEY": "bench" * 4, "CALLBACK_SECRET": "bench" * 4}
    client = operator_at(docapp.create_app(config.from_environment(os.environ | secrets)))
    pages = [(case.name, case.most, lambda case=case: client.get(case.path, **PAGE)) for case in CASES]
    pages.append(("the catalog, checked", MOST_MS, check(client, "")))
    rounds = [[timed(ask) for _name, _most, ask in pages] for _ in range(ROUNDS + 1)][1:]
    lines = [line(name, most, took) for (name, most, _ask), took in zip(pages, zip(*rounds))]
    lines.append(line("the catalog, checked with the month's use", None, [timed(check(client, "month"))]))
    if len(sys.argv) > 1:
        head = (f"* {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, PostgreSQL {version}, `{os.environ['BENCH_COMMAND']}`,"
                f" load average when it began {os.environ['BENCH_LOAD']}\n"
                f"* {accounts:,} customers, {entries:,} ledger entries\n\n"
                "| page | ms | longest | at most |\n| --- | ---: | ---: | --- |\n")
        results.write(sys.argv[1], BEGIN_MARK, END_MARK, head + "\n".join(lines))


if __name__ == "__main__":
    main()

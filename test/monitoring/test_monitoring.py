"""packaging/monitoring is true: what Prometheus stores is what the database says, and every alert and panel
asks for something that is there."""

import json
import re
import subprocess
import time

import pytest
import yaml
from conftest import FILES

OF_THE_SCRAPE = ("__name__", "instance", "job", "server")
DASHBOARD = json.loads((FILES / "grafana.json").read_text(encoding="utf-8"))
EXPRESSIONS = [
    pytest.param(target["expr"], id=panel["title"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
ALERTS = yaml.safe_load((FILES / "alerts.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


def in_database(cursor):
    cursor.execute("SELECT name, labels, value FROM quota.metrics UNION ALL SELECT name, labels, value FROM quota_relay.metrics")
    return {(name, frozenset(labels.items())): float(value) for name, labels, value in cursor}


def in_prometheus(prometheus):
    return {
        (labels["__name__"], frozenset((k, v) for k, v in labels.items() if k not in OF_THE_SCRAPE)): value
        for labels, value in prometheus.query('{__name__=~"quota_.+"}')
    }


def test_every_figure_is_the_database_s(database, prometheus):
    """Whatever is scraped lies between what the view says before the scrape and after it."""
    cursor = database[0]
    for _ in range(20):  # autovacuum may change a size and change it back
        before = in_database(cursor)
        prometheus.wait_for_scrape(after=time.time())
        scraped = in_prometheus(prometheus)
        after = in_database(cursor)
        assert set(scraped) == set(after)
        wrong = {
            key: (before[key], value, after[key])
            for key, value in scraped.items()
            if not min(before[key], after[key]) <= value <= max(before[key], after[key])
        }
        if not wrong:
            break
    assert not wrong
    assert scraped["quota_denials_total", frozenset({"feature": "tokens", "reason": "quota_exceeded"}.items())] == 2
    assert scraped["quota_holds", frozenset({("state", "open")})] == 1
    assert scraped["quota_relay_dead_letters", frozenset({("destination", "crm")})] == 1
    assert scraped["quota_subscriptions", frozenset({"plan": "pro", "status": "trialing"}.items())] == 1


def test_a_change_is_seen(database, prometheus):
    cursor = database[0]
    cursor.execute("SELECT * FROM quota.try_debit('zoe', 'tokens', 300)")
    cursor.execute("SELECT * FROM quota.debit('acme/ann', 'tokens', 1)")
    prometheus.wait_for_scrape(after=time.time())
    assert prometheus.query('quota_denials_total{feature="tokens"}')[0][1] == 3
    cursor.execute("SELECT max(id) FROM quota.ledger")
    assert prometheus.query("quota_ledger_entries_total")[0][1] == cursor.fetchone()[0]


def asked_for(expression):
    return set(re.findall(r"\bquota_\w+", expression))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_is_evaluated(rule, database, prometheus):
    """It is loaded without an error, watches what the view has, and its page says what to do."""
    known = {name for name, _ in in_database(database[0])}
    assert asked_for(rule["expr"]) <= known
    prometheus.query(rule["expr"])
    assert rule["alert"] in (FILES / "README.md").read_text(encoding="utf-8")
    for _ in range(100):
        loaded = prometheus.rules()[rule["alert"]]
        if loaded["health"] != "unknown":
            break
        time.sleep(0.1)
    assert loaded["health"] == "ok", loaded


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_panel_shows_something(expression, prometheus):
    """Every expression of the dashboard has a result in a database with a little use in it."""
    asked = expression.replace("$__rate_interval", "30s").replace("$instance", ".+")
    assert asked_for(asked)
    for _ in range(100):  # a rate needs two scrapes
        if prometheus.query(asked):
            return
        time.sleep(0.1)
    pytest.fail(f"nothing comes of {asked}")


@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")],
    ids=" ".join,
)
def test_promtool_agrees(command):
    *verb, name = command
    done = subprocess.run(["promtool", *verb, name], cwd=FILES, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_that_fires():
    tests = yaml.safe_load((FILES / "alerts.test.yml").read_text(encoding="utf-8"))["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    fired = {check["alertname"] for check in checks if check.get("exp_alerts")}
    silent = {check["alertname"] for check in checks if not check.get("exp_alerts")}
    assert fired == silent == {rule["alert"] for rule in RULES}

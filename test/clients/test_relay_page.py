"""docs/relay.md is true: its SQL runs, its configuration is one, its keys are those that there are."""

import json
import re

import psycopg
import pytest
from conftest import ROOT
from quota_client.relay import new_secret
from quota_client.relay.settings import read

PAGE = (ROOT / "docs" / "relay.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_statements_run(database, receiver, relay_of):
    receiver.behave = lambda amount, times: 400
    database.credit(1)
    relay_of(receiver.section("crm", refusals=1)).call("run", "--once")
    found = blocks("sql")
    assert len(found) == 5
    with psycopg.connect(database.owner) as connection:
        for block in found:
            connection.execute(block)
            if "CREATE ROLE" in block:
                connection.execute("SET ROLE example_console")
                connection.execute("UPDATE quota_relay.dead_letter SET resend_at = now()")
                connection.execute("UPDATE quota_relay.destination SET retry_at = now()")
                connection.execute("SELECT * FROM quota_relay.metrics, quota_relay.destination, quota_relay.dead_letter")
                connection.execute("SAVEPOINT denied")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("UPDATE quota_relay.destination SET xid = '0'")
                connection.execute("ROLLBACK TO denied")
                connection.execute("RESET ROLE")
        connection.rollback()  # the role, too


def test_its_configuration_is_one(tmp_path, monkeypatch):
    (text,) = [block for block in blocks("ini") if "[relay]" in block]
    (tmp_path / "password").write_text("p")
    path = tmp_path / "relay.conf"
    path.write_text(text.replace("/etc/quota-relay.password", str(tmp_path / "password")))
    monkeypatch.setenv("CRM_SECRET", new_secret())
    assert [destination.name for destination in read(str(path)).destinations] == ["crm", "billing", "audit"]


def test_every_key_is_listed():
    source = (ROOT / "clients/python/src/quota_client/relay/settings.py").read_text(encoding="utf-8")
    keys = set(re.findall(r'section\.(?:text|secret|number|choice|file)\("(\w+)"', source)) | {"database", "poll"}
    assert len(keys) > 20
    table = PAGE.partition("| key |")[2].partition("\n\n")[0]
    listed = {key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert listed == keys


def test_its_message_is_one(database, receiver, relay_of, tmp_path):
    (shown,) = [json.loads(block) for block in blocks("json")]
    log = tmp_path / "log"
    relay_of(f"[log audit]\nstart = beginning\npath = {log}\n").call("run", "--once")
    database.credit(1)
    relay_of(f"[log audit]\npath = {log}\n").call("run", "--once")
    sent = json.loads(log.read_text())
    assert sent.keys() - {"message_id"} == shown.keys()
    assert sent["data"].keys() == shown["data"].keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", sent["timestamp"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", shown["timestamp"])

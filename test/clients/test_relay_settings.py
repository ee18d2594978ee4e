"""The relay's configuration: what is wrong is named, with its section and key."""

import pytest
from quota_client.relay import new_secret
from quota_client.relay.settings import BadSettings, read

HOOK = f"[webhook crm]\nurl = https://example.org/hook?a=1\nsecret = {new_secret()}\n"
MAIL = "[email ops]\nserver = mail.example.org\nfrom = quota@example.org\nto = a@example.org, b@example.org\n"


def read_text(tmp_path, text):
    path = tmp_path / "relay.conf"
    path.write_text(text)
    return read(str(path))


def test_a_file_is_read(tmp_path, monkeypatch):
    first, second = new_secret(), new_secret()
    monkeypatch.setenv("CRM", f"{first} {second}")
    (tmp_path / "password").write_text("p w\n")
    got = read_text(
        tmp_path,
        "# a comment\n[relay]\ndatabase = dbname=app\npoll = 2\n"
        "[webhook crm]\nurl = http://localhost:8000/\nsecret = env:CRM\ntypes = credited, hold_expired\nrate = 5\nstart = beginning\n"
        + MAIL
        + f"user = u\npassword = file:{tmp_path / 'password'}\nsecurity = tls\n[log all]\n",
    )
    crm, ops, log = got.destinations
    assert (got.database, got.poll) == ("dbname=app", 2)
    assert (crm.secrets, crm.types, crm.rate, crm.start) == ((first, second), {"credited", "hold_expired"}, 5, "beginning")
    assert (ops.port, ops.password, ops.recipients, ops.rate) == (465, "p w", ("a@example.org", "b@example.org"), 1)
    assert (log.path, log.types, log.patience, log.refusals) == ("-", frozenset(), 72 * 3600, 8)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "there is no destination"),
        ("nonsense", "relay.conf"),
        ("[relay]\ndatabase = x\n", "there is no destination"),
        ("[relay]\nnonsense = 1\n" + HOOK, "[relay] nonsense: there is no such key"),
        ("[relay]\npoll = 0\n" + HOOK, "[relay] poll: is a number from 0.01 to 3600, not '0'"),
        ("[fax a]\n", "[fax a]: a section is"),
        ("[webhook]\n", "[webhook]: a name is"),
        ("[webhook A b]\n", "[webhook A b]: a name is"),
        (HOOK + "[log crm]\n", "two destinations are called crm"),
        (HOOK + HOOK, "relay.conf"),
        (HOOK + "colour = red\n", "[webhook crm] colour: there is no such key"),
        (HOOK + "rate = fast\n", "[webhook crm] rate: is a number"),
        (HOOK + "rate = nan\n", "[webhook crm] rate: is a number"),
        (HOOK + "rate = 0\n", "[webhook crm] rate: is a number"),
        (HOOK + "timeout = -1\n", "[webhook crm] timeout: is a number"),
        (HOOK + "refusals = 0\n", "[webhook crm] refusals: is a number"),
        (HOOK + "start = yesterday\n", "[webhook crm] start: is one of now, beginning, not 'yesterday'"),
        (HOOK + "types = credited, <b>\n", "[webhook crm] types: '<b>' is no type of event"),
        (HOOK + "ca_file = /nowhere/ca.pem\n", "[webhook crm] ca_file: cannot be read"),
        ("[webhook crm]\nurl = https://example.org/\n", "[webhook crm] secret: is missing"),
        ("[webhook crm]\nurl =\n", "[webhook crm] url: is missing"),
        ("[webhook crm]\nurl = https://example.org/\nsecret = short\n", "[webhook crm] secret: a secret is whsec_"),
        ("[webhook crm]\nurl = https://example.org/\nsecret = env:NOT_SET_ANYWHERE\n", "NOT_SET_ANYWHERE is not set"),
        ("[webhook crm]\nurl = https://example.org/\nsecret = file:/nowhere\n", "[webhook crm] secret: [Errno 2]"),
        *(
            (f"[webhook crm]\nurl = {url}\n", "[webhook crm] url: is http")
            for url in ("example.org", "ftp://example.org/", "http://", "http://u:p@example.org/", "http://a:99999/", "http://a/#b",
                        "http://a/ b", "http://\xfc/", "http://[::1/")
        ),
        ("[email ops]\nserver = m\nfrom = me\nto = a@example.org\n", "[email ops] from: 'me' is no address"),
        ("[email ops]\nserver = m\nfrom = a@example.org\nto = a@example.org b\n", "[email ops] to: 'b' is no address"),
        ("[email ops]\nserver = m\nfrom = a@example.org\n", "[email ops] to: is missing"),
        (MAIL + "port = 0\n", "[email ops] port: is a number"),
        (MAIL + "security = some\n", "[email ops] security: is one of"),
        (MAIL + "user = u\n", "[email ops] password: is missing"),
        (MAIL + "password = p\n", "[email ops] password: there is no such key"),
    ],
)  # fmt: skip
def test_bad_settings_are_named(tmp_path, text, said):
    with pytest.raises(BadSettings) as told:
        read_text(tmp_path, text)
    assert said in str(told.value)


def test_a_secret_is_not_shown(tmp_path):
    with pytest.raises(BadSettings) as told:
        read_text(tmp_path, "[webhook crm]\nurl = https://example.org/\nsecret = hunter2hunter2\n")
    assert "hunter2" not in str(told.value)


def test_no_file(tmp_path):
    with pytest.raises(BadSettings, match="nowhere.conf"):
        read(str(tmp_path / "nowhere.conf"))


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    from quota_client.relay.command import main

    assert main(["--config", str(tmp_path / "nowhere.conf"), "run"]) == 2
    assert "quota-relay: " in capsys.readouterr().err
    assert main(["secret"]) == 0
    assert capsys.readouterr().out.startswith("whsec_")

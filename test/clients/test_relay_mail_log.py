"""Events by e-mail and into a log."""

import email
import email.policy
import json
import os

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from relay_kit import free_port, section, wait_until


class Mailbox:
    """What came, and what is answered: `says(recipient, times)` is None or an SMTP reply."""

    def __init__(self):
        self.messages = []
        self.says = lambda recipient, times: None
        self._asked = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        self._asked.append(address)
        reply = self.says(address, self._asked.count(address))
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    def subjects(self):
        return [message["Subject"] for message in self.messages]


class MailServer:
    """A mail server on a port of its own."""

    def __init__(self, **options):
        self.mailbox, self.port, self._options = Mailbox(), free_port(), options
        self._controller = None

    def start(self):
        self._controller = Controller(self.mailbox, hostname="127.0.0.1", port=self.port, **self._options)
        self._controller.start()
        return self

    def stop(self):
        if self._controller:
            self._controller.stop()
        self._controller = None


@pytest.fixture
def mail():
    server = MailServer().start()
    yield server
    server.stop()


def mail_section(server, **settings):
    return section("email", "ops", **{
        "server": "127.0.0.1", "port": server.port, "security": "none", "from": "quota@example.org",
        "to": "ops@example.org, boss@example.org"} | settings)  # fmt: skip


def test_a_mail_tells_the_event(database, mail, relay_of):
    database.credit(7)
    assert relay_of(mail_section(mail)).call("run", "--once").returncode == 0
    [message] = mail.mailbox.messages
    assert message["Subject"] == "[quota] credited: acme t"
    assert message["To"] == "ops@example.org, boss@example.org"
    message_id = database.value("SELECT format('<evt_%s_%s@example.org>', id, (extract(epoch FROM at) * 1000000)::bigint) FROM quota.events")
    assert message["Message-ID"] == message_id
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    assert text.startswith("credited, at 20") and '"amount": 7' in text and "subject: acme" in text


def test_a_subject_of_any_letters_is_a_header(database, mail, relay_of):
    subject = "Ä, <b>: " + "長い" * 40
    database.execute("SELECT quota.subscribe(%s, 'pro')", [subject])
    relay_of(mail_section(mail)).call("run", "--once")
    assert mail.mailbox.subjects()[0].startswith("[quota] subscribed: Ä, <b>: 長い")
    assert subject in mail.mailbox.messages[0].get_content()


def test_a_mail_server_that_is_down_loses_nothing(database, mail, relay_of):
    mail.stop()
    database.credit(1, 2)
    relay_of(mail_section(mail, rate=1000)).start()
    wait_until(lambda: database.destination("ops")["attempts"] >= 3, "it has failed some times")
    assert "no mail server" in database.destination("ops")["error"]
    mail.start()
    wait_until(lambda: len(mail.mailbox.messages) == 2, "both have come")
    assert ['"amount": 1' in message.get_content() for message in mail.mailbox.messages] == [True, False]


def test_greylisting_is_waited_for(database, mail, relay_of):
    mail.mailbox.says = lambda recipient, times: "451 later" if times == 1 else None
    database.credit(1)
    relay_of(mail_section(mail)).start()
    wait_until(lambda: mail.mailbox.messages, "it has come")
    assert database.letters() == []


def test_an_address_that_is_refused_makes_a_dead_letter(database, mail, relay_of):
    mail.mailbox.says = lambda recipient, times: "550 nobody"
    database.credit(1)
    relay_of(mail_section(mail, refusals=2)).start()
    wait_until(database.letters, "it is dead")
    assert database.letters()[0][1] == 2 and "550" in database.letters()[0][2]
    assert mail.mailbox.messages == []


def test_one_address_of_two_that_is_refused_is_told(database, mail, relay_of):
    """The other has the message; it does not get it again and again."""
    mail.mailbox.says = lambda recipient, times: "550 nobody" if recipient.startswith("boss") else None
    database.credit(1)
    relay_of(mail_section(mail, refusals=1)).start()
    wait_until(database.letters, "it is dead")
    assert len(mail.mailbox.messages) == 1 and "boss@example.org" in database.letters()[0][2]


def test_it_signs_in(database, relay_of):
    def check(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"quota", b"p w")
        return AuthResult(success=good, handled=False)

    server = MailServer(authenticator=check, auth_required=True, auth_require_tls=False).start()
    try:
        database.credit(1)
        wrong = relay_of(mail_section(server, user="quota", password="no"))
        assert wrong.call("run", "--once").returncode == 1
        assert "535" in database.destination("ops")["error"] and database.letters() == []
        assert relay_of(mail_section(server, user="quota", password="p w")).call("run", "--once").returncode == 0
        assert len(server.mailbox.messages) == 1
    finally:
        server.stop()


def test_a_server_without_tls_gets_no_password(database, mail, relay_of):
    database.credit(1)
    relay = relay_of(mail_section(mail, security="starttls", user="quota", password="p"))
    assert relay.call("run", "--once").returncode == 1
    assert "STARTTLS" in database.destination("ops")["error"] and mail.mailbox.messages == []


def test_a_log_has_a_line_for_each_event(database, relay_of, tmp_path):
    path = tmp_path / "events"
    relay = relay_of(section("log", "audit", path=path))
    database.credit(1, 2)
    relay.call("run", "--once")
    with open(path, "a") as log:
        log.write('{"message_id": "evt_3, cut by a cr')
    database.credit(3)
    relay.call("run", "--once")
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    assert [json.loads(lines[n])["data"]["data"]["amount"] for n in (0, 1, 3)] == [1, 2, 3]
    assert json.loads(lines[0]).keys() == {"message_id", "type", "timestamp", "data"}


def test_standard_output_is_a_log(database, relay_of):
    database.credit(1)
    done = relay_of(section("log", "audit")).call("run", "--once")
    assert json.loads(done.stdout)["data"]["data"]["amount"] == 1


def test_a_log_that_cannot_be_written_loses_nothing(database, relay_of, tmp_path):
    folder = tmp_path / "later"
    relay_of(section("log", "audit", path=folder / "events")).start()
    database.credit(1)
    wait_until(lambda: database.destination("audit")["attempts"] >= 2, "it has failed")
    assert "cannot write" in database.destination("audit")["error"]
    folder.mkdir()
    wait_until(lambda: (folder / "events").exists() and (folder / "events").read_text(), "it was written")


def test_a_full_disk_loses_nothing(database, relay_of):
    database.credit(1)
    assert relay_of(section("log", "audit", path="/dev/full")).call("run", "--once").returncode == 1
    assert "No space left" in database.destination("audit")["error"]
    assert os.path.exists("/dev/full")

"""The configuration file of quota-relay: INI, a section for each destination.

    [relay]
    database = host=/var/run/postgresql dbname=app user=quota_relay

    [webhook crm]
    url = https://crm.example.org/hooks/quota
    secret = env:CRM_SECRET

    [email billing]
    server = mail.example.org
    from = quota@example.org
    to = billing@example.org
    types = threshold_reached subscription_cancelled

    [log audit]
    path = /var/log/quota/events.jsonl

docs/relay.md lists every key.  Whatever is not known, missing or out of range is an error that names its section and key.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .signature import key_of

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
TYPE = re.compile(r"[a-z_]{1,63}\Z")


class BadSettings(Exception):
    """The configuration is not what it should be; the text says where."""


@dataclass(frozen=True)
class Settings:
    """What every destination has."""

    kind: str
    name: str
    types: frozenset[str]  # empty: all
    start: str  # where a destination begins that is seen for the first time: now | beginning
    rate: float  # the most a second
    timeout: float  # for a whole exchange, in seconds
    first_wait: float  # after a first failure, in seconds
    longest_wait: float
    patience: float  # seconds for which an event is tried that finds nobody
    refusals: int  # how often an event is tried that is refused


@dataclass(frozen=True)
class WebhookSettings(Settings):
    url: str
    secrets: tuple[str, ...]  # the first, and those that it replaces
    ca_file: str | None


@dataclass(frozen=True)
class EmailSettings(Settings):
    host: str
    port: int
    security: str
    user: str
    password: str
    sender: str
    recipients: tuple[str, ...]
    ca_file: str | None


@dataclass(frozen=True)
class LogSettings(Settings):
    path: str


@dataclass(frozen=True)
class Configuration:
    database: str  # a libpq connection string; empty: libpq's environment
    poll: float  # seconds between looks for new events
    destinations: tuple[Settings, ...]


class _Section:
    """A section whose keys are taken one by one; done() finds those that nobody knows."""

    def __init__(self, name: str, values: Mapping[str, str]) -> None:
        self._name = name
        self._values = dict(values)

    def error(self, key: str, why: str) -> BadSettings:
        return BadSettings(f"[{self._name}] {key}: {why}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self._values.pop(key, default)
        if value is None or (value == "" and default is None):
            raise self.error(key, "is missing")
        return value

    def secret(self, key: str, default: str | None = None) -> str:
        """A value, or env:NAME or file:PATH, where it stands."""
        value = self.text(key, default)
        where, _, rest = value.partition(":")
        if where == "env":
            if not os.environ.get(rest):
                raise self.error(key, f"{rest} is not set in the environment")
            return os.environ[rest]
        if where == "file":
            try:
                with open(rest, encoding="utf-8") as file:
                    return file.read().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise self.error(key, str(error)) from error
        return value

    def number(self, key: str, default: float, least: float, most: float) -> float:
        value = self.text(key, str(default))
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise self.error(key, f"is a number from {least:g} to {most:g}, not {value!r}")
        return number

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise self.error(key, f"is one of {', '.join(choices)}, not {value!r}")
        return value

    def file(self, key: str) -> str | None:
        path = self.text(key, "") or None
        if path is not None and not os.access(path, os.R_OK):
            raise self.error(key, f"cannot be read: {path}")
        return path

    def done(self) -> None:
        for key in self._values:
            raise self.error(key, "there is no such key")


def read(path: str) -> Configuration:
    """Read and check the file.  Raises BadSettings."""
    parser = configparser.ConfigParser(interpolation=None, default_section="", inline_comment_prefixes=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise BadSettings(f"{path}: {error}") from error
    general = _Section("relay", dict(parser["relay"]) if parser.has_section("relay") else {})
    database, poll = general.secret("database", ""), general.number("poll", 1, 0.01, 3600)
    general.done()
    found = tuple(_destination(title, parser[title]) for title in parser.sections() if title != "relay")
    names = [destination.name for destination in found]
    for name in names:
        if names.count(name) > 1:
            raise BadSettings(f"two destinations are called {name}")
    if not found:
        raise BadSettings(f"{path}: there is no destination: [webhook NAME], [email NAME] or [log NAME]")
    return Configuration(database, poll, found)


def _destination(title: str, values: Mapping[str, str]) -> Settings:
    kind, _, name = title.partition(" ")
    if kind not in _KINDS:
        raise BadSettings(f"[{title}]: a section is relay, webhook NAME, email NAME or log NAME")
    if not NAME.match(name):
        raise BadSettings(f"[{title}]: a name is 1 to 63 small letters, digits, - and _")
    section = _Section(title, values)
    make, rate = _KINDS[kind]
    types = section.text("types", "").replace(",", " ").split()
    for type_ in types:
        if not TYPE.match(type_):
            raise section.error("types", f"{type_!r} is no type of event")
    shared = Settings(
        kind=kind,
        name=name,
        types=frozenset(types),
        start=section.choice("start", "now", ("now", "beginning")),
        rate=section.number("rate", rate, 0.001, 100000),
        timeout=section.number("timeout", 15, 0.1, 600),
        first_wait=section.number("first_wait", 1, 0.01, 3600),
        longest_wait=section.number("longest_wait", 300, 0.01, 86400),
        patience=section.number("patience_hours", 72, 0, 24 * 366) * 3600,
        refusals=int(section.number("refusals", 8, 1, 1000)),
    )
    made = make(shared, section)
    section.done()
    return made


def _webhook(shared: Settings, section: _Section) -> Settings:
    url = section.text("url")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) and url.isascii()
    except ValueError:
        sound = False
    if not sound or parts.username or parts.fragment or not url.isprintable() or " " in url:
        raise section.error("url", "is http:// or https://, a host and a path, without user and fragment")
    secrets = tuple(section.secret("secret").split())
    for secret in secrets:
        try:
            key_of(secret)
        except ValueError as error:
            raise section.error("secret", str(error)) from error
    return WebhookSettings(**vars(shared), url=url, secrets=secrets, ca_file=section.file("ca_file"))


def _email(shared: Settings, section: _Section) -> Settings:
    security = section.choice("security", "starttls", ("starttls", "tls", "none"))
    port = section.number("port", {"starttls": 587, "tls": 465, "none": 25}[security], 1, 65535)
    sender, recipients = section.text("from"), section.text("to").replace(",", " ").split()
    for key, address in (("from", sender), *(("to", recipient) for recipient in recipients)):
        if not re.match(r"[^\s@<>]+@[^\s@<>]+\Z", address):
            raise section.error(key, f"{address!r} is no address")
    user = section.text("user", "")
    return EmailSettings(
        **vars(shared),
        host=section.text("server"),
        port=int(port),
        security=security,
        user=user,
        password=section.secret("password") if user else "",
        sender=sender,
        recipients=tuple(recipients),
        ca_file=section.file("ca_file"),
    )


def _log(shared: Settings, section: _Section) -> Settings:
    return LogSettings(**vars(shared), path=section.text("path", "-"))


# what reads the rest of a section, and how many a second are sent where nothing is said
_KINDS = {"webhook": (_webhook, 50), "email": (_email, 1), "log": (_log, 10000)}

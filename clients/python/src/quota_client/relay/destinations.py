"""Where events go.  send() returns when the event has been taken, and raises Later or Refused when it has not;
flush() makes safe what was sent, before the cursor moves past it."""

from __future__ import annotations

import http.client
import json
import math
import os
import smtplib
import ssl
import sys
import time
from datetime import datetime, timezone
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from typing import Protocol

from .event import Event
from .post import Answer, Poster
from .settings import EmailSettings, LogSettings, Settings, WebhookSettings
from .signature import key_of, sign

LONGEST_RETRY_AFTER = 3600.0


class Later(Exception):
    """It could not be sent now; `after`: not before so many seconds."""

    def __init__(self, why: str, after: float = 0) -> None:
        super().__init__(why)
        self.after = after


class Refused(Exception):
    """It arrived, and the other side does not want it."""


class Destination(Protocol):
    def send(self, event: Event) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


def open_destination(settings: Settings) -> Destination:
    if isinstance(settings, WebhookSettings):
        return Webhook(settings)
    if isinstance(settings, EmailSettings):
        return Email(settings)
    assert isinstance(settings, LogSettings)
    return Log(settings)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def retry_after(text: str) -> float:
    """The seconds that a header Retry-After asks for, at most an hour: a number or a date."""
    seconds = 0.0
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    elif text:
        try:
            at = parsedate_to_datetime(text)
            seconds = (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() - time.time()
        except (ValueError, OverflowError):
            pass
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


class Webhook:
    """A POST, signed after Standard Webhooks.  2xx: taken.  5xx, 408, 425, 429 and no answer: later.  Any other
    answer, redirects among them: refused."""

    LATER = (408, 425, 429)

    def __init__(self, settings: WebhookSettings) -> None:
        self._keys = [key_of(secret) for secret in settings.secrets]
        tls = tls_context(settings.ca_file) if settings.url.startswith("https:") else None
        self._poster = Poster(settings.url, settings.timeout, tls)

    def send(self, event: Event) -> None:
        body, now = event.payload.encode(), math.floor(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "quota-relay",
            "webhook-id": event.message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self._keys, event.message_id, now, body),
        }
        try:
            answer = self._poster.post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise Later(f"no answer: {str(error) or type(error).__name__}") from error
        self._judge(answer)

    def _judge(self, answer: Answer) -> None:
        if 200 <= answer.status < 300:
            return
        said = f"answered {answer.status} {answer.text}".strip()
        if answer.status >= 500 or answer.status in self.LATER:
            raise Later(said, retry_after(answer.retry_after))
        raise Refused(said)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._poster.close()


class Email:
    """A message for each event.  SMTP answers with 5xx to the message or its recipients: refused; else later."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._tls = tls_context(settings.ca_file)

    def send(self, event: Event) -> None:
        message = self._message(event)
        try:
            with self._connect() as server:
                if self._settings.user:
                    server.login(self._settings.user, self._settings.password)
                refused = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            self._refuse(max(code for code, _ in error.recipients.values()), error)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            self._refuse(error.smtp_code, error)
        except (OSError, smtplib.SMTPException) as error:
            raise Later(f"no mail server: {str(error) or type(error).__name__}") from error
        else:
            if refused:  # the others have it: to send it again would reach them twice
                raise Refused(f"not for all recipients: {refused}")

    def _refuse(self, code: int, error: smtplib.SMTPException) -> None:
        kind = Refused if code >= 500 else Later
        raise kind(f"mail server: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        there = (self._settings.host, self._settings.port)
        if self._settings.security == "tls":
            return smtplib.SMTP_SSL(*there, timeout=self._settings.timeout, context=self._tls)
        server = smtplib.SMTP(*there, timeout=self._settings.timeout)
        if self._settings.security == "starttls":
            try:
                server.starttls(context=self._tls)
            except BaseException:
                server.close()
                raise
        return server

    def _message(self, event: Event) -> EmailMessage:
        told = json.loads(event.payload)
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.recipients)
        about = " ".join(filter(None, (event.subject, event.feature)))
        message["Subject"] = f"[quota] {event.type.replace('_', ' ')}: {about}"[:200]
        message["Date"] = format_datetime(datetime.now(timezone.utc))
        message["Message-ID"] = f"<{event.message_id}@{self._settings.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        facts = json.dumps(told["data"]["data"], indent=4, ensure_ascii=False)
        message.set_content(
            f"{event.type}, at {told['timestamp']}\n\nsubject: {event.subject or '-'}\nfeature: {event.feature or '-'}\n"
            f"actor: {told['data']['actor']}\n\n{facts}\n"
        )
        return message

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class Log:
    """A line of JSON for each event: the payload and its message_id, in a file or on standard output."""

    def __init__(self, settings: LogSettings) -> None:
        self._path = settings.path
        self._file: int | None = None

    def send(self, event: Event) -> None:
        line = json.dumps({"message_id": event.message_id} | json.loads(event.payload), ensure_ascii=False) + "\n"
        data = line.encode()
        try:
            if self._file is None:
                self._file = self._open()
            written = os.write(self._file, data)
            if written < len(data):
                raise OSError("the line was cut: no room")
        except OSError as error:
            self.close()
            raise Later(f"cannot write: {error}") from error

    def _open(self) -> int:
        if self._path == "-":
            return os.dup(sys.stdout.fileno())
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        size = os.lseek(file, 0, os.SEEK_END)
        if size and os.path.isfile(self._path) and os.pread(file, 1, size - 1) != b"\n":
            os.write(file, b"\n")  # a line that a crash or a full disk has cut; its event comes again
        return file

    def flush(self) -> None:
        if self._file is not None and self._path != "-":
            try:
                os.fsync(self._file)
            except OSError as error:
                raise Later(f"cannot write: {error}") from error

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None

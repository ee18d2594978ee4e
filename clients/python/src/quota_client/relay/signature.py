"""Signatures after the Standard Webhooks specification, v1: HMAC-SHA256 over "id.timestamp.body".

The relay signs; whoever receives calls verify() with the headers and the body as they came::

    try:
        event_id = verify(SECRET, request.headers, request.get_data())
    except BadSignature:
        return "", 401
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300


class BadSignature(Exception):
    """The message is not believed; the text says why, for a log and not for the sender."""


def new_secret() -> str:
    """A secret as both sides are given it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for.  ValueError: it is none (the message does not show it)."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a secret is {PREFIX} and 24 to 64 bytes in base64, as quota-relay secret makes them")
    return key


def sign(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: a signature for each key, so that a receiver may change its secret."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None) -> str:
    """The id of a message that was signed with `secret` within the last five minutes.  Raises BadSignature.

    Messages come at least once: keep the ids that you have acted on, in the transaction that acts."""
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not message_id or "." in message_id or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        raise BadSignature("the headers webhook-id and webhook-timestamp are missing or malformed")
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignature("the timestamp is more than five minutes off")
    good = sign([key_of(secret)], message_id, int(timestamp), body).encode()
    signatures = given.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(good, signature.encode()) for signature in signatures[:20]):
        raise BadSignature("no signature is by this secret")
    return message_id

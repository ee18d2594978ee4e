"""A payment provider's callbacks: who sent them, what they say, and whether they still count.

Providers deliver at least once and in no order.  So a callback is believed by its signature, and not after five
minutes; its id is stored in the transaction that carries it out, so that a repeated one finds its receipt; and one
that is older than what has been carried out for its workspace is stored and changes nothing, since what it says is
no longer so.
"""

import hashlib
import hmac
import json
import time
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from .models import PaymentEvent

SIGNATURE_SECONDS = 300
FIELDS = {"id", "workspace", "plan", "effective", "created"}
TOP_UP_FIELDS = {"id", "workspace", "top_up"}
# One callback of a workspace at a time: which of two is the later is not to be seen before the first commits.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('docapp.payment_events ' || :workspace, 0))")


class BadCallback(Exception):
    """A callback that is refused: status 401 (signature), 400 (content), 404 (plan) or 409 (id reused)."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Callbacks:
    """Signatures with the secret that the provider shares with us."""

    def __init__(self, secret):
        self._secret = secret.encode()

    def sign(self, body, at=None):
        """The X-Signature header for the bytes `body`: 't=<unix seconds>,v1=<hex HMAC-SHA256 of t.body>'."""
        at = int(time.time() if at is None else at)
        return f"t={at},v1={self._digest(body, at)}"

    def _digest(self, body, at):
        return hmac.new(self._secret, b"%d." % at + body, hashlib.sha256).hexdigest()

    def _verify(self, body, header):
        parts = [part.strip().partition("=") for part in (header or "").split(",")[:20]]
        at = next((value for name, _, value in parts if name == "t"), "")
        if not (at.isascii() and at.isdigit() and len(at) < 12):
            raise BadCallback(401, "The signature is missing.")
        good = self._digest(body, int(at)).encode()
        # several v1: the provider's secret is being changed
        is_good = any(name == "v1" and hmac.compare_digest(good, value.encode()) for name, _, value in parts)
        if not is_good or abs(time.time() - int(at)) > SIGNATURE_SECONDS:
            raise BadCallback(401, "The signature is wrong or too old.")

    def read(self, body, header):
        """Verify and read a callback: the dict with id, workspace, plan, effective, created (a datetime), or with id,
        workspace, top_up.  Raises BadCallback."""
        self._verify(body, header)
        try:
            event = json.loads(body)
        except ValueError as error:
            raise BadCallback(400, "The body is not JSON.") from error
        if not isinstance(event, dict) or set(event) not in (FIELDS, TOP_UP_FIELDS):
            keys = " or ".join(", ".join(sorted(fields)) for fields in (FIELDS, TOP_UP_FIELDS))
            raise BadCallback(400, f"The body must have exactly the keys {keys}.")
        if not all(isinstance(v, str) and 0 < len(v) <= 200 and v.isprintable() for v in event.values()):
            raise BadCallback(400, "Every value must be a short text.")
        if event.get("effective", "now") not in ("now", "period_end"):
            raise BadCallback(400, "effective is now or period_end.")
        return event | {"created": _time(event["created"])} if "created" in event else event


def _time(given):
    """When the provider says it happened.  One in the future would overtake all that come until then."""
    try:
        created = datetime.fromisoformat(given)
    except ValueError:
        created = None
    if created is None or created.tzinfo is None:
        raise BadCallback(400, "created is an ISO time with its zone.")
    if created.timestamp() > time.time() + SIGNATURE_SECONDS:
        raise BadCallback(400, "created lies in the future.")
    return created


def receive(connection, event):
    """Store the receipt of a plan's callback, in the transaction that carries it out: "new", "repeated" or
    "overtaken"; only a new one is to be carried out.  Raises BadCallback: the id was another callback's."""
    connection.execute(_LOCK, {"workspace": event["workspace"]})
    newest = select(func.max(PaymentEvent.created)).where(
        PaymentEvent.workspace == event["workspace"], PaymentEvent.overtaken.is_(False)
    )
    done = connection.execute(newest).scalar_one()
    overtaken = done is not None and event["created"] < done
    stored = connection.execute(
        insert(PaymentEvent).values(**event, overtaken=overtaken).on_conflict_do_nothing().returning(PaymentEvent.id)
    ).first()
    if stored is None:
        earlier = connection.execute(PaymentEvent.__table__.select().where(PaymentEvent.id == event["id"])).one()
        if any(getattr(earlier, field) != event[field] for field in FIELDS):
            raise BadCallback(409, "This event id was used for another change.")
        return "repeated"
    return "overtaken" if overtaken else "new"

"""Settings, all from the environment: nothing secret is in the code.

QUOTA_APP_URL     SQLAlchemy URL of the role of level app
QUOTA_ADMIN_URL   SQLAlchemy URL of the role of level admin
QUOTA_READER_URL  SQLAlchemy URL of the role of level reader: what the operator's console looks with
SECRET_KEY        signs sessions and invitations; at least 16 characters
CALLBACK_SECRET   signs the payment provider's callbacks; at least 16 characters
"""

import json
import os
from pathlib import Path

DOORS = ("QUOTA_APP_URL", "QUOTA_ADMIN_URL", "QUOTA_READER_URL")
CATALOG_FILE = Path(__file__).parent.parent / "catalog.json"
LARGEST_REQUEST_BYTES = 64_000_000
#: what can be bought beside a plan: credits that do not end
TOP_UPS = {
    "tokens-50k": {"title": "50,000 AI tokens", "feature": "llm_tokens", "amount": 50_000, "price_cents": 500},
    "tokens-250k": {"title": "250,000 AI tokens", "feature": "llm_tokens", "amount": 250_000, "price_cents": 2000},
}
STREAM_PACE = 0.3  # seconds for a sentence of a streamed answer: about a language model's


class Unset(Exception):
    """A setting is missing or too short; the message names it."""


def from_environment(environ=os.environ):
    """The Flask configuration.  Raises Unset."""
    for name in (*DOORS, "SECRET_KEY", "CALLBACK_SECRET"):
        if not environ.get(name):
            raise Unset(f"{name} is not set in the environment")
    for name in ("SECRET_KEY", "CALLBACK_SECRET"):
        if len(environ[name]) < 16:
            raise Unset(f"{name} must have at least 16 characters")
    return {
        **{door: environ[door] for door in DOORS},
        "SECRET_KEY": environ["SECRET_KEY"],
        "CALLBACK_SECRET": environ["CALLBACK_SECRET"],
        "MAX_CONTENT_LENGTH": LARGEST_REQUEST_BYTES,
        "SESSION_COOKIE_NAME": "docapp",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": True,  # manage.py serve lifts it for plain HTTP on the loopback address
        "STREAM_PACE": STREAM_PACE,
        "PERMANENT_SESSION_LIFETIME": 12 * 3600,
    }


def catalog():
    """catalog.json as a dict: what set-up applies, and the titles and units that pages show."""
    return json.loads(CATALOG_FILE.read_text(encoding="utf-8"))

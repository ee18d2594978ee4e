"""What an action is about, and how one tells that it has changed since a page was drawn.

A stamp goes into the form and comes back with it.  settled() is the part of it that our own action does not
change, so that it can be compared once more when the action is done.
"""

import hashlib
import hmac
import json

from sqlalchemy import text

# Use goes on all the time: events that only tell of it are no change.
_LAST_EVENT = text(
    """
    SELECT max(n.id)
      FROM unnest(CAST(:paths AS text[])) AS p(path)
     CROSS JOIN LATERAL (SELECT e.id, e.xid, e.type FROM quota.events AS e
                          WHERE e.subject = p.path ORDER BY e.id DESC LIMIT 500) AS n
     WHERE n.type NOT IN ('threshold_reached', 'hold_expired', 'grant_expired')
       AND n.xid IS DISTINCT FROM pg_current_xact_id_if_assigned()
    """
)
# One that is at work has no outcome yet: our own.
_LAST_ACTION = text("SELECT max(a.id) FROM docapp.operator_actions AS a WHERE a.subject = :subject AND a.outcome IS NOT NULL")
_PLAN = text("SELECT quota.me(:subject) -> 'plan'")
_EXISTS = text("SELECT EXISTS (SELECT FROM docapp.workspaces AS w WHERE w.slug = :slug)")
_CATALOG = text("SELECT quota.export_catalog()")


def same(given, present):
    """Are two stamps the same?"""
    return hmac.compare_digest(given.encode(), present.encode())


def digest(value):
    """A short text that stands for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


class Subject:
    """A customer or one of their people."""

    def __init__(self, subject):
        self.subject = subject
        self.slug = self.lock = subject.partition("/")[0]
        self.called = "This customer"

    def exists(self, connection):
        """Is the workspace still there?"""
        return connection.execute(_EXISTS, {"slug": self.slug}).scalar_one()

    def settled(self, connection):
        """The last event about the subject or what is above it that another transaction wrote."""
        segments = self.subject.split("/")
        paths = ["/".join(segments[: n + 1]) for n in range(len(segments))]
        return connection.execute(_LAST_EVENT, {"paths": paths}).scalar_one()

    def stamp(self, connection):
        """Events, other operators' actions, and the plan, which also time changes."""
        action = connection.execute(_LAST_ACTION, {"subject": self.subject}).scalar_one()
        plan = connection.execute(_PLAN, {"subject": self.subject}).scalar_one() or {}
        shown = {key: plan.get(key) for key in ("name", "version", "status", "cancel_at", "trial_ends_at", "quantity")}
        return digest([self.settled(connection), action, shown])


class Row:
    """A row that says by itself whether it is still as it was: the action's own condition looks."""

    def __init__(self, called):
        self.called = self.lock = called

    def exists(self, _connection):
        """The action looks."""
        return True

    def settled(self, _connection):
        """The action's own condition holds the row."""

    def stamp(self, _connection):
        """No page needs to carry one."""
        return ""


class Catalog:
    """The catalog; its stamp needs a connection of level admin."""

    lock, called = "catalog", "The catalog"

    def exists(self, _connection):
        """It always is."""
        return True

    def settled(self, _connection):
        """apply_catalog lets one of its kind run at a time, and nothing else changes the catalog."""

    def stamp(self, connection):
        """What is in it."""
        return digest(connection.execute(_CATALOG).scalar_one())

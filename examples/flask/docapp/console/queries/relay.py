"""What quota-relay has sent and could not send, where it is installed and this role may look."""

from sqlalchemy import text

_MAY_LOOK = text(
    """
    SELECT count(*) = 2
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = 'quota_relay' AND c.relname IN ('dead_letter', 'destination')
       AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
    """
)
_DESTINATIONS = text(
    "SELECT d.name, d.kind, d.sent, d.died, d.attempts, d.failing_since, d.retry_at, d.error, d.seen_at"
    " FROM quota_relay.destination AS d ORDER BY d.name LIMIT 100"
)
_LETTERS = text(
    """
    SELECT l.id, l.destination, l.type, l.subject, l.feature, l.attempts, l.died_at, l.error, l.payload, l.resend_at
      FROM quota_relay.dead_letter AS l
     WHERE l.resent_at IS NULL AND (CAST(:before AS bigint) IS NULL OR l.id < :before)
     ORDER BY l.id DESC LIMIT :most
    """
)
_RESEND = text(
    "UPDATE quota_relay.dead_letter SET resend_at = clock_timestamp()"
    " WHERE id = :id AND resent_at IS NULL AND resend_at IS NULL RETURNING destination, type"
)
_TRY_NOW = text(
    "UPDATE quota_relay.destination SET retry_at = clock_timestamp() WHERE name = :name AND attempts > 0 RETURNING name"
)


def may_look(connection):
    """Are the relay's tables there, and may this role read them?"""
    return connection.execute(_MAY_LOOK).scalar_one()


def destinations(connection):
    """Where events go, and how it stands: rows of quota_relay.destination."""
    return connection.execute(_DESTINATIONS).all()


def letters(connection, before=None, most=50):
    """Dead letters that were not sent again, the newest first, from before an id."""
    return connection.execute(_LETTERS, {"before": before, "most": most}).all()


def resend(connection, letter_id):
    """Have a dead letter sent again: (destination, type), or None if it was, or is to be.  Needs level admin."""
    return connection.execute(_RESEND, {"id": letter_id}).one_or_none()


def try_now(connection, name):
    """Have a failing destination tried at once; its name, or None if it does not fail.  Needs level admin."""
    return connection.execute(_TRY_NOW, {"name": name}).scalar_one_or_none()

"""Everything about one customer, or one of their people: state, grants, holds, history, why something is refused."""

import quota_client
from sqlalchemy import text

_SUBSCRIPTIONS = text(
    """
    SELECT s.* FROM quota.subscriptions AS s
     WHERE s.subject = :subject ORDER BY s.starts_at DESC LIMIT :most
    """
)
_HOLDS = text(
    """
    (SELECT h.* FROM quota.holds AS h WHERE h.subject = :subject LIMIT :most)
    UNION ALL
    (SELECT h.* FROM quota.holds AS h WHERE h.subject > :subject || '/' AND h.subject < :subject || '0' LIMIT :most)
    ORDER BY created_at, id LIMIT :most
    """
)
_EVENTS = text(
    """
    SELECT e.id, e.at, e.type, e.feature, e.actor, e.data FROM quota.events AS e
     WHERE e.subject = :subject AND (CAST(:before AS bigint) IS NULL OR e.id < :before)
     ORDER BY e.id DESC LIMIT :most
    """
)
# There is no list of overrides: of each feature, what was set last, unless it was removed.
_OVERRIDES = text(
    """
    SELECT o.feature, o.data -> 'entitlement' AS entitlement, o.at, o.actor
      FROM (SELECT DISTINCT ON (e.feature) e.feature, e.type, e.data, e.at, e.actor FROM quota.events AS e
             WHERE e.subject = :subject AND e.type IN ('override_set', 'override_removed') AND e.feature IS NOT NULL
             ORDER BY e.feature, e.id DESC) AS o
     WHERE o.type = 'override_set' ORDER BY o.feature
    """
)
_PLANS = text("SELECT p.plan, coalesce(p.title, p.plan) AS title FROM quota.plans() AS p")


def me(connection, subject):
    """What quota.me says: plan, features, grants."""
    return quota_client.me(connection, subject)


def subscriptions(connection, subject, most=5):
    """The subject's own subscriptions, the newest first: rows of quota.subscriptions."""
    return connection.execute(_SUBSCRIPTIONS, {"subject": subject, "most": most}).all()


def present_subscription(connection, subject):
    """The subscription that amend() would change: the present one, else the next to start; or None."""
    rows = [row for row in subscriptions(connection, subject, most=50) if row.status != "ended"]
    return min(rows, key=lambda row: row.starts_at, default=None)


def holds(connection, subject, most=50):
    """Open holds of the subject and of what is below, the oldest first: rows of quota.holds."""
    return connection.execute(_HOLDS, {"subject": subject, "most": most}).all()


def events(connection, subject, before=None, most=20):
    """What happened to the subject, the newest first, from before an id: rows (id, at, type, feature, actor, data)."""
    return connection.execute(_EVENTS, {"subject": subject, "before": before, "most": most}).all()


def overrides(connection, subject):
    """Overrides of the subject in force: rows (feature, entitlement, at, actor).  Set before what retention keeps,
    they are not here."""
    return connection.execute(_OVERRIDES, {"subject": subject}).all()


def entries(connection, subject, feature, most=20):
    """The newest ledger entries of a feature, the newest first: rows of quota.statement."""
    return quota_client.statement(connection, subject, feature, max_rows=most)[::-1]


def explain(connection, subject, feature, amount):
    """Why so much would be allowed or refused, step by step: rows of quota.explain."""
    return quota_client.explain(connection, subject, feature, amount)


def offers(connection, subject, feature, amount):
    """Plans that would allow it: rows of quota.offers."""
    return quota_client.offers(connection, subject, feature, amount)


def preview(connection, subject, plan, usage):
    """The state as it would be after a change of plan: rows of quota.preview."""
    return quota_client.preview(connection, subject, plan, usage)


def plans(connection):
    """Plans on offer: rows (plan, title)."""
    return connection.execute(_PLANS).all()

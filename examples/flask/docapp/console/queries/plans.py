"""Plans and their versions, and what another catalog would do.  From catalog() on, a connection of level admin is
needed: only that level has the catalog as a whole."""

import json

import quota_client
from sqlalchemy import text

#: subscriptions of a plan that are counted by their versions; beyond it the page says so
MOST_COUNTED = 25_000

_PLANS = text("SELECT p.plan, coalesce(p.title, p.plan) AS title, p.is_default, p.entitlements, p.metadata FROM quota.plans() AS p")
_SUBSCRIBERS = text(
    """
    SELECT m.labels ->> 'plan' AS plan, m.labels ->> 'status' AS status, CAST(m.value AS bigint) AS subscriptions
      FROM quota.metrics AS m WHERE m.name = 'quota_subscriptions' ORDER BY 1, 2
    """
)
_VERSIONS = text(
    """
    SELECT s.version, count(*) AS subscribers
      FROM (SELECT s.version FROM quota.subscriptions AS s
             WHERE s.plan = :plan AND s.status <> 'ended' LIMIT :most) AS s
     GROUP BY s.version ORDER BY s.version DESC
    """
)
_SUBSCRIBED = text(
    """
    SELECT s.subject, s.version, s.status, s.starts_at FROM quota.subscriptions AS s
     WHERE s.plan = :plan AND s.status <> 'ended' AND (CAST(:after AS text) IS NULL OR s.subject > :after)
     ORDER BY s.subject LIMIT :most
    """
)
# Whom it would stop that goes on now, and the other way round; then what it would sell.
_SIMULATE = text(
    """
    WITH s AS MATERIALIZED (SELECT * FROM quota.simulate(CAST(:catalog AS jsonb), :since))
    SELECT (SELECT jsonb_agg(f ORDER BY f.feature)
              FROM (SELECT s.feature, count(*) AS accounts,
                           count(*) FILTER (WHERE s.blocked_now) AS blocked_now,
                           count(*) FILTER (WHERE s.blocked_then) AS blocked_then,
                           count(*) FILTER (WHERE s.blocked_then AND NOT s.blocked_now) AS stopped,
                           count(*) FILTER (WHERE s.blocked_now AND NOT s.blocked_then) AS freed,
                           sum(s.overage_then) AS overage_then
                      FROM s GROUP BY s.feature) AS f) AS features,
           (SELECT jsonb_agg(a)
              FROM (SELECT s.* FROM s WHERE s.blocked_now <> s.blocked_then OR s.overage_then > 0
                     ORDER BY s.blocked_then AND NOT s.blocked_now DESC, s.used DESC, s.subject, s.feature
                     LIMIT :most) AS a) AS accounts
    """
)


def on_offer(connection):
    """Rows (plan, title, is_default, entitlements, metadata) of the newest versions, the default plan first."""
    return connection.execute(_PLANS).all()


def subscriptions(connection):
    """{plan: {status: how many}}, of large installations by a sample."""
    found = {}
    for row in connection.execute(_SUBSCRIBERS):
        found.setdefault(row.plan, {})[row.status] = row.subscriptions
    return found


def versions(connection, plan):
    """Rows (version, subscribers) of a plan, the newest first, counted up to MOST_COUNTED."""
    return connection.execute(_VERSIONS, {"plan": plan, "most": MOST_COUNTED}).all()


def subscribed(connection, plan, after=None, most=50):
    """Who has the plan, in order of subject from after one: rows (subject, version, status, starts_at)."""
    return connection.execute(_SUBSCRIBED, {"plan": plan, "after": after, "most": most}).all()


def catalog(connection):
    """The catalog as apply_catalog takes it."""
    return quota_client.export_catalog(connection)


def apply(connection, new, dry_run=False):
    """Apply the catalog, or only say what that would change: rows (object, name, change)."""
    return [row for row in quota_client.apply_catalog(connection, new, dry_run) if row.change != "unchanged"]


def simulate(connection, new, since, most=20):
    """What was used since a time, under the catalog: (features, accounts), lists of dicts.  Writes nothing."""
    given = {"catalog": json.dumps(new), "since": since, "most": most}
    found = connection.execute(_SIMULATE, given).one()
    return found.features or [], found.accounts or []


def migrate(connection, plan, most):
    """Move so many subscribers of older versions to the newest; how many it were."""
    return quota_client.migrate(connection, plan, most)

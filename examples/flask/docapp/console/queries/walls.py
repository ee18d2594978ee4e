"""Who was refused, who is near a limit, and which plans would help."""

from sqlalchemy import text

#: how many events back thresholds are looked for, and of how many the present state is asked: both bound the
#: page, whatever happened since
EVENTS_BACK, CANDIDATES = 10_000, 100
NEAR_PERCENT = 80

_REFUSED = text(
    """
    SELECT subject, feature, reason, sum(times) AS times, max(last_at) AS last_at
      FROM quota.denials
     WHERE day >= CAST(:since AS date) AND feature IS NOT NULL
       AND (CAST(:feature AS text) IS NULL OR feature = :feature)
     GROUP BY subject, feature, reason
     ORDER BY times DESC, subject, feature, reason
     LIMIT :most OFFSET :skip
    """
)
# Of the plans that allow something those that give more than the present one, at whose level they are compared: some
# have changed their plan since, and a member's own limit is no plan's.
_OFFERS = text(
    """
    SELECT a.subject, a.feature, c.allowed, coalesce(o.title, o.plan) AS title
      FROM unnest(CAST(:subjects AS text[]), CAST(:features AS text[])) AS a(subject, feature)
     CROSS JOIN LATERAL quota.check(a.subject, a.feature) AS c
     CROSS JOIN LATERAL quota.check(split_part(a.subject, '/', 1), a.feature) AS p
      LEFT JOIN LATERAL quota.offers(a.subject, a.feature) AS o
        ON NOT c.allowed OR o.allowance > p.allowance OR (o.allowance IS NULL AND p.allowance IS NOT NULL)
    """
)
_NEAR = text(
    """
    WITH told AS (
        SELECT e.subject, e.feature, max(e.id) AS id, max(e.at) AS at
          FROM (SELECT n.* FROM quota.events AS n ORDER BY n.id DESC LIMIT :back) AS e
         WHERE e.type = 'threshold_reached' AND e.feature IS NOT NULL
         GROUP BY e.subject, e.feature
         ORDER BY id DESC LIMIT :candidates
    )
    SELECT t.subject, t.feature, t.at, c.used, c.allowance, c.remaining, c.resets_at
      FROM told AS t CROSS JOIN LATERAL quota.check(t.subject, t.feature) AS c
     WHERE c.allowance > 0 AND c.used >= c.allowance * CAST(:percent AS numeric) / 100
     ORDER BY c.used::numeric / c.allowance DESC, t.subject, t.feature
     LIMIT :most
    """
)


def refused(connection, since, feature=None, most=50, skip=0):
    """Who was refused since a day, the most refused first: rows (subject, feature, reason, times, last_at)."""
    given = {"since": since, "feature": feature, "most": most, "skip": skip}
    return connection.execute(_REFUSED, given).all()


def helpful_plans(connection, rows, features):
    """{(subject, feature): (is it allowed now, [titles of plans that give more])} for rows of refused().  What waits
    for a payment or for time is helped by no plan; what is only set is not counted, so quota has no offers for it."""
    asked = sorted(
        {
            (row.subject, row.feature)
            for row in rows
            if row.reason in ("quota_exceeded", "not_entitled") and row.feature in features
            and features[row.feature].kind != "static"
        }
    )
    found = {}
    if asked:
        subjects, features = zip(*asked)
        for row in connection.execute(_OFFERS, {"subjects": list(subjects), "features": list(features)}):
            titles = found.setdefault((row.subject, row.feature), (row.allowed, []))[1]
            titles += [row.title] if row.title else []
    return found


def near(connection, most=50):
    """Who is near a limit now: rows (subject, feature, at, used, allowance, remaining, resets_at), the fullest
    first.  Those that a threshold of their plan was told of, lately: no table has everybody's use by its share."""
    given = {"back": EVENTS_BACK, "candidates": CANDIDATES, "percent": NEAR_PERCENT, "most": most}
    return connection.execute(_NEAR, given).all()

"""What to invoice: who had a subscription in a month, and the periods that ended in it."""

from sqlalchemy import text

#: subscriptions looked at for a page, of which those of the month are shown; and at once: so few that the planner, which
#: takes the view for a hundredth of what it is, does not sort all of them instead of following the index
MOST_LOOKED_AT, BATCH = 600, 60
FIRST = ("", "-infinity")

_SUBSCRIPTIONS = text(
    """
    SELECT s.subject, s.plan, s.version, s.status, s.quantity, s.starts_at, s.ends_at, s.external_id
      FROM quota.subscriptions AS s
     WHERE s.subject >= :subject AND (s.subject > :subject OR s.starts_at > CAST(:starts_at AS timestamptz))
     ORDER BY s.subject, s.starts_at
     LIMIT :most
    """
)
_PERIODS = text(
    """
    SELECT p.subject, p.feature, p.plan, p.period_start, p.period_end, p.allowance, p.used, p.overage, p.overdrawn
      FROM quota.periods AS p
     WHERE p.subject = ANY (CAST(:subjects AS text[])) AND p.period_end > :since AND p.period_end <= :until
     ORDER BY p.subject, p.feature, p.period_start
    """
)


def subscriptions(connection, since, until, after=FIRST, most=50):
    """Subscriptions that overlap [since, until), in order of subject: (rows, key of the next page or None).  After
    MOST_LOOKED_AT others a page ends with fewer, maybe none, and the next goes on."""
    found = []
    for _ in range(MOST_LOOKED_AT // BATCH):
        given = {"subject": after[0], "starts_at": after[1], "most": BATCH}
        rows = connection.execute(_SUBSCRIPTIONS, given).all()
        for row in rows:
            if len(found) == most:
                return found, after
            after = (row.subject, row.starts_at.isoformat())
            if row.starts_at < until and (row.ends_at is None or row.ends_at > since):
                found.append(row)
        if len(rows) < BATCH:
            return found, None
    return found, after


def periods(connection, subjects, since, until):
    """{subject: rows of quota.periods} of the periods that end in (since, until]: so each is in one month."""
    found = {}
    if subjects:
        given = {"subjects": sorted(set(subjects)), "since": since, "until": until}
        for row in connection.execute(_PERIODS, given):
            found.setdefault(row.subject, []).append(row)
    return found

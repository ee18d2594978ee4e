"""What to invoice: who had a subscription in a month, and the periods that ended in it."""

from sqlalchemy import text

#: subscriptions looked at for a page, of which those of the month are shown
MOST_LOOKED_AT = 200
FIRST = ("", "-infinity")

_SUBSCRIPTIONS = text(
    """
    SELECT s.subject, s.plan, s.version, s.status, s.quantity, s.starts_at, s.ends_at, s.external_id
      FROM quota.subscriptions AS s
     WHERE (s.subject, s.starts_at) > (:subject, CAST(:starts_at AS timestamptz))
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
    given = {"subject": after[0], "starts_at": after[1], "most": MOST_LOOKED_AT}
    looked_at = connection.execute(_SUBSCRIPTIONS, given).all()
    found = []
    for number, row in enumerate(looked_at, start=1):
        if row.starts_at < until and (row.ends_at is None or row.ends_at > since):
            found.append(row)
        if len(found) == most and number < len(looked_at):
            return found, (row.subject, row.starts_at.isoformat())
    more = len(looked_at) == MOST_LOOKED_AT
    return found, (looked_at[-1].subject, looked_at[-1].starts_at.isoformat()) if more else None


def periods(connection, subjects, since, until):
    """{subject: rows of quota.periods} of the periods that end in (since, until]: so each is in one month."""
    found = {}
    if subjects:
        given = {"subjects": sorted(set(subjects)), "since": since, "until": until}
        for row in connection.execute(_PERIODS, given):
            found.setdefault(row.subject, []).append(row)
    return found

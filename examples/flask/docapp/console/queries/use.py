"""What a customer used: by day, by member, by purpose."""

from datetime import date, datetime, time, timedelta, timezone

from quota_flask import call

#: what breakdown() may be asked for, and how it is called
GROUPS = {"child": "member", "metadata.action": "purpose"}


def _moment(day):
    return datetime.combine(day, time(), timezone.utc)


def by_day(connection, subject, feature, since: date, until: date):
    """Rows (bucket, used, debits) of the days in [since, until], in UTC; days without use are left out."""
    ends = _moment(until + timedelta(days=1))
    given = {"subject": subject, "feature": feature, "since": _moment(since), "until": ends}
    return call(connection, "usage", **given).all()


def by_group(connection, subject, feature, since: date, by, most=20):
    """Rows (name, used, entries) since a day, the largest first; `by` is one of GROUPS."""
    given = {"subject": subject, "feature": feature, "since": _moment(since), "by": by, "max_rows": most}
    return call(connection, "breakdown", **given).all()

"""What a customer used: by day, by member, by purpose."""

from datetime import date, datetime, time, timedelta, timezone

import quota_client

#: what breakdown() may be asked for, and how it is called
GROUPS = {"child": "member", "metadata.action": "purpose"}


def _moment(day):
    return datetime.combine(day, time(), timezone.utc)


def by_day(connection, subject, feature, since: date, until: date):
    """Rows (bucket, used, debits) of the days in [since, until], in UTC; days without use are left out."""
    ends = _moment(until + timedelta(days=1))
    return quota_client.usage(connection, subject, feature, _moment(since), ends)


def by_group(connection, subject, feature, since: date, by, most=20):
    """Rows (name, used, entries) since a day, the largest first; `by` is one of GROUPS."""
    return quota_client.breakdown(connection, subject, feature, _moment(since), by=by, max_rows=most)

"""What time it is, for pages that show a span of days: one place, so that a measurement can stand at another."""

from datetime import datetime, timezone


def now():
    """The present, in UTC."""
    return datetime.now(timezone.utc)

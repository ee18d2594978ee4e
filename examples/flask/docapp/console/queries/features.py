"""What is limited, as the database knows it now: the catalog may have changed since the application began."""

from collections import namedtuple

from sqlalchemy import text

Feature = namedtuple("Feature", "name kind unit title")

_FEATURES = text("SELECT s.feature, s.kind, s.unit, s.title FROM quota.status('-') AS s ORDER BY s.feature")


def features(connection):
    """{name: Feature}, by name.  A feature without a title is called by its name."""
    rows = connection.execute(_FEATURES).all()
    return {row.feature: Feature(row.feature, row.kind, row.unit, row.title or row.feature) for row in rows}


def counted(found):
    """Those of features() of which there is a number for a day."""
    return {name: feature for name, feature in found.items() if feature.kind in ("metered", "capacity")}

"""Customers: workspaces by their subject's first segment, and what is to be known of one."""

from sqlalchemy import text

_NAMES = text("SELECT slug, name FROM docapp.workspaces WHERE slug = ANY (CAST(:slugs AS text[]))")


def names(connection, subjects):
    """{first segment: name of the workspace} of the subjects that are customers."""
    slugs = sorted({subject.partition("/")[0] for subject in subjects})
    return dict(connection.execute(_NAMES, {"slugs": slugs}).all()) if slugs else {}

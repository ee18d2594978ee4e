"""Customers: workspaces by the first segment of their subject."""

from sqlalchemy import text

_NAMES = text("SELECT slug, name FROM docapp.workspaces WHERE slug = ANY (CAST(:slugs AS text[]))")
_NEWEST = text(
    """
    SELECT w.id, w.slug, w.name, w.created_at, quota.me(w.slug) -> 'plan' AS plan
      FROM docapp.workspaces AS w
     WHERE CAST(:before AS bigint) IS NULL OR w.id < :before
     ORDER BY w.id DESC
     LIMIT :most
    """
)
# Each part in the order of its index: whether few begin so or all, no more than the limit are read.
_FIND = text(
    """
    SELECT w.id, w.slug, w.name, w.created_at, quota.me(w.slug) -> 'plan' AS plan
      FROM ((SELECT n.id FROM docapp.workspaces AS n WHERE lower(n.name) LIKE :begins
              ORDER BY lower(n.name) USING ~<~ LIMIT :most)
            UNION (SELECT s.id FROM docapp.workspaces AS s WHERE s.slug LIKE :begins ORDER BY s.slug USING ~<~ LIMIT :most)
            UNION (SELECT u.workspace_id FROM docapp.users AS u WHERE u.email = :email)) AS f
      JOIN docapp.workspaces AS w ON w.id = f.id
     ORDER BY lower(w.name), w.slug
     LIMIT :most
    """
)
_WORKSPACE = text("SELECT id, slug, name, created_at FROM docapp.workspaces WHERE slug = :slug")
_MEMBERS = text(
    """
    SELECT w.slug || '/' || u.slug AS subject, u.name, u.email, u.role
      FROM docapp.users AS u JOIN docapp.workspaces AS w ON w.id = u.workspace_id
     WHERE w.slug = :slug
     ORDER BY u.role DESC, u.slug
     LIMIT :most
    """
)


def names(connection, subjects):
    """{first segment: name of the workspace} of the subjects that are customers."""
    slugs = sorted({subject.partition("/")[0] for subject in subjects})
    return dict(connection.execute(_NAMES, {"slugs": slugs}).all()) if slugs else {}


def newest(connection, before=None, most=50):
    """Customers, the newest first, from before the id `before`: rows (id, slug, name, created_at, plan), plan as
    quota.me has it."""
    return connection.execute(_NEWEST, {"before": before, "most": most}).all()


def find(connection, asked, most=50):
    """The same by name, of those whose name or subject begins with `asked`, or one of whose people has that address."""
    plain = asked.lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return connection.execute(_FIND, {"begins": f"{plain}%", "email": asked.lower(), "most": most}).all()


def workspace(connection, subject):
    """The workspace that a subject belongs to: a row (id, slug, name, created_at), or None."""
    return connection.execute(_WORKSPACE, {"slug": subject.partition("/")[0]}).one_or_none()


def members(connection, slug, most=50):
    """People of a workspace: rows (subject, name, email, role), its owners first."""
    return connection.execute(_MEMBERS, {"slug": slug, "most": most}).all()

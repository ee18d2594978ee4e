"""Set-up of a database for the application: roles, tables, grants, catalog, gates.  Run as often as you like."""

import json

from sqlalchemy import text
from sqlalchemy.engine import make_url

from . import config
from .db import engine
from .models import GATES, SCHEMA, Base, PaymentEvent, User

# Serialises two set-ups of one database at once (CREATE ROLE and CREATE SCHEMA race otherwise).
SETUP_LOCK = 3_141_592_653


def login_of(url):
    """(role, password or None) named by a database URL.  Raises ValueError if it names no role."""
    url = make_url(url)
    role = url.username or url.query.get("user")
    if not role:
        raise ValueError("the URL names no role (postgresql://ROLE@...)")
    return role, url.password or url.query.get("password")


def run(owner_url, app_url, admin_url):
    """Make everything the application needs in the database that `owner_url` (a superuser) connects to.

    Roles that exist are left as they are.  Tables belong to <app role>_owner, which cannot log in: the
    role that serves requests can fill the tables and cannot alter them.  Returns the catalog's changes as
    [(object, name, change)].
    """
    owner = engine(owner_url)
    try:
        with owner.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SETUP_LOCK})
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS quota CASCADE"))
            app, admin = login_of(app_url), login_of(admin_url)
            _roles(connection, app, admin)
            _tables(connection, app[0], admin[0])
            connection.execute(
                text("SELECT quota.grant_access(:app, 'app'), quota.grant_access(:admin, 'admin')"),
                {"app": app[0], "admin": admin[0]},
            )
            changes = [
                tuple(row)
                for row in connection.execute(
                    text("SELECT * FROM quota.apply_catalog(CAST(:catalog AS jsonb))"),
                    {"catalog": json.dumps(config.catalog())},
                )
            ]
            return changes + _gates(connection)
    finally:
        owner.dispose()


def _quoted(connection, name):
    return connection.dialect.identifier_preparer.quote(name)


def _roles(connection, app, admin):
    for (role, password), login in ((app, "LOGIN"), (admin, "LOGIN"), ((f"{app[0]}_owner", None), "NOLOGIN")):
        exists = connection.execute(
            text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}
        ).first()
        if exists:
            continue
        statement = f"CREATE ROLE {_quoted(connection, role)} {login}"
        if password:  # CREATE ROLE takes no parameters: let the server quote the literal
            literal = connection.execute(text("SELECT quote_literal(:p)"), {"p": password}).scalar_one()
            statement += " PASSWORD " + literal.replace("%", "%%")
        connection.exec_driver_sql(statement)


def _tables(connection, app, admin):
    owner = _quoted(connection, f"{app}_owner")
    app, admin = _quoted(connection, app), _quoted(connection, admin)
    database = _quoted(connection, connection.execute(text("SELECT current_database()")).scalar_one())
    events = f"{SCHEMA}.{PaymentEvent.__tablename__}"
    connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {database} TO {app}, {admin}")
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {owner}")
    connection.exec_driver_sql(f"SET LOCAL ROLE {owner}")
    Base.metadata.create_all(connection)
    # databases that were set up before it was there
    connection.exec_driver_sql(f"ALTER TABLE {SCHEMA}.{User.__tablename__} ADD COLUMN IF NOT EXISTS token_limit bigint")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {app}, {admin}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {app}")
    connection.exec_driver_sql(f"REVOKE ALL ON {events} FROM {app}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT ON {events} TO {admin}")
    connection.exec_driver_sql("RESET ROLE")


def _gates(connection):
    """Put the gates of models.GATES on their tables, where they are not; rows that are there are counted."""
    made = []
    for table, feature, subject, amount in GATES:
        gate = {
            "target": f"{SCHEMA}.{table.__tablename__}",
            "feature": feature,
            "subject": subject,
            "amount": amount,
        }
        row = connection.execute(
            text(
                "SELECT quota.protect(CAST(:target AS regclass), :feature, :subject, :amount) WHERE NOT EXISTS"
                " (SELECT FROM quota.gates WHERE target = CAST(:target AS regclass) AND feature = :feature)"
            ),
            gate,
        ).first()
        made.append(("gate", f"{gate['target']} {feature}", "added" if row else "unchanged"))
    return made

"""Set-up of a database for the application: roles, tables, grants, catalog, gates.  Run as often as you like."""

import quota_client
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex

from . import config
from .db import engine
from .models import GATES, SCHEMA, Base, Operator, OperatorAction, PaymentEvent, TrialTaken, User, Workspace

# Serialises two set-ups of one database at once (CREATE ROLE and CREATE SCHEMA race otherwise).
SETUP_LOCK = 3_141_592_653


def login_of(url):
    """(role, password or None) named by a database URL.  Raises ValueError if it names no role."""
    url = make_url(url)
    role = url.username or url.query.get("user")
    if not role:
        raise ValueError("the URL names no role (postgresql://ROLE@...)")
    return role, url.password or url.query.get("password")


def run(owner_url, app_url, admin_url, reader_url):
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
            connection.execute(text("ALTER EXTENSION quota UPDATE"))  # one that is there may be older
            make_tables(connection, app_url, admin_url, reader_url)
            return [*quota_client.apply_catalog(connection, config.catalog()), *_gates(connection)]
    finally:
        owner.dispose()


def make_tables(connection, app_url, admin_url, reader_url):
    """Roles, tables and levels, as a superuser: run() without the catalog and the gates."""
    logins = {"app": login_of(app_url), "admin": login_of(admin_url), "reader": login_of(reader_url)}
    _roles(connection, logins)
    _tables(connection, *(role for role, _password in logins.values()))
    for level, (role, _password) in logins.items():
        quota_client.grant_access(connection, role, level)


def _quoted(connection, name):
    return connection.dialect.identifier_preparer.quote(name)


def _roles(connection, logins):
    owner = (f"{logins['app'][0]}_owner", None)
    for (role, password), login in (*((login, "LOGIN") for login in logins.values()), (owner, "NOLOGIN")):
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


def _tables(connection, app, admin, reader):
    owner = _quoted(connection, f"{app}_owner")
    app, admin, reader = (_quoted(connection, role) for role in (app, admin, reader))
    database = _quoted(connection, connection.execute(text("SELECT current_database()")).scalar_one())
    events, trials, workspaces, users, operators, actions = (
        f"{SCHEMA}.{table.__tablename__}" for table in (PaymentEvent, TrialTaken, Workspace, User, Operator, OperatorAction)
    )
    connection.exec_driver_sql(f"GRANT CONNECT ON DATABASE {database} TO {app}, {admin}, {reader}")
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {owner}")
    connection.exec_driver_sql(f"SET LOCAL ROLE {owner}")
    Base.metadata.create_all(connection)
    # databases that were set up before it was there
    connection.exec_driver_sql(f"ALTER TABLE {SCHEMA}.{User.__tablename__} ADD COLUMN IF NOT EXISTS token_limit bigint")
    connection.exec_driver_sql(
        f"ALTER TABLE {events} ADD COLUMN IF NOT EXISTS created timestamptz NOT NULL DEFAULT now(),"
        " ADD COLUMN IF NOT EXISTS overtaken boolean NOT NULL DEFAULT false"
    )
    for index in Workspace.__table__.indexes | PaymentEvent.__table__.indexes:
        connection.execute(CreateIndex(index, if_not_exists=True))
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {app}, {admin}, {reader}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {app}")
    connection.exec_driver_sql(f"REVOKE ALL ON {events}, {trials}, {operators}, {actions} FROM {app}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT ON {events}, {trials}, {operators}, {actions} TO {admin}")
    connection.exec_driver_sql(f"GRANT UPDATE (outcome) ON {actions} TO {admin}")
    connection.exec_driver_sql(f"GRANT UPDATE (password_hash, name, level) ON {operators} TO {admin}")
    # who there is, for the console: no password, no document
    connection.exec_driver_sql(f"GRANT SELECT ON {operators}, {actions} TO {reader}")
    connection.exec_driver_sql(f"GRANT SELECT (id, slug, name, created_at) ON {workspaces} TO {admin}, {reader}")
    connection.exec_driver_sql(f"GRANT SELECT (workspace_id, slug, email, name, role) ON {users} TO {reader}")
    connection.exec_driver_sql("RESET ROLE")
    if connection.execute(text("SELECT to_regnamespace('quota_relay') IS NOT NULL")).scalar_one():
        # quota-relay's tables, for the console
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA quota_relay TO {admin}, {reader}")
        connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA quota_relay TO {admin}, {reader}")
        connection.exec_driver_sql(f"GRANT UPDATE (resend_at) ON quota_relay.dead_letter TO {admin}")
        connection.exec_driver_sql(f"GRANT UPDATE (retry_at) ON quota_relay.destination TO {admin}")


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

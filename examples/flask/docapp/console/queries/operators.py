"""Who may sign in to the console: whose level is not none."""

from sqlalchemy.dialects.postgresql import insert

from ...models import Operator

LEVELS = ("reader", "admin", "none")
_TABLE = Operator.__table__
_MAY = _TABLE.c.level != "none"


def by_id(connection, operator_id):
    """The operator's row, or None."""
    return connection.execute(_TABLE.select().where(_TABLE.c.id == operator_id, _MAY)).one_or_none()


def by_email(connection, email):
    """The operator's row, or None."""
    return connection.execute(_TABLE.select().where(_TABLE.c.email == email, _MAY)).one_or_none()


def save(connection, email, name, level, password_hash):
    """Make an operator, or change the one with this address.  Needs a connection of level admin."""
    new = {"name": name, "level": level, "password_hash": password_hash}
    connection.execute(insert(Operator).values(email=email, **new).on_conflict_do_update(index_elements=["email"], set_=new))


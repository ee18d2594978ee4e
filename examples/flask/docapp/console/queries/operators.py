"""Who may sign in to the console."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from ...models import Operator

_TABLE = Operator.__table__


def by_id(connection, operator_id):
    """The operator's row, or None."""
    return connection.execute(_TABLE.select().where(_TABLE.c.id == operator_id)).one_or_none()


def by_email(connection, email):
    """The operator's row, or None."""
    return connection.execute(_TABLE.select().where(_TABLE.c.email == email)).one_or_none()


def save(connection, email, name, level, password_hash):
    """Make an operator, or change the one with this address.  Needs a connection of level admin."""
    new = {"name": name, "level": level, "password_hash": password_hash}
    connection.execute(insert(Operator).values(email=email, **new).on_conflict_do_update(index_elements=["email"], set_=new))


def names(connection):
    """{id: name} of the operators, at most 1,000."""
    return dict(connection.execute(select(_TABLE.c.id, _TABLE.c.name).order_by(func.lower(_TABLE.c.name)).limit(1000)).all())

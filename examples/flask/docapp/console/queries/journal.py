"""What operators did.  begin, finish and by_key need a connection of level admin."""

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from ...models import Operator, OperatorAction

_TABLE, _OPERATORS = OperatorAction.__table__, Operator.__table__


def begin(connection, key, operator_id, action, subject, asked):
    """Claim the key, waiting for a twin that is at work: the new row's id, or None if it was taken before."""
    new = {"key": key, "operator_id": operator_id, "action": action, "subject": subject, "asked": asked}
    claimed = insert(_TABLE).values(**new).on_conflict_do_nothing(index_elements=["key"]).returning(_TABLE.c.id)
    return connection.execute(claimed).scalar_one_or_none()


def finish(connection, action_id, outcome):
    """Note what came of it."""
    connection.execute(update(_TABLE).where(_TABLE.c.id == action_id).values(outcome=outcome))


def by_key(connection, key):
    """The row of a key that was taken."""
    return connection.execute(_TABLE.select().where(_TABLE.c.key == key)).one()


def listed(connection, subject=None, before=None, most=50):
    """Rows (id, at, action, subject, asked, outcome, email, name), the newest first, from before an id."""
    query = (
        select(*(_TABLE.c[name] for name in ("id", "at", "action", "subject", "asked", "outcome")), _OPERATORS.c.email, _OPERATORS.c.name)
        .join(_OPERATORS, _OPERATORS.c.id == _TABLE.c.operator_id)
        .order_by(_TABLE.c.id.desc())
        .limit(most)
    )
    if subject is not None:
        query = query.where(_TABLE.c.subject == subject)
    if before is not None:
        query = query.where(_TABLE.c.id < before)
    return connection.execute(query).all()

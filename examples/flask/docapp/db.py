"""Three doors to one database.

`app` is the connection of role level app: it reads and writes the application's tables, spends and looks.
`admin` is of role level admin: it changes plans and sets limits, and of the application's tables can see
payment_events and operators alone.  Code that serves documents is never handed it.
`reader` is of level reader, in transactions that cannot write: what the operator's console looks with.  Of the
application's tables it sees who there is.
"""

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker


def engine(url, **options):
    """A SQLAlchemy 2.0-style engine for a PostgreSQL URL (postgresql://, postgres:// or with a driver)."""
    if url.startswith("postgres://"):
        url = "postgresql" + url[len("postgres") :]
    url = make_url(url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg2")
    return create_engine(url, future=True, pool_pre_ping=True, **options)


class Database:
    """The engines of a running application.  `session` opens a unit of work: with db.session.begin() as s."""

    def __init__(self, app_url, admin_url, reader_url):
        self.app = engine(app_url, pool_size=10)
        self.admin = engine(admin_url, pool_size=2)
        # a page is of one moment, whatever is changed while it is put together
        self.reader = engine(
            reader_url, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True}
        )
        self.session = sessionmaker(self.app, future=True, expire_on_commit=False)

"""quota in a Flask or SQLAlchemy application: one file, copy it as it is.

It has two parts.

**Calls** work with SQLAlchemy alone (1.4 or 2.x, psycopg2 or psycopg 3; Flask need not be installed).
Each takes an open Core ``Connection`` or ORM ``Session`` first and runs inside *its* transaction, so what
was charged and what was paid for commit or roll back together::

    from quota_flask import debit, QuotaError

    with engine.begin() as connection:
        connection.execute(insert(reports).values(...))
        debit(connection, "acme/alice", "reports", 1, key=request_id)      # raises QuotaError when refused

**Flask** needs one line more, and every refusal becomes an HTTP answer::

    quota = Quota(app, connect=engine.connect, subject=lambda: current_user.subject)

    @app.post("/reports")
    @quota.requires("reports")           # a cheap look before the view does any work
    def create_report(): ...             # the debit in the view's own transaction decides

A refusal by the database (QT402, QT403, QT429) is answered with its three digits as the status, the DETAIL
of the error as a JSON body, and ``Retry-After`` in seconds where waiting helps.  That also covers refusals
that this file did not ask for: a gate (``quota.protect``) refuses an INSERT, so the error comes from an
``execute``, ``flush`` or ``commit`` as SQLAlchemy's own, and any with such a code is answered in the same way.
Code that wants such a refusal as a QuotaError, to catch it or to work without Flask, says::

    with refusals():
        session.flush()

A refused ``debit`` aborts the transaction, as any SQL error does: roll back (or use a savepoint) before
going on.  ``try_debit`` answers instead of raising and leaves the transaction usable.

**Holds** are for work whose price is known only when it is done, such as what a language model streams.
``hold`` takes an Engine or sessionmaker, since it commits by itself, before the work and after it::

    with hold(engine, "acme/alice", "llm_tokens", 2000, ttl="2 minutes") as h:  # committed, or QuotaError
        for piece in model.stream(prompt):
            if count(piece) > h.reserved: h.extend(...)
            ...
        h.settle(tokens)                  # what it really cost; leaving without it, or by an error, releases
"""

import contextlib
import functools
import json
import logging
import re
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session

#: SQLSTATE -> code in the body.  The three digits are the HTTP status.
CODES = {
    "QT401": "unauthenticated",
    "QT402": "quota_exceeded",
    "QT403": "not_entitled",
    "QT404": "not_found",
    "QT409": "idempotency_conflict",
    "QT410": "hold_closed",
    "QT429": "rate_limited",
}

#: reason of check and try_debit -> SQLSTATE that debit would raise
REASONS = {
    "quota_exceeded": "QT402",
    "subscription_inactive": "QT402",
    "not_entitled": "QT403",
    "rate_limited": "QT429",
}

_NAME = re.compile(r"[a-z_]+\Z")
_LOG = logging.getLogger(__name__)


class QuotaError(Exception):
    """The database said no.

    sqlstate  such as 'QT402'
    status    the HTTP status, an int
    code      such as 'quota_exceeded' or 'subscription_inactive'
    detail    for QT402, QT403 and QT429 the dict with the eleven keys of quota's DETAIL; otherwise None
    message   the server's message, without anything of SQLAlchemy's
    hint      a sentence for a person, or None
    """

    def __init__(self, sqlstate, message, detail=None, hint=None):
        super().__init__(message)
        self.sqlstate = sqlstate
        self.status = int(sqlstate[2:])
        self.detail = detail
        self.code = detail["code"] if detail else CODES[sqlstate]
        self.message = message
        self.hint = hint

    @property
    def retry_after(self):
        """Whole seconds after which trying again can help; None where waiting does not help."""
        return self.detail.get("retry_after") if self.detail else None

    @property
    def body(self):
        """What a client gets as JSON: DETAIL itself, or code and message where there is no DETAIL object."""
        return self.detail or {"code": self.code, "message": self.message}

    @classmethod
    def from_exception(cls, error):
        """Read a SQLAlchemy DBAPIError or a bare psycopg2 / psycopg 3 error.

        Returns None if the error is not one of quota's own: the caller then raises it again.
        """
        error = getattr(error, "orig", None) or error
        sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if sqlstate not in CODES:
            return None
        diag = error.diag
        try:
            detail = json.loads(diag.message_detail or "null")
        except ValueError:
            detail = None
        if not isinstance(detail, dict) or "code" not in detail:
            detail = None
        return cls(sqlstate, diag.message_primary, detail, diag.message_hint)


# ---------------------------------------------------------------------------------------------- calls


@contextlib.contextmanager
def refusals():
    """A context in which a refusal is a QuotaError, also one by a gate, which SQLAlchemy raises as an error of
    the statement, flush or commit that wrote the row.  Every other error passes through unchanged."""
    try:
        yield
    except DBAPIError as error:
        refusal = QuotaError.from_exception(error)
        if refusal is None:
            raise
        raise refusal from error


def call(connection, function, **arguments):
    """Run ``SELECT * FROM quota.<function>(name => value, ...)`` and return the Result.

    Arguments that are None are left out, so the function's own defaults apply.  A dict or list is sent as
    jsonb.  Raises QuotaError for QT4xx; every other database error passes through unchanged.
    """
    if not _NAME.match(function):
        raise ValueError(f"not a quota function: {function!r}")
    given = {name: value for name, value in arguments.items() if value is not None}
    slots = ", ".join(
        f"{name} => CAST(:{name} AS jsonb)" if isinstance(value, (dict, list)) else f"{name} => :{name}"
        for name, value in given.items()
    )
    values = {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in given.items()}
    with refusals():
        if hasattr(connection, "flush"):  # an ORM Session: rows this call may depend on go first
            connection.flush()
        return connection.execute(text(f"SELECT * FROM quota.{function}({slots})"), values)


def debit(connection, subject, feature, amount=1, key=None, metadata=None):
    """Take `amount` of `feature` or raise.  Returns a row (id, remaining, resets_at).

    The same `key` with the same arguments charges once, however often it is sent.  `remaining` is None when
    nothing limits the feature.  On a boolean feature this is an assertion and charges nothing (id None).
    Raises QuotaError: QT402 no room or inactive, QT403 not in the plan, QT429 too fast, QT409 key reused
    with other arguments, QT404 unknown feature.
    """
    return call(
        connection, "debit", subject=subject, feature=feature, amount=amount, key=key, metadata=metadata
    ).one()


def try_debit(connection, subject, feature, amount=1, key=None, metadata=None, up_to=False):
    """As debit, but a refusal is an answer: (allowed, reason, id, debited, remaining, resets_at, retry_after,
    blocked_by).  With up_to, takes what there is: read `debited`."""
    return call(
        connection,
        "try_debit",
        subject=subject,
        feature=feature,
        amount=amount,
        key=key,
        metadata=metadata,
        up_to=up_to,
    ).one()


def refund(connection, id, amount=None, key=None):
    """Give back `amount` (None: all that is left) of debit `id`: (id, refunded, remaining)."""
    return call(connection, "refund", id=id, amount=amount, key=key).one()


def give_back(connection, subject, feature, amount=1, key=None, metadata=None):
    """Something held under a capacity feature ceased to exist: (id, remaining).  More than is used: 22023."""
    return call(
        connection, "give_back", subject=subject, feature=feature, amount=amount, key=key, metadata=metadata
    ).one()


def throttle(connection, subject, feature, cost=1):
    """May this call pass the rate of a feature of kind rate?  If so it is taken: (allowed, remaining,
    retry_after).  Too fast is an answer, not an error."""
    return call(connection, "throttle", subject=subject, feature=feature, cost=cost).one()


def check(connection, subject, feature, amount=1):
    """Would debit be allowed now?  Charges nothing, promises nothing: (allowed, reason, allowance, used,
    remaining, resets_at, retry_after, blocked_by)."""
    return call(connection, "check", subject=subject, feature=feature, amount=amount).one()


def has(connection, subject, feature):
    """True if the subject's plan gives the feature and is active, whatever room is left."""
    return call(connection, "has", subject=subject, feature=feature).scalar_one()


def setting(connection, subject, feature):
    """The JSON value of a static or boolean feature; None if the plan does not give it."""
    return call(connection, "setting", subject=subject, feature=feature).scalar_one()


def status(connection, subject):
    """One row for every feature of the catalog, as quota.status describes it."""
    return call(connection, "status", subject=subject).all()


def me(connection, subject):
    """The dict of quota.me: plan, features, grants.  Fit to be sent to the subject's own browser."""
    return call(connection, "me", subject=subject).scalar_one()


def offers(connection, subject, feature, amount=1):
    """Plans that would allow `amount`, smallest first: rows (plan, title, allowance, metadata)."""
    return call(connection, "offers", subject=subject, feature=feature, amount=amount).all()


def statement(connection, subject, feature, since=None, until=None, max_rows=None):
    """What was charged for the subject or below, newest last: rows (id, at, subject, kind, amount, source,
    running, metadata); amount > 0 was taken, < 0 was given back."""
    return call(
        connection, "statement", subject=subject, feature=feature, since=since, until=until, max_rows=max_rows
    ).all()


def require(connection, subject, feature, amount=1):
    """check(), but raise the QuotaError that debit would raise now.  Nothing is charged."""
    answer = check(connection, subject, feature, amount)
    if answer.allowed:
        return
    entitled = answer.reason != "not_entitled"
    plans = {row.feature: row.plan for row in status(connection, subject)} if entitled else {}
    wait = answer.retry_after
    detail = {
        "code": answer.reason,
        "subject": subject,
        "feature": feature,
        "requested": amount,
        "remaining": answer.remaining,
        "allowance": answer.allowance,
        "used": answer.used,
        "plan": plans.get(feature),
        "blocked_by": answer.blocked_by,
        "resets_at": answer.resets_at.isoformat() if answer.resets_at else None,
        "retry_after": None if wait is None else -(-wait // timedelta(seconds=1)),
    }
    raise QuotaError(
        REASONS[answer.reason],
        f'{answer.reason.replace("_", " ")} for feature "{feature}" of subject "{subject}"',
        detail,
    )


# ---------------------------------------------------------------------------------------------- holds


class hold:
    """Room reserved while work of unknown price is done::

        with hold(bind, subject, feature, amount, ttl="5 minutes") as h:
            ...
            h.settle(n)

    bind      an Engine or a sessionmaker, never an open Connection or Session: every step below is a short
              transaction of its own on a connection of its own, and is committed when the call returns.  So no row
              stays locked while the work runs, and other processes see what is reserved.
    amount    the estimate.  No room for it: entering raises QuotaError (QT402), and nothing was reserved.
    ttl       an interval as text or timedelta; None: 5 minutes.  When it is over without extend(), the room is
              free again by itself: nothing of a process that died stays taken.
    up_to     reserve what there is, if that is less: read `h.reserved`
    key       a retry with the same key gets the same hold; whichever caller ends first closes it for both.

    Leaving the block after settle() does nothing more.  Leaving it in any other way, by an error (also
    KeyboardInterrupt and GeneratorExit, which is how a disconnected client ends a streamed response) or
    without settle(), releases: all of it comes back, and an error goes on as it was.  Where even that fails,
    because the database is gone, it is logged, and the hold ends at `expires_at`.

    id, reserved, remaining and expires_at are as of the last call.  In observe mode `id` may be None: then
    nothing was reserved, and extend() and settle() do nothing.
    """

    def __init__(self, bind, subject, feature, amount, ttl=None, key=None, metadata=None, up_to=None):
        if isinstance(bind, (Connection, Session, scoped_session)):
            raise TypeError("a hold commits by itself: give it the Engine or sessionmaker")
        self._bind = bind
        self._asked = {
            "subject": subject, "feature": feature, "amount": amount, "ttl": ttl, "key": key,
            "metadata": metadata, "up_to": up_to,
        }  # fmt: skip
        self.id = self.reserved = self.remaining = self.expires_at = None
        self._settled = self._committed = False

    def __enter__(self):
        with self._bind.begin() as connection:
            row = call(connection, "reserve", **self._asked).one()
        self.id, self.reserved, self.remaining, self.expires_at = row
        return self

    def extend(self, amount=None, ttl=None):
        """Renew for `ttl` from now (None: the last one anew); `amount`, if given, is the new total.

        A refusal (QT402) raises and leaves the hold as it was.  QT410: it has expired; its work may still
        be settled.  A committed transaction of its own.
        """
        if self.id is None:
            return self
        with self._bind.begin() as connection:
            row = call(connection, "extend", id=self.id, amount=amount, ttl=ttl).one()
        self.reserved, self.remaining, self.expires_at = row
        return self

    def settle(self, amount, metadata=None, connection=None):
        """The work cost `amount` (0: nothing): a row (id, charged, overdrawn, remaining).

        Never refused for lack of room, also after expiry.  Without `connection` it is committed when this
        returns.  With the open Connection or Session that stores the result, both commit together; open
        that transaction inside the block of the hold, so that it has ended when the hold is left.
        """
        if self.id is None:
            self._settled = self._committed = True
            return None
        arguments = {"id": self.id, "amount": amount, "metadata": metadata}
        if connection is not None:
            row = call(connection, "settle", **arguments).one()
        else:
            with self._bind.begin() as own:
                row = call(own, "settle", **arguments).one()
            self._committed = True
        self._settled = True
        self.reserved, self.remaining = 0, row.remaining
        return row

    def release(self):
        """Give all of it back now.  Leaving the block does it, too."""
        self._settled = self._committed = True
        if self.id is None:
            return
        try:
            with self._bind.begin() as connection:
                # a settle() of ours whose transaction is still open would make this wait for ourselves
                connection.execute(text("SET LOCAL lock_timeout = '5s'"))
                self.remaining = call(connection, "release", id=self.id).one().remaining
            self.reserved = 0
        except QuotaError as closed:  # settled by a transaction that did commit, or by a twin with our key
            if closed.sqlstate != "QT410":
                raise

    def __exit__(self, kind, error, trace):
        if self._committed or (self._settled and kind is None):
            return False
        try:
            self.release()
        except (QuotaError, SQLAlchemyError):
            _LOG.warning("hold %s was not released; it ends at %s", self.id, self.expires_at, exc_info=True)
        return False


# ---------------------------------------------------------------------------------------------- Flask


class Quota:
    """The Flask part: error handlers and the `requires` decorator.

    connect   callable that gives a context manager of a Connection or Session, such as engine.connect
    subject   callable, run inside a request: the path of who pays
    render    optional callable (QuotaError) -> response for a browser that asked for a page; without it, or
              for any client that prefers JSON, the answer is the JSON body
    """

    def __init__(self, app=None, *, connect=None, subject=None, render=None):
        self.connect = connect
        self.subject = subject
        self.render = render
        if app is not None:
            self.init_app(app)

    def init_app(self, app):
        """Register the handlers for QuotaError and for any SQLAlchemy error that carries a QT code."""
        app.extensions["quota"] = self
        app.register_error_handler(QuotaError, self.respond)
        app.register_error_handler(DBAPIError, self._respond_to_database)

    def respond(self, error):
        """QuotaError -> response: status, DETAIL as JSON, Retry-After.  Never cached."""
        from flask import jsonify, make_response, request

        accept = request.accept_mimetypes
        wants_page = accept["text/html"] > accept["application/json"]
        response = make_response(self.render(error) if self.render and wants_page else jsonify(error.body))
        response.status_code = error.status
        response.headers["Cache-Control"] = "no-store"
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    def _respond_to_database(self, error):
        refusal = QuotaError.from_exception(error)
        if refusal is None:
            raise error
        return self.respond(refusal)

    def requires(self, feature, amount=1):
        """Decorator: refuse before the view runs if `amount` of `feature` could not be taken now.

        `amount` is a number or a callable run inside the request.  It saves work and gives an early answer;
        it reserves nothing.  The debit inside the view's transaction decides.
        """

        def decorate(view):
            @functools.wraps(view)
            def guarded(*args, **kwargs):
                wanted = amount() if callable(amount) else amount
                with self.connect() as connection:
                    require(connection, self.subject(), feature, wanted)
                return view(*args, **kwargs)

            return guarded

        return decorate


def requires(feature, amount=1):
    """`Quota.requires` for views defined before the app exists (blueprints): looks the Quota of the current
    application up when the request comes."""

    def decorate(view):
        @functools.wraps(view)
        def guarded(*args, **kwargs):
            from flask import current_app

            return current_app.extensions["quota"].requires(feature, amount)(view)(*args, **kwargs)

        return guarded

    return decorate

"""quota in a Flask or SQLAlchemy application: one file, copy it as it is.

It has two parts.

**Calls** work with SQLAlchemy alone (1.4 or 2.x, psycopg2 or psycopg 3; Flask need not be installed).
Each takes an open Core ``Connection`` or ORM ``Session`` first and runs inside *its* transaction, so what
was charged and what was paid for commit or roll back together::

    from quota_flask import debit, QuotaError

    with engine.begin() as connection:
        row = insert(reports).values(request=request_id, ...).on_conflict_do_nothing()  # request is unique
        if connection.execute(row).rowcount:                            # a retry stores and pays nothing
            debit(connection, "acme/alice", "reports")                  # raises QuotaError when refused

**Flask** needs one line more, and every refusal becomes an HTTP answer::

    quota = Quota(app, connect=engine.connect, subject=lambda: current_user.subject)

    @app.post("/reports")
    @quota.requires("reports")           # a cheap look before the view does any work
    def create_report(): ...             # the debit in the view's own transaction decides

A refusal by the database (QT402, QT403, QT429) is answered with its three digits as the status, the DETAIL
of the error as a JSON body, and ``Retry-After`` in seconds where waiting helps.  It is noted in quota.denials
once the answer is on its way, for the error took its own record along.  An argument that quota refuses
(SQLSTATE 22xxx, such as a refund of more than is left) is a 400.  That also covers refusals that this file did
not ask for: a gate (``quota.protect``) refuses an INSERT, so the error comes from an ``execute``, ``flush`` or
``commit`` as SQLAlchemy's own, and any that is quota's is answered in the same way.  Code that wants such a
refusal as a QuotaError, to catch it or to work without Flask, says::

    with refusals():
        session.flush()

A refused ``debit`` aborts the transaction, as any SQL error does: roll back (or use a savepoint) before
going on.  ``try_debit`` answers instead of raising and leaves the transaction usable.

**Holds** are for work whose price is known only when it is done, such as what a language model streams.
``hold`` takes an Engine or sessionmaker, since it commits by itself, before the work and after it::

    with hold(engine, "acme/alice", "llm_tokens", 2000, ttl="2 minutes") as h:  # committed, or QuotaError
        for piece in model.stream(prompt):
            h.count(tokens_of(piece))     # before it is delivered; QuotaError where the room ends
            send(piece)
    # left by whatever way, an error or a client that is gone included: what was counted is charged
"""

import contextlib
import functools
import json
import logging
import math
import operator
import re
import time
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

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

#: SQLSTATE -> code in the body, of arguments that quota refuses; any other of class 22 is a data_exception
DATA_CODES = {
    "22001": "string_data_right_truncation",
    "22003": "numeric_value_out_of_range",
    "22004": "null_value_not_allowed",
    "22023": "invalid_parameter_value",
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

    sqlstate  such as 'QT402', or '22023' where an argument is wrong
    status    the HTTP status, an int: the digits of a QT code, 400 for a wrong argument
    code      such as 'quota_exceeded' or 'subscription_inactive'
    detail    for QT402, QT403 and QT429 the dict with the eleven keys of quota's DETAIL; otherwise None
    message   the server's message, without anything of SQLAlchemy's
    hint      a sentence for a person, or None
    """

    def __init__(self, sqlstate, message, detail=None, hint=None):
        super().__init__(message)
        self.sqlstate = sqlstate
        self.status = int(sqlstate[2:]) if sqlstate in CODES else 400
        self.detail = detail
        self.code = detail["code"] if detail else CODES.get(sqlstate) or DATA_CODES.get(sqlstate, "data_exception")
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
    def from_exception(cls, error, asked_quota=False):
        """Read a SQLAlchemy DBAPIError or a bare psycopg2 / psycopg 3 error.

        Returns None if the error is not one of quota's own: the caller then raises it again.  A QT code is
        quota's alone.  Class 22 is everybody's: such an error is quota's if `asked_quota` says that the
        statement was nothing but a call of it, or if the server says that it was raised in quota's code.
        """
        error = getattr(error, "orig", None) or error
        sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        if sqlstate not in CODES and not (sqlstate.startswith("22") and (asked_quota or _is_from_quota(error.diag))):
            return None
        diag = error.diag
        try:
            detail = json.loads(diag.message_detail or "null")
        except ValueError:
            detail = None
        if not isinstance(detail, dict) or "code" not in detail:
            detail = None
        return cls(sqlstate, diag.message_primary, detail, diag.message_hint)


def _is_from_quota(diag):
    """Was the error raised in quota's code?  Its source files are named so."""
    return (diag.source_file or "").startswith("quota:")


# ---------------------------------------------------------------------------------------------- calls


@contextlib.contextmanager
def refusals(asked_quota=False):
    """A context in which a refusal is a QuotaError, also one by a gate, which SQLAlchemy raises as an error of
    the statement, flush or commit that wrote the row.  Every other error passes through unchanged.

    asked_quota  the block does nothing but call quota: errors of class 22, too, are answers of quota's
    """
    try:
        yield
    except DBAPIError as error:
        refusal = QuotaError.from_exception(error, asked_quota)
        if refusal is None:
            raise
        raise refusal from error


def _parameter(name, value):
    """A Python value as the function's parameter takes it, which has no overloads for what it could be cast from."""
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, UUID) or (name in ("subject", "key") and isinstance(value, int)):
        return str(value)
    if isinstance(value, Decimal) and name != "units" and value == value.to_integral_value():
        return int(value)
    return value


def call(connection, function, columns="*", **arguments):
    """Run ``SELECT * FROM quota.<function>(name => value, ...)`` and return the Result.

    Arguments that are None are left out, so the function's own defaults apply.  A dict or list is sent as
    jsonb, a UUID as text, and so is an int that is a subject or key; a whole Decimal is sent as an integer.
    Raises QuotaError for QT4xx and for an argument that quota refuses, TypeError for one of a type that the
    function does not take; every other database error passes through unchanged.
    """
    if not _NAME.match(function):
        raise ValueError(f"not a quota function: {function!r}")
    given = {name: value for name, value in arguments.items() if value is not None}
    slots = ", ".join(
        f"{name} => CAST(:{name} AS jsonb)" if isinstance(value, (dict, list)) else f"{name} => :{name}"
        for name, value in given.items()
    )
    values = {name: _parameter(name, value) for name, value in given.items()}
    if hasattr(connection, "flush"):  # an ORM Session: rows this call may depend on go first
        with refusals():
            connection.flush()
    try:
        with refusals(asked_quota=True):
            return connection.execute(text(f"SELECT {columns} FROM quota.{function}({slots})"), values)
    except DBAPIError as error:
        if (getattr(error.orig, "sqlstate", None) or error.orig.pgcode) != "42883":
            raise
        types = ", ".join(f"{name} {type(value).__name__}" for name, value in given.items())
        raise TypeError(
            f"quota.{function} takes no ({types}): a subject, feature or key is a str, an amount an int"
        ) from error


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
    given = {"subject": subject, "feature": feature, "amount": amount, "key": key, "metadata": metadata}
    return call(connection, "try_debit", **given, up_to=up_to).one()


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


def authenticate(connection, secret):
    """Whose API key it is: a row (subject, key_id, scopes).  Raises QuotaError (401).  The commit notes its use."""
    return call(connection, "authenticate", secret=secret).one()


def note_denial(connection, detail):
    """Record a refusal in quota.denials that its own error took along: `detail` of a QuotaError, as it came.
    In a transaction of its own, after the rollback; Quota's error handler does it by itself."""
    call(connection, "note_denial", detail=detail)


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
    """Room reserved while work of unknown price is done; what was done is paid for::

        with hold(bind, subject, feature, amount, ttl="2 minutes") as h:
            for piece in work():
                h.count(n)               # n units more, before they are delivered
                deliver(piece)
            with bind.begin() as connection:
                connection.execute(...)  # if there is a result to store
                h.settle(connection=connection)

    bind      an Engine or a sessionmaker, never an open Connection or Session: every step below is a short
              transaction of its own on a connection of its own, and is committed when the call returns.  So no row
              stays locked while the work runs, and other processes see what is reserved.
    amount    the estimate.  No room for it: entering raises QuotaError (QT402), and nothing was reserved.
    ttl       an interval as text or timedelta, a little longer than the longest silence of the work; None: 5
              minutes.  When it is over without count() or extend(), the room is free again by itself.
    up_to     reserve what there is, if that is less: read `h.reserved`
    key       a retry with the same key gets the same hold; whichever caller ends first closes it for both.

    Whatever way the block is left, without settle() or by an error (also KeyboardInterrupt, a cancelled task, and
    GeneratorExit, which is how a disconnected client ends a streamed response), what was counted is charged and
    the rest comes back; where nothing was counted, all of it comes back.  An error goes on as it was.  Where that
    fails, because the database is gone, it is tried once more and logged; then, and where the process is killed
    (SIGKILL, and SIGTERM where nothing handles it), all that is left is the hold's end at `expires_at`, which
    charges nothing.

    id, reserved, remaining and expires_at are as of the last call, counted is what count() has added up.  In
    observe mode `id` may be None: then nothing was reserved, and nothing below asks the database.
    """

    _COLUMNS = "*, expires_at - clock_timestamp() AS lasts"

    def __init__(self, bind, subject, feature, amount, ttl=None, key=None, metadata=None, up_to=None):
        if isinstance(bind, (Connection, Session, scoped_session)):
            raise TypeError("a hold commits by itself: give it the Engine or sessionmaker")
        self._bind = bind
        self._asked = {
            "subject": subject, "feature": feature, "amount": amount, "ttl": ttl, "key": key,
            "metadata": metadata, "up_to": up_to,
        }  # fmt: skip
        self.id = self.reserved = self.remaining = self.expires_at = None
        self.counted = 0
        self._closed = False  # for good: by a transaction that we have committed
        self._settled_in = None  # the Connection or Session of a settle() that is not ours to commit

    def __enter__(self):
        with self._bind.begin() as connection:
            row = call(connection, "reserve", self._COLUMNS, **self._asked).one()
        self.id = row.id
        self._take(row)
        self._spare = (self.reserved or 0) // 2
        return self

    def _take(self, row):
        self.reserved, self.remaining, self.expires_at = row.reserved, row.remaining, row.expires_at
        seconds = row.lasts.total_seconds() if row.lasts else 0
        self._renew_at = time.monotonic() + seconds / 2 if seconds > 0 else math.inf

    def count(self, n):
        """`n` units more are about to be delivered: they will be charged.  Returns `counted`, with them.

        Asks the database only where they are more than is reserved, to extend the hold (by half the estimate
        more than is needed, as long as there is room for it), or where half of its ttl is over, to renew it.
        QuotaError: there is no room for them (QT402, QT429), or the hold has expired (QT410).  Then they are not
        counted, and should not be delivered; what was counted before will be charged all the same.
        """
        n = operator.index(n)
        if n < 0:
            raise ValueError("what was delivered does not come back")
        if self._closed:
            raise RuntimeError("this hold is closed: what is counted now would never be charged")
        total = self.counted + n
        if self.id is None:
            pass
        elif total > self.reserved:
            self._grow(total)
        elif time.monotonic() >= self._renew_at:
            self.extend()
        self.counted = total
        return total

    def _grow(self, total):
        if self._spare:
            try:
                self.extend(total + self._spare)
                return
            except QuotaError as refusal:
                if refusal.status not in (402, 429):
                    raise
                self._spare = 0  # near the end of the room: what is needed, and no more
        self.extend(total)

    def extend(self, amount=None, ttl=None):
        """Renew for `ttl` from now (None: the last one anew); `amount`, if given, is the new total.

        A refusal (QT402) raises and leaves the hold as it was.  QT410: it has expired; its work may still
        be settled.  A committed transaction of its own.
        """
        if self.id is not None:
            with self._bind.begin() as connection:
                row = call(connection, "extend", self._COLUMNS, id=self.id, amount=amount, ttl=ttl).one()
            self._take(row)
        return self

    def settle(self, amount=None, metadata=None, connection=None):
        """The work cost `amount` (None: what was counted; 0: nothing): a row (id, charged, overdrawn, remaining).

        Never refused for lack of room, also after expiry.  Without `connection` it is committed when this
        returns.  With the open Connection or Session that stores the result, both commit together; open that
        transaction inside the block of the hold: where it is rolled back, what was counted is charged all the
        same when the block is left, for it was delivered.
        """
        if self.id is None:
            self._closed = True
            return None
        arguments = {"id": self.id, "amount": self.counted if amount is None else amount, "metadata": metadata}
        if connection is not None:
            row = call(connection, "settle", **arguments).one()
            self._settled_in = connection() if isinstance(connection, scoped_session) else connection
        else:
            with self._bind.begin() as own:
                row = call(own, "settle", **arguments).one()
            self._closed = True
        self.reserved, self.remaining = 0, row.remaining
        return row

    def release(self):
        """Give all of it back now, also what was counted: nothing of it was worth paying for."""
        self.counted = 0
        self._close()

    def _close(self):
        """Charge what was counted and give the rest back, now."""
        if self.id is not None:
            try:
                with self._bind.begin() as connection:
                    # a settle() of ours whose transaction is still open would make this wait for ourselves
                    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
                    if self.counted:
                        why = self._asked["metadata"]
                        row = call(connection, "settle", id=self.id, amount=self.counted, metadata=why).one()
                    else:
                        row = call(connection, "release", id=self.id).one()
                self.remaining = row.remaining
            except QuotaError as closed:  # by a transaction of ours that did commit, or by a twin with our key
                if closed.sqlstate != "QT410":
                    raise
            self.reserved = 0
        self._closed = True

    def __exit__(self, kind, error, trace):
        # a transaction around the block commits its settle after us
        waits = kind is None and self._settled_in is not None and self._settled_in.in_transaction()
        for last in (False, True):
            if self._closed or waits:
                break
            try:
                self._close()
            except (QuotaError, SQLAlchemyError):
                if last:
                    _LOG.error(
                        "hold %s is not settled: %s delivered units are not charged, and it ends at %s",
                        self.id, self.counted, self.expires_at, exc_info=True,
                    )  # fmt: skip
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
        """Register the handlers for QuotaError and for any SQLAlchemy error that is quota's."""
        app.extensions["quota"] = self
        app.register_error_handler(QuotaError, self.respond)
        app.register_error_handler(DBAPIError, self._respond_to_database)

    def respond(self, error):
        """QuotaError -> response: status, DETAIL as JSON, Retry-After.  Never cached.  Once it is sent, the
        refusal is noted."""
        from flask import current_app, jsonify, make_response, request

        accept = request.accept_mimetypes
        wants_page = accept["text/html"] > accept["application/json"]
        response = make_response(self.render(error) if self.render and wants_page else jsonify(error.body))
        response.status_code = error.status
        response.headers["Cache-Control"] = "no-store"
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        app = current_app._get_current_object()
        response.call_on_close(lambda: self.note(error.detail, app))
        return response

    def note(self, detail, app=None):
        """Record a refusal (`detail` of its QuotaError) in quota.denials; what respond() answers it records itself.
        In a transaction of its own that waits for nothing long, and whatever goes wrong is only logged."""
        if self.connect is None or detail is None:
            return
        try:
            with app.app_context() if app else contextlib.nullcontext(), self.connect() as connection:
                with connection.begin():
                    connection.execute(text("SET LOCAL statement_timeout = '1s'"))
                    connection.execute(text("SET LOCAL synchronous_commit = off"))
                    note_denial(connection, detail)
        except Exception:
            _LOG.warning("a refusal was not noted: %s", detail, exc_info=True)

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

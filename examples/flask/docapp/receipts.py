"""Retries: a request that carries a key is carried out once and answered every time.

The key comes in the Idempotency-Key header or the form's request_id field.  In the transaction that does
the work, finish() stores the answer under (user, key); a retry gets that answer again, marked
"Idempotent-Replay: true", and does nothing.  A request that was refused or failed stores nothing, so its
key may be tried again.

The same key also goes to quota with every debit.  The two do not replace each other: quota's key makes a
second charge impossible, whoever forgets to look here; the receipt makes a second answer possible, even
after what was paid for has been deleted.
"""

import functools
import hashlib
import json
import re

from flask import current_app, g, request
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from .models import Receipt
from .web import Problem, respond

_KEY = re.compile(r"[\x21-\x7e]{1,100}\Z")
_NOT_PART_OF_THE_REQUEST = ("csrf_token", "request_id")


class Replay(Exception):
    """A twin of this request committed while this one was at work."""


def once(view):
    """Decorator of a view that changes something: answer a retry from its receipt.

    Inside, the view calls begin(session) first and finish(session, body, status) last in its transaction.
    Put it above quota's `requires`: a retry of the request that used the last unit must not be refused.
    """

    @functools.wraps(view)
    def guarded(*args, **kwargs):
        g.request_key = request.headers.get("Idempotency-Key") or request.form.get("request_id") or None
        if g.request_key is None:
            return view(*args, **kwargs)
        if not _KEY.match(g.request_key):
            raise Problem(400, "bad_key", "An idempotency key is 1 to 100 printable ASCII characters.")
        found = earlier()
        if found is None:
            try:
                return view(*args, **kwargs)
            except Replay:
                found = earlier()
        return respond(found.body, found.status, {"Idempotent-Replay": "true"})

    return guarded


def earlier():
    """The Receipt of an earlier request with this key, or None.  Raises Problem 409 if it asked something else."""
    with current_app.db.session.begin() as session:
        receipt = session.get(Receipt, (g.user.id, g.request_key))
    if receipt is not None and receipt.fingerprint != _fingerprint():
        raise Problem(409, "idempotency_conflict", "This key was used for a different request before.")
    return receipt


def _fingerprint():
    """What was asked for: method, path, fields and the content of files."""
    digest = hashlib.sha256()
    fields = sorted((k, v) for k, v in request.form.items(multi=True) if k not in _NOT_PART_OF_THE_REQUEST)
    digest.update(json.dumps([request.method, request.path, fields]).encode())
    if request.is_json:
        digest.update(request.get_data(cache=True))
    for name, file in sorted(request.files.items()):
        file.stream.seek(0)
        content = file.stream.read()
        file.stream.seek(0)
        digest.update(json.dumps([name, file.filename, len(content)]).encode() + content)
    return digest.hexdigest()


def begin(session):
    """Claim the request's key in this transaction; waits for a twin at work and raises Replay if it won.
    Returns the key for quota (None: the request carries none)."""
    if g.request_key is not None:
        claimed = session.execute(
            insert(Receipt)
            .values(user_id=g.user.id, key=g.request_key, fingerprint=_fingerprint())
            .on_conflict_do_nothing()
            .returning(Receipt.key)
        ).first()
        if claimed is None:
            raise Replay
    return g.request_key


def finish(session, body, status=200):
    """Store the answer beside the work; returns (body, status) for respond()."""
    if g.request_key is not None:
        session.execute(
            update(Receipt)
            .where(Receipt.user_id == g.user.id, Receipt.key == g.request_key)
            .values(status=status, body=body)
            .execution_options(synchronize_session=False)
        )
    return body, status

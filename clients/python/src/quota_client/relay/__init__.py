"""quota-relay: sends the events of quota.events to webhooks, by e-mail and into logs.

At least once, in order, with a cursor in the database.  docs/relay.md says how it is used, and each
module what it does:

    command.py        the command quota-relay
    settings.py       its configuration file
    worker.py         one thread for each destination: read, send, try again, bury
    store.py          what stands in the database: events, cursors, dead letters, the lock
    destinations.py   webhook, e-mail, log
    post.py           HTTP with an end to everything
    signature.py      Standard Webhooks, for sender and receiver
    pace.py           how fast, and how long to wait
"""

from .signature import BadSignature, new_secret, sign, verify

__all__ = ["BadSignature", "new_secret", "sign", "verify"]

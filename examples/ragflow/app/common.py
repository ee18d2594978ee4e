"""What both drivers share: ids, times, states, and a store of files."""

import uuid
from datetime import datetime

INVITED, NORMAL, OWNER = "invite", "normal", "owner"
VALID = "1"
WAITING, RUNNING, CANCELLED, DONE = "0", "1", "2", "3"
PAGES_PER_TASK = 12


def new_id():
    return uuid.uuid4().hex


def stamps(new=True):
    """The four columns with the time; of a row that is there the first two stay."""
    now = datetime.now().replace(microsecond=0)
    milliseconds = int(now.timestamp()) * 1000
    stamped = {"update_time": milliseconds, "update_date": now}
    return stamped | {"create_time": milliseconds, "create_date": now} if new else stamped


def suffix_of(name):
    return name.rpartition(".")[2].lower() if "." in name else ""


class Store(dict):
    """Stands for the object store: what is put here knows nothing of a transaction."""

    def put(self, kb_id, location, content):
        self[kb_id, location] = content

    def remove(self, kb_id, location):
        self.pop((kb_id, location), None)


STORE = Store()

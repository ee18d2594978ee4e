"""State that can be taken back, as a transaction and its savepoints do."""


class Journal:
    """Remembers how to undo every change since the oldest open mark."""

    def __init__(self):
        self._undo = []

    def mark(self):
        """A point to which rollback() can return."""
        return len(self._undo)

    def note(self, undo):
        self._undo.append(undo)

    def rollback(self, mark):
        """Undoes every change made since mark, newest first."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def forget(self):
        """After a commit nothing can be undone."""
        self._undo.clear()


class Table(dict):
    """A dictionary whose changes are noted in a journal; its values are never
    changed in place."""

    def __init__(self, journal):
        super().__init__()
        self._journal = journal

    def __setitem__(self, key, value):
        if key in self:
            old = self[key]
            self._journal.note(lambda: dict.__setitem__(self, key, old))
        else:
            self._journal.note(lambda: dict.__delitem__(self, key))
        super().__setitem__(key, value)

    def __delitem__(self, key):
        old = self[key]
        self._journal.note(lambda: dict.__setitem__(self, key, old))
        super().__delitem__(key)

    def _refuse(self, *_args, **_kwargs):
        raise NotImplementedError("only item assignment and del are journalled")

    update = pop = popitem = setdefault = clear = _refuse

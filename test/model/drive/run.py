"""Runs a list of operations on both sides.

An operation is a dictionary: {"do": "call", "function", "arguments", "guard"} or
{"do": "begin" | "commit" | "rollback"}, {"do": "savepoint" | "rollback_to" |
"release", "name"}, {"do": "set", "setting": "clock" | "enforcement", "value"}.
An argument {"result of": n} is the id that operation n returned.
"""

from oracle import times
from oracle.calls import call
from oracle.errors import Fault, answer
from oracle.world import World

from . import invariants
from .compare import Identities, difference
from .database import ServerGone

# In which column a function returns the id that later operations can use.
POSITIONS = {
    "debit": 0, "try_debit": 2, "refund": 0, "give_back": 0, "reserve": 0, "credit": 0, "set_usage": 0, "debit_many": 1,
    "charge": 1, "charge_units": 1,
}
UNKNOWN_ID = 2**62  # of a debit that was never made


class Mismatch(Exception):
    """The two sides disagree."""

    def __init__(self, number, function, where, expected, got):
        super().__init__(f"operation {number}, {function}: {where}: expected {expected!r}, got {got!r}")
        self.number, self.function, self.where, self.expected, self.got = number, function, where, expected, got

    @property
    def signature(self):
        """What must stay the same while operations are dropped."""
        return self.function, "".join(c for c in self.where if not c.isdigit())


class Runner:
    """One world and one database, kept in step."""

    def __init__(self, database, now):
        self.world = World(now)
        self.database = database
        self.identities = Identities()
        self.results = {}  # number of the operation -> (oracle's id, extension's id)
        self.failed = set()  # numbers of the calls that were errors
        self.begun = None  # journal mark of the open transaction
        self.savepoints = []  # (name, journal mark), the oldest first
        self._set("clock", now)
        self.database.commit()

    def perform(self, number, operation):
        """Raises Mismatch when the two sides disagree."""
        do = operation["do"]
        if do == "call":
            self._call(number, operation)
        elif do == "set":
            self._set(operation["setting"], operation["value"])
            self._end_statement()
        else:
            getattr(self, "_" + do)(operation.get("name"))

    def check_invariants(self, number):
        """The extension's own books, and against the oracle's."""
        found = invariants.find(self.world, self.database, self.identities)
        if found:
            raise Mismatch(number, "invariant", *found)
        self._end_statement()

    # ---- transactions ----------------------------------------------------

    def _end_statement(self):
        if self.begun is None:
            self.database.commit()
            self.world.journal.forget()

    def _begin(self, _name):
        if self.begun is None:
            self.begun = self.world.journal.mark()

    def _commit(self, _name):
        if self.begun is not None:
            self.database.commit()
            self.begun, self.savepoints = None, []
            self.world.journal.forget()

    def _rollback(self, _name):
        if self.begun is not None:
            self.database.rollback()
            self.world.journal.rollback(self.begun)
            self.begun, self.savepoints = None, []

    def _savepoint(self, name):
        if self.begun is not None:
            self.database.sql(f"SAVEPOINT {name}")
            self.savepoints.append((name, self.world.journal.mark()))

    def _find(self, name):
        for index in reversed(range(len(self.savepoints))):
            if self.savepoints[index][0] == name:
                return index
        return None

    def _rollback_to(self, name):
        index = self._find(name)
        if index is not None:
            self.database.sql(f"ROLLBACK TO {name}")
            self.world.journal.rollback(self.savepoints[index][1])
            del self.savepoints[index + 1 :]

    def _release(self, name):
        index = self._find(name)
        if index is not None:
            self.database.sql(f"RELEASE {name}")
            del self.savepoints[index:]

    # ---- statements ------------------------------------------------------

    def _set(self, setting, value):
        shown = times.text_of(value) if setting == "clock" else value
        self.database.sql(f"SET quota.{setting} = '{shown}'")
        self.world.settings["now" if setting == "clock" else setting] = value

    def _call(self, number, operation):
        function = operation["function"]
        ours, theirs = dict(operation["arguments"]), dict(operation["arguments"])
        for name, value in operation["arguments"].items():
            if isinstance(value, dict) and "result of" in value:
                ours[name], theirs[name] = self.results.get(value["result of"], (UNKNOWN_ID, UNKNOWN_ID))
        expected = answer(call, self.world, function, ours)
        guard = self.begun is not None and operation.get("guard")
        try:
            got = answer(self.database.guarded if guard else self.database.call, function, theirs)
        except ServerGone as gone:
            raise Mismatch(number, function, "server gone", expected, str(gone)) from gone
        found = difference(self.identities, function, expected, got)
        if found:
            raise Mismatch(number, function, *found)
        self._remember_result(number, function, expected, got)
        if isinstance(got, Fault):
            self.failed.add(number)
        if isinstance(got, Fault) and not guard:
            self.database.rollback()
            if self.begun is not None:
                self.world.journal.rollback(self.begun)
                self.begun, self.savepoints = None, []
        self._end_statement()

    def _remember_result(self, number, function, expected, got):
        position = POSITIONS.get(function)
        if position is None or isinstance(got, Fault):
            return
        for ours, theirs in zip(expected, got):
            if ours[position] is not None:
                self.results[number] = ours[position], theirs[position]
                break

"""Drops operations while the mismatch stays."""

import copy
import time

from .run import Mismatch, Runner


OPTIONAL = {
    "metadata", "key", "timezone", "ends_at", "trial", "up_to", "ttl", "effective", "usage", "priority", "source",
    "effective_at", "expires_at", "every",
}
READS = {"check", "has", "setting", "status", "me", "offers", "statement", "explain", "usage"}


class Shrinker:
    """Replays subsets of a list of operations, each in an empty database."""

    def __init__(self, database, start, signature, seconds):
        self.database, self.start, self.signature = database, start, signature
        self.until = time.monotonic() + seconds
        self.last = None
        self.failed = set()

    @property
    def late(self):
        return time.monotonic() > self.until

    def fails(self, operations):
        """Does the same mismatch show?"""
        number = None
        try:
            self.database.reset()
            runner = Runner(self.database, self.start)
            for number, operation in operations:
                runner.perform(number, operation)
            if self.signature[0] == "invariant":
                runner.check_invariants(number)
        except Mismatch as mismatch:
            if mismatch.signature == self.signature:
                self.last, self.failed = mismatch, runner.failed
                return True
        except Exception:  # a subset may make no sense
            pass
        return False

    def drop(self, operations):
        """Without every piece that can be missed, great pieces first."""
        size = max(1, len(operations) // 2)
        while not self.late:
            at, smaller = 0, False
            while at < len(operations) and not self.late:
                rest = operations[:at] + operations[at + size :]
                if rest and self.fails(rest):
                    operations, smaller = rest, True
                else:
                    at += size
            if size == 1 and not smaller:
                break
            size = max(1, size // 2)
        return operations

    def drop_strangers(self, operations):
        """Without what concerns other subjects or features than the mismatch names, failed calls,
        reads and transactions."""
        last = repr(operations[-1][1].get("arguments", {})) + repr(self.last.expected) + repr(self.last.got)

        def foreign(operation):
            subject = operation.get("arguments", {}).get("subject")
            return subject is not None and operation["function"] != "protect" and repr(subject.split("/")[0])[:-1] not in last

        def other(operation):
            feature = operation.get("arguments", {}).get("feature")
            return feature is not None and repr(feature) not in last

        def read(operation):
            return operation.get("function") in READS

        def transaction(operation):
            return operation["do"] not in ("call", "set")

        for unwanted in (None, foreign, other, read, transaction):
            if unwanted is None:
                rest = [o for o in operations[:-1] if o[0] not in self.failed] + operations[-1:]
            else:
                rest = [o for o in operations[:-1] if not unwanted(o[1])] + operations[-1:]
            if len(rest) < len(operations) and self.fails(rest):
                operations = rest
        return operations

    def trim_catalogs(self, operations):
        """Without plans, features and terms that the mismatch does not need."""
        for path in _removable(operations):
            if self.late:
                break
            smaller = copy.deepcopy(operations)
            if _remove(smaller, path) and self.fails(smaller):
                operations = smaller
        return operations


def _removable(operations):
    """Paths (index of the operation, keys...) into catalogs and other arguments."""
    paths = []
    for index, (_, operation) in enumerate(operations):
        arguments = operation.get("arguments", {})
        catalog = arguments.get("catalog")
        if catalog:
            paths += [(index, "catalog", "plans", p) for p in catalog["plans"]]
            plans = {p: plan for p, plan in catalog["plans"].items() if plan is not None}  # null: retired
            for p, plan in plans.items():
                paths += [(index, "catalog", "plans", p, "entitlements", f) for f in plan["entitlements"]]
                paths += [(index, "catalog", "plans", p, k) for k in plan if k != "entitlements"]
            paths += [
                (index, "catalog", "plans", p, "entitlements", f, term)
                for p, plan in plans.items()
                for f, terms in plan["entitlements"].items()
                for term in terms if term not in ("allowance", "value")
            ]
            paths += [(index, "catalog", "actions", a) for a in catalog.get("actions", ())]
            paths += [(index, "catalog", "features", f) for f in catalog["features"]]
        paths += [(index, name) for name in arguments if name in OPTIONAL]
    return paths


def _remove(operations, path):
    place = operations[path[0]][1]["arguments"]
    for key in path[1:-1]:
        place = place.get(key)
        if place is None:
            return False
    return place.pop(path[-1], KeyError) is not KeyError


def shrink(database, start, operations, mismatch, seconds):
    """(the fewest operations found, the mismatch that they show)"""
    shrinker = Shrinker(database, start, mismatch.signature, seconds)
    if not shrinker.fails(operations):
        return operations, f"(does not show again in a replay) {mismatch}"
    operations = shrinker.drop_strangers(operations)
    operations = shrinker.drop(operations)
    operations = shrinker.trim_catalogs(operations)
    operations = shrinker.drop(operations)
    return operations, shrinker.last

"""One random operation after another, chosen with an eye on the oracle's state."""

import os

from oracle import times
from oracle.accounts import accounts
from oracle.decide import decide

from . import catalogs

SUBJECTS = [
    "acme", "acme/eng", "acme/eng/alice", "acme/eng/alice/laptop", "acme/bob", "zoe", "zoe/y", "m%s'\"ü{}",
]
KEYS = ["k1", "k2", "k3", "schlüssel 4", "k'5"]
METADATA = [None, None, None, {"why": "test"}, {"n": 1}, {"n": 2, "s": "ü'\\"}]
BAD_SUBJECTS = [None, "", "a//b", "/a", "a/", "a/b/c/d/e/f/g/h/i", "x" * 256, "tab\there", "del\x7f"]
GOOD = {"feature": "tokens", "amount": 1}
STATUSES = ["active", "active", "active", "past_due", "paused"]
TAME = bool(os.environ.get("QUOTA_MODEL_TAME"))
WEIGHTS = {
    "debit": 24, "try_debit": 16, "refund": 12, "give_back": 6, "check": 8, "has": 2, "setting": 2, "status": 3,
    "me": 2, "offers": 2, "statement": 2, "clock": 10, "begin": 4, "end": 6, "savepoint": 4, "rollback_to": 4,
    "release": 1, "subscribe": 4, "change_plan": 4, "cancel": 2, "set_status": 3, "override": 3,
    "apply_catalog": 1.5, "enforcement": 1,
}


class Generator:
    """Chooses operations for a Runner; the same random.Random gives the same ones."""

    def __init__(self, rng, runner, only=None):
        self.rng, self.runner, self.world = rng, runner, runner.world
        self.catalog = catalogs.catalog(rng)
        self.debits = []  # numbers of the operations that may have made one
        self.number = -1
        weights = {name: w for name, w in WEIGHTS.items() if only is None or name in only}
        self.names, self.weights = list(weights), list(weights.values())

    def next(self):
        """(number, operation)"""
        self.number += 1
        if self.number == 0:
            return 0, self._call("apply_catalog", catalog=self.catalog)
        name = self.rng.choices(self.names, self.weights)[0]
        return self.number, getattr(self, "_" + name)()

    # ---- parts of operations ---------------------------------------------

    def _call(self, function, **arguments):
        if arguments.get("subject", "acme") in BAD_SUBJECTS:  # one bad argument at a time
            arguments |= {name: GOOD[name] for name in arguments if name in GOOD}
        return {"do": "call", "function": function, "arguments": arguments, "guard": self.rng.random() < 0.7}

    def _subject(self):
        if self.rng.random() < 0.01:
            return self.rng.choice(BAD_SUBJECTS)
        return self.rng.choice(SUBJECTS)

    def _feature(self, *kinds):
        """Mostly of one of the kinds, if given."""
        if self.rng.random() < 0.01:
            return self.rng.choice(["nothing", None])
        names = sorted(self.world.features)
        wanted = [n for n in names if self.world.features[n].kind in kinds]
        return self.rng.choice(wanted if wanted and self.rng.random() < 0.95 else names)

    def _amount(self, subject, feature):
        """Often exactly what is left, or one more."""
        kind = self.rng.random()
        if kind < 0.02 and feature in self.world.features:
            return self.rng.choice([0, -1, None, 2**63 - 1] if not TAME else [0, -1, None])
        if kind < 0.3 and feature in self.world.features and subject:
            try:
                left = decide(self.world, subject, feature, 1).remaining
            except Exception:  # a bad subject or a static feature has nothing left
                left = None
            if left and left < 2**62:
                return left + self.rng.choice([0, 0, 1])
        return self.rng.choice([1, 1, 1, 2, 3, 5, 10, 30])

    def _key(self):
        if self.rng.random() < 0.02:
            return self.rng.choice(["", "k" * 256])
        return self.rng.choice(KEYS) if self.rng.random() < 0.15 else None

    def _plan(self):
        if self.rng.random() < 0.02:
            return "nothing"
        return self.rng.choice(sorted(self.world.plans))

    def _paying(self, function, *kinds):
        subject, feature = self._subject(), self._feature(*kinds)
        arguments = {"subject": subject, "feature": feature, "amount": self._amount(subject, feature)}
        key = self._key()
        if key is not None:
            arguments["key"] = key
            if self.rng.random() < 0.7:  # so that a second call is a retry
                arguments |= {"subject": SUBJECTS[hash_of(key) % 4], "amount": 1 + hash_of(key) % 3}
        metadata = self.rng.choice(METADATA)
        if metadata is not None:
            arguments["metadata"] = metadata
        return self._call(function, **arguments)

    # ---- enforcement -----------------------------------------------------

    def _debit(self):
        self.debits.append(self.number)
        return self._paying("debit", "metered", "metered", "capacity", "boolean")

    def _try_debit(self):
        self.debits.append(self.number)
        operation = self._paying("try_debit", "metered", "metered", "capacity", "boolean")
        if self.rng.random() < 0.3:
            operation["arguments"]["up_to"] = True
        return operation

    def _refund(self):
        recent = self.debits[-12:]
        number = self.rng.choice(recent) if recent else self.number
        if self.rng.random() < 0.2 and self.debits:
            number = self.rng.choice(self.debits)
        if self.rng.random() < 0.05:
            number = self.rng.randint(0, self.number)  # refunds and others
        arguments = {"id": {"result of": number}}
        if self.rng.random() < 0.6:
            arguments["amount"] = self.rng.choice([1, 1, 2, 3, 5, 0, 50])
        key = self._key()
        if key is not None:
            arguments["key"] = key
        return self._call("refund", **arguments)

    def _give_back(self):
        operation = self._paying("give_back", "capacity")
        held = self.world.capacity.get((operation["arguments"]["subject"], operation["arguments"]["feature"]), 0)
        if 0 < held < 2**62 and self.rng.random() < 0.5:
            operation["arguments"]["amount"] = self.rng.choice([held, held + 1, 1])
        return operation

    def _enforcement(self):
        return {"do": "set", "setting": "enforcement", "value": self.rng.choice(["observe", "enforce", "enforce"])}

    # ---- reads -----------------------------------------------------------

    def _check(self):
        subject, feature = self._subject(), self._feature()
        return self._call("check", subject=subject, feature=feature, amount=self._amount(subject, feature))

    def _has(self):
        return self._call("has", subject=self._subject(), feature=self._feature())

    def _setting(self):
        return self._call("setting", subject=self._subject(), feature=self._feature("boolean", "static"))

    def _status(self):
        return self._call("status", subject=self._subject())

    def _me(self):
        return self._call("me", subject=self._subject())

    def _offers(self):
        subject, feature = self._subject(), self._feature()
        return self._call("offers", subject=subject, feature=feature, amount=self._amount(subject, feature))

    def _statement(self):
        operation = self._call("statement", subject=self._subject(), feature=self._feature("metered", "capacity"))
        if self.rng.random() < 0.3:
            operation["arguments"]["since"] = self.world.now - self.rng.choice([0, times.HOUR, 40 * times.DAY])
        if self.rng.random() < 0.2:
            operation["arguments"]["until"] = self.world.now - self.rng.choice([0, times.HOUR, -1])
        if self.rng.random() < 0.3:
            operation["arguments"]["max_rows"] = self.rng.choice([1, 2, 5])
        return operation

    # ---- time and transactions -------------------------------------------

    def _clock(self):
        """Small and great steps, boundaries of windows to the microsecond, sometimes back."""
        kind, now = self.rng.random(), self.world.now
        if kind < 0.35:
            at = now + self.rng.choice([1, times.SECOND, times.MINUTE, 17 * times.MINUTE, 3 * times.HOUR])
        elif kind < 0.55:
            at = now + self.rng.choice([times.DAY, 3 * times.DAY, 20 * times.DAY])
        elif kind < 0.58:
            at = now + 400 * times.DAY
        elif kind < 0.66:
            at = now - self.rng.choice([1, times.MINUTE, times.HOUR, times.DAY, 20 * times.DAY])
        else:
            at = self._boundary() + self.rng.choice([-1, 0, 0, 1])
        return {"do": "set", "setting": "clock", "value": at}

    def _boundary(self):
        """The end of a window or subscription that is near, or now."""
        feature = self._feature("metered")
        if feature not in self.world.features:
            return self.world.now
        ends = [a.end for a in accounts(self.world, self.rng.choice(SUBJECTS), feature) if a.end]
        ends += [s.ends_at for s in self.world.subscriptions.values() if s.ends_at and s.ends_at > self.world.now]
        return self.rng.choice(ends) if ends else self.world.now

    def _begin(self):
        return {"do": "begin"}

    def _end(self):
        return {"do": "commit" if self.rng.random() < 0.6 else "rollback"}

    def _savepoint(self):
        return {"do": "savepoint", "name": self.rng.choice(["s1", "s2", "s3"])}

    def _rollback_to(self):
        return {"do": "rollback_to", "name": self.rng.choice(["s1", "s2", "s3"])}

    def _release(self):
        return {"do": "release", "name": self.rng.choice(["s1", "s2", "s3"])}

    # ---- administration --------------------------------------------------

    def _subscribe(self):
        arguments = {"subject": self._subject(), "plan": self._plan()}
        now = self.world.now
        if self.rng.random() < 0.4:
            arguments["starts_at"] = now + self.rng.choice([0, -40 * times.DAY, -1, times.DAY, -100 * times.MINUTE])
        if self.rng.random() < 0.25:
            arguments["ends_at"] = now + self.rng.choice([times.DAY, 45 * times.DAY, times.HOUR, -times.DAY])
        if self.rng.random() < 0.2:
            arguments["trial"] = self.rng.choice(["14 days", "1 month", "2 hours"])
        if self.rng.random() < 0.6:
            arguments["timezone"] = self.rng.choice(catalogs.ZONES)
        return self._call("subscribe", **arguments)

    def _change_plan(self):
        return self._call("change_plan", subject=self._subscriber(), plan=self._plan())

    def _subscriber(self):
        """Mostly somebody who has a subscription."""
        some = sorted({s.subject for s in self.world.subscriptions.values()})
        return self.rng.choice(some) if some and self.rng.random() < 0.85 else self._subject()

    def _cancel(self):
        arguments = {"subject": self._subscriber()}
        if self.rng.random() < 0.5:
            arguments["effective"] = self.rng.choice(["now", "period_end"])
        return self._call("cancel", **arguments)

    def _set_status(self):
        return self._call("set_status", subject=self._subscriber(), status=self.rng.choice(STATUSES))

    def _override(self):
        feature = self._feature()
        entitlement = None
        if feature in self.world.features and self.rng.random() < 0.7:
            entitlement = catalogs.entitlement(self.rng, self.world.features[feature].kind)
        return self._call("override", subject=self._subject(), feature=feature, entitlement=entitlement)

    def _apply_catalog(self):
        self.catalog = catalogs.changed(self.rng, self.catalog)
        operation = self._call("apply_catalog", catalog=self.catalog)
        if self.rng.random() < 0.2:
            operation["arguments"]["dry_run"] = True
        return operation


def hash_of(text):
    """Small and the same in every process, unlike hash()."""
    return sum(text.encode())

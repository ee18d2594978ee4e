"""One random operation after another, chosen with an eye on the oracle's state."""

import os

from oracle import caps, grants, rates, reports, times
from oracle.accounts import accounts
from oracle.amendments import older
from oracle.decide import decide

from . import capabilities, catalogs
from .gated import Gated

SUBJECTS = [
    "acme", "acme/eng", "acme/eng/alice", "acme/eng/alice/laptop", "acme/bob", "zoe", "zoe/y", "m%s'\"ü{}",
]
PAID = ("metered", "metered", "capacity", "boolean", "rate")
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
# Of capabilities; the two words are its name and that of the operation.
MORE_WEIGHTS = {
    ("rate", "throttle"): 8, ("grants", "credit"): 7, ("grants", "revoke"): 2, ("holds", "reserve"): 12,
    ("holds", "extend"): 5, ("holds", "settle"): 8, ("holds", "release_hold"): 4, ("set_usage", "set_usage"): 4,
    ("amend", "amend"): 4, ("migrate", "migrate"): 1.5, ("preview", "preview"): 2.5,
    ("record", "record"): 5, ("clear_caps", "clear_caps"): 1.5,
    ("batch", "debit_many"): 5, ("actions", "charge"): 4, ("actions", "charge_units"): 3, ("explain", "explain"): 2, ("reports", "usage"): 2.5,
    ("gates", "write"): 45, ("gates", "protect"): 1.5, ("gates", "unprotect"): 0.7, ("gates", "recount"): 1.5,
}
# By name.  Without statement: where a subject has entries of several accounts and the
# clock goes backwards, oracle and extension still read the contract differently about
# order and running sums.
OPERATIONS = (set(WEIGHTS) | {name for _, name in MORE_WEIGHTS}) - {"statement"}
GATED = {name for capability, name in MORE_WEIGHTS if capability == "gates"}  # made by Gated
TTLS = ["5 minutes", "5 minutes", "30 seconds", "2 hours", "20 hours"]


class Generator:
    """Chooses operations for a Runner; the same random.Random gives the same ones."""

    def __init__(self, rng, runner, only=None, can=None):
        self.rng, self.runner, self.world = rng, runner, runner.world
        self.can = capabilities.for_run(rng, capabilities.enabled() if can is None else can)
        self.catalog = catalogs.catalog(rng, self.can)
        self.debits = []  # numbers of the operations that may have made one
        self.reserves, self.credits = [], []  # likewise
        self.gated = Gated(self)
        self.opening = self.gated.opening() if "gates" in self.can else []
        self.number = -1
        weights = WEIGHTS | {name: w for (capability, name), w in MORE_WEIGHTS.items() if capability in self.can}
        weights = {name: w for name, w in weights.items() if only is None or name in only}
        self.names, self.weights = list(weights), list(weights.values())

    def next(self):
        """(number, operation)"""
        self.number += 1
        if self.number == 0:
            return 0, self._call("apply_catalog", catalog=self.catalog)
        if self.opening:
            return self.number, self.opening.pop(0)()
        name = self.rng.choices(self.names, self.weights)[0]
        return self.number, getattr(self.gated if name in GATED else self, name if name in GATED else "_" + name)()

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

    def _paying(self, function, *kinds, without=()):
        subject, feature = self._subject(), self._feature(*kinds)
        if feature in self.world.features and self.world.features[feature].kind in without:
            feature = self._feature("metered")
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
        return self._paying("debit", *PAID)

    def _try_debit(self):
        self.debits.append(self.number)
        operation = self._paying("try_debit", *PAID)
        if self.rng.random() < 0.3:
            operation["arguments"]["up_to"] = True
        return operation

    def _refund(self):
        recent = [number for number in self.debits if number in self.runner.results][-12:]
        number = self.rng.choice(recent) if recent else self.number
        if self.rng.random() < 0.2 and self.debits:
            number = self.rng.choice(self.debits)
        if self.rng.random() < 0.05:
            number = self.rng.randint(0, self.number)  # refunds and others
        arguments = {"id": {"result of": self._no_grant(number)}}
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

    def _throttle(self):
        subject, feature = self._subject(), self._feature("rate")
        return self._call("throttle", subject=subject, feature=feature, cost=self._amount(subject, feature))

    def _debit_many(self):
        operation = self._paying("debit_many")
        arguments = operation["arguments"]
        names = [self._feature("metered", "capacity", "boolean") for _ in range(self.rng.choice([1, 2, 2, 3]))]
        arguments["amounts"] = {
            name: self._amount(arguments["subject"], name) for name in names if name is not None
        }
        del arguments["feature"], arguments["amount"]
        return operation

    def _charge(self):
        operation = self._paying("charge")
        arguments = operation["arguments"]
        arguments |= {"action": self._action(), "units": self.rng.choice(["1", "0", "2.5", "10", "30", "0.01"])}
        del arguments["feature"], arguments["amount"]
        return operation

    def _charge_units(self):
        operation = self._charge()
        units = {"input": self.rng.choice([0, 1, 12, 30]), "output": self.rng.choice([0, 1, 0.5, 7])}
        if self.rng.random() < 0.3:
            del units[self.rng.choice(sorted(units))]
        operation["arguments"]["units"] = units
        return operation | {"function": "charge_units"}

    def _action(self):
        return "nothing" if self.rng.random() < 0.03 else self.rng.choice(catalogs.ACTIONS)

    # ---- holds, grants, corrections ----------------------------------------

    def _reserve(self):
        self.debits.append(self.number)
        self.reserves.append(self.number)
        operation = self._paying("reserve", "metered", "metered", "capacity", without=("boolean", "static", "rate"))
        arguments = operation["arguments"]
        if self.rng.random() < 0.6:
            arguments["ttl"] = self._ttl()
        if self.rng.random() < 0.25:
            arguments["up_to"] = True
        return operation

    def _ttl(self):
        if self.rng.random() < 0.03:
            return self.rng.choice(["0 seconds", "-1 minutes", "721 hours"])
        return self.rng.choice(TTLS)

    def _hold(self):
        """The id of one, mostly of a recent one."""
        numbers = self.reserves[-20:] if self.rng.random() < 0.2 else self._unsettled()
        if not numbers or self.rng.random() < 0.03:
            return {"result of": self._no_grant(self.rng.randint(0, self.number))}
        return {"result of": self._no_grant(self.rng.choice(numbers))}

    def _no_grant(self, number):
        """The number of an operation, or one without a result: of a grant's id, which can be a
        debit's as well."""
        return self.number if number in self.credits else number

    def _unsettled(self):
        """Numbers of the reserves whose hold is open or expired, the last ones."""
        ids = {number: self.runner.results[number][0] for number in self.reserves if number in self.runner.results}
        holds = self.world.holds
        return [n for n, id in ids.items() if id in holds and holds[id].state in ("open", "expired")][-6:]

    def _reserved(self, id):
        """What a hold has reserved."""
        ours, _ = self.runner.results.get(id["result of"], (None, None))
        hold = self.world.holds.get(ours)
        return hold.reserved if hold else 3

    def _extend(self):
        arguments = {"id": self._hold()}
        if self.rng.random() < 0.5:
            arguments["ttl"] = self._ttl()
        if self.rng.random() < 0.7:
            arguments["amount"] = self._near(self._reserved(arguments["id"]))
        return self._call("extend", **arguments)

    def _near(self, amount):
        return max(-1, min(2**62, amount + self.rng.choice([-5, -1, 0, 1, 1, 2, 8])))

    def _settle(self):
        id = self._hold()
        amount = self.rng.choice([0, 1, 40, None]) if self.rng.random() < 0.2 else self._near(self._reserved(id))
        arguments = {"id": id, "amount": amount}
        metadata = self.rng.choice(METADATA)
        if metadata is not None:
            arguments["metadata"] = metadata
        return self._call("settle", **arguments)

    def _release_hold(self):
        return self._call("release", id=self._hold())

    def _credit(self):
        self.credits.append(self.number)
        rng, now = self.rng, self.world.now
        operation = self._paying("credit", "metered", "metered", "capacity")
        arguments = operation["arguments"]
        if arguments["amount"] and arguments["amount"] > 10**6:
            arguments["amount"] = 10
        if rng.random() < 0.6:
            arguments["expires_at"] = now + rng.choice([times.HOUR, times.DAY, 40 * times.DAY, 400 * times.DAY, 0])
        if rng.random() < 0.25:
            arguments["effective_at"] = now + rng.choice([0, 1, times.HOUR, 20 * times.DAY, -times.DAY])
        if rng.random() < 0.3:
            arguments["every"] = rng.choice(["hour", "day", "week", "month", "90 minutes", "1 month 15 days"])
        if rng.random() < 0.4:
            arguments["priority"] = rng.choice([1, 50, 100, 200, -3])
        if rng.random() < 0.2:
            arguments["source"] = rng.choice(["promotion", "référral"])
        if rng.random() < 0.3:
            arguments["beyond_caps"] = True
        if "key" in arguments and rng.random() < 0.7:  # so that a second call is a retry
            for name in ("expires_at", "effective_at", "every", "priority", "source", "beyond_caps"):
                arguments.pop(name, None)
        return operation

    def _revoke(self):
        numbers = self.credits[-8:]
        number = self.rng.choice(numbers) if numbers else self.number
        arguments = {"grant_id": {"result of": number}}
        if self.rng.random() < 0.5:
            arguments["amount"] = self.rng.choice([1, 2, 5, 5, 10, 30, 0])
        key = self._key()
        if key is not None:
            arguments["key"] = key
        return self._call("revoke", **arguments)

    def _record(self):
        self.debits.append(self.number)
        operation = self._paying("record", "metered", "metered", without=("boolean", "static", "rate", "capacity"))
        arguments, now = operation["arguments"], self.world.now
        if self.rng.random() < 0.7 and "key" not in arguments:
            arguments["at"] = now - self.rng.choice(
                [0, 1, times.MINUTE, times.HOUR, 5 * times.HOUR, times.DAY, 9 * times.DAY, 40 * times.DAY, 200 * times.DAY,
                 500 * times.DAY, -times.DAY])
        return operation

    def _clear_caps(self):
        return self._call("clear_caps", subject=self._subject(), feature=self._feature("metered"))

    def _set_usage(self):
        operation = self._paying("set_usage", "metered", "metered", "capacity", without=("boolean", "static", "rate"))
        arguments = operation["arguments"]
        amount = arguments.pop("amount")
        arguments["used"] = amount if amount is None or amount < 2**62 else 7
        if self.rng.random() < 0.3 and "key" not in arguments:
            arguments["used"] = 0
        return operation

    def _explain(self):
        subject, feature = self._subject(), self._feature()
        return self._call("explain", subject=subject, feature=feature, amount=self._amount(subject, feature))

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

    def _usage(self):
        """Of a time that ends before a hold expired: who notices when is nobody's business, and it is booked then."""
        rng, world = self.rng, self.world
        subject, feature = self._subject(), self._feature("metered", "capacity")
        expired = [
            world.holds[entry.debit].expires_at for entry in world.ledger.values()
            if entry.kind == "expiry" and entry.feature == feature and reports.within(entry.subject, subject or "")
        ]
        latest = min(expired, default=None)
        since = (world.now if latest is None else latest) - rng.choice([0, times.HOUR, 5 * times.DAY, 40 * times.DAY, 900 * times.DAY])
        arguments = {"subject": subject, "feature": feature, "since": since}
        if latest is not None or rng.random() < 0.3:
            arguments["until"] = latest if latest is not None else world.now - rng.choice([0, times.HOUR, -1])
        if rng.random() < 0.8:
            arguments["step"] = rng.choice(["hour", "day", "week", "month", "year"])
        if rng.random() < 0.7:
            arguments["timezone"] = rng.choice(catalogs.ZONES)
        return self._call("usage", **arguments)

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
        if at < now:  # not behind what has come due and was noticed
            at = min(now, max(at, self.world.settings["no way back"]))
        return {"do": "set", "setting": "clock", "value": at}

    def _boundary(self):
        """An instant near at which something ends, or now."""
        feature = self._feature("metered", "capacity")
        if feature not in self.world.features:
            return self.world.now
        world = self.world
        found = accounts(world, self.rng.choice(SUBJECTS), feature)
        ends = [a.end for a in found if a.end]
        ends += [cap.end for a in found for cap in caps.states(world, a) if cap.end]
        ends += [world.now + int(wait) for a in found for wait in [rates.wait(world, a, 1)] if wait]
        ends += [s.ends_at for s in world.subscriptions.values() if s.ends_at and s.ends_at > world.now]
        ends += [s.next.at for s in world.subscriptions.values() if s.next]
        ends += [hold.expires_at for hold in world.holds.values() if hold.state == "open"][-3:]
        ends += [end for end in map(self._end_of_grant, list(world.grants.values())[-4:]) if end]
        return self.rng.choice(ends) if ends else world.now

    def _end_of_grant(self, grant):
        """Of its present period; of one to come its beginning."""
        now = self.world.now
        return grant.effective_at if now < grant.effective_at else grants.period_at(grant, now)[1]

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
        if "quantity" in self.can and self.rng.random() < 0.5:
            arguments["quantity"] = self.rng.choice([1, 2, 3, 10])
        return self._call("subscribe", **arguments)

    def _change_plan(self):
        operation = self._call("change_plan", subject=self._subscriber(), plan=self._plan())
        if "scheduled" in self.can and self.rng.random() < 0.4:
            operation["arguments"]["effective"] = self.rng.choice(["period_end", "period_end", "now"])
        if "usage" in self.can and self.rng.random() < 0.6:
            operation["arguments"]["usage"] = self.rng.choice(["keep", "reset", "prorate", "prorate"])
        return operation

    def _amend(self):
        rng, now, changes = self.rng, self.world.now, {}
        live = sorted({sub.subject for sub in self.world.subscriptions.values() if sub.ends_at is None or sub.ends_at > now})
        subject = rng.choice(live) if live and rng.random() < 0.9 else self._subscriber()
        keys = ["ends_at", "timezone", "timezone", "quantity", "quantity", "metadata"]
        if any(not sub.activated for sub in self.world.subscriptions.values() if sub.subject == subject) or rng.random() < 0.05:
            keys += ["trial_ends_at"] * 3
        for key in rng.sample(keys, rng.choice([1, 1, 1, 2])):
            if rng.random() < 0.12:
                changes[key] = None
            elif key in ("trial_ends_at", "ends_at"):
                changes[key] = now + rng.choice([times.HOUR, 3 * times.DAY, 20 * times.DAY, 100 * times.DAY, 400 * times.DAY, 0])
            else:
                changes[key] = rng.choice({"timezone": catalogs.ZONES, "quantity": [1, 1, 2, 3, 4, 10, 0], "metadata": METADATA}[key])
        if rng.random() < 0.02:
            changes["plan"] = "pro"
        return self._call("amend", subject=subject, changes=changes)

    def _migrate(self):
        behind = [name for name in sorted(self.world.plans) if older(self.world, name)]
        plan = self.rng.choice(behind) if behind and self.rng.random() < 0.8 else self._plan()
        operation = self._call("migrate", plan=plan)
        if self.rng.random() < 0.3:  # all or none: which ones come first is nobody's business
            operation["arguments"]["max_subjects"] = self.rng.choice([100, 2**31 - 1, 0, -1])
        return operation

    def _preview(self):
        operation = self._call("preview", subject=self._subscriber(), plan=self._plan())
        if self.rng.random() < 0.6:
            operation["arguments"]["usage"] = self.rng.choice(["reset", "prorate", "keep", "often"])
        return operation

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
        operation = self._call("set_status", subject=self._subscriber(), status=self.rng.choice(STATUSES))
        if "pauses" in self.can and operation["arguments"]["status"] == "paused" and self.rng.random() < 0.6:
            operation["arguments"]["until"] = self.world.now + self.rng.choice([times.HOUR, times.DAY, 20 * times.DAY, -times.HOUR])
        return operation

    def _override(self):
        feature = self._feature()
        entitlement = None
        if feature in self.world.features and self.rng.random() < 0.7:
            entitlement = catalogs.entitlement(self.rng, self.world.features[feature].kind, self.can)
        return self._call("override", subject=self._subject(), feature=feature, entitlement=entitlement)

    def _apply_catalog(self):
        self.catalog = catalogs.changed(self.rng, self.catalog, self.can)
        operation = self._call("apply_catalog", catalog=self.catalog)
        if self.rng.random() < 0.2:
            operation["arguments"]["dry_run"] = True
        return operation


def hash_of(text):
    """Small and the same in every process, unlike hash()."""
    return sum(text.encode())

"""A world for the oracle's unit tests: one catalog, calls in a line each."""

from oracle import times
from oracle.calls import call
from oracle.errors import Fault
from oracle.world import World

CHECK = "allowed reason allowance used remaining resets_at retry_after blocked_by".split()
STATUS = "feature kind plan allowed allowance used reserved remaining overage value period_start resets_at unit".split()


class Story:
    """tokens is metered, seats capacity, api a rate; terms are those of plan "free",
    the default, and "pro"; the clock begins on 2024-01-10 12:00 UTC."""

    def __init__(self, free=None, pro=None, **plan):
        self.world = World(times.instant("2024-01-10T12:00"))
        self.catalog(free, pro, **plan)

    def catalog(self, free=None, pro=None, **plan):
        plans = {"free": {"default": True, "entitlements": free or {}}, "pro": {"entitlements": pro or {}} | plan}
        features = {"tokens": {"kind": "metered"}, "seats": {"kind": "capacity"}, "api": {"kind": "rate"}}
        self.call("apply_catalog", catalog={"features": features, "plans": plans})

    def at(self, text):
        """Sets the clock: a day and time, or a time of January 2024's day 10."""
        self.world.settings["now"] = times.instant(text if "-" in text else f"2024-01-10T{text}")

    def call(self, function, *subject, **arguments):
        """Rows."""
        if subject:
            arguments["subject"] = subject[0]
            if len(subject) > 1:
                arguments["feature"] = subject[1]
        return call(self.world, function, arguments)

    def one(self, function, *subject, **arguments):
        return self.call(function, *subject, **arguments)[0]

    def debit(self, amount, subject="acme", feature="tokens", **more):
        """Its id."""
        return self.one("debit", subject, feature, amount=amount, **more)[0]

    def take(self, amount, subject="acme", feature="tokens"):
        """try_debit's reason."""
        return self.one("try_debit", subject, feature, amount=amount)[1]

    def check(self, column, subject="acme", feature="tokens", amount=1):
        return self.one("check", subject, feature, amount=amount)[CHECK.index(column)]

    def left(self, subject="acme", feature="tokens"):
        return self.check("remaining", subject, feature)

    def numbers(self, subject="acme", feature="tokens"):
        """(allowance, used, remaining)"""
        return self.one("check", subject, feature)[2:5]

    def status(self, column, subject="acme", feature="tokens"):
        rows = {row[0]: row for row in self.call("status", subject)}
        return rows[feature][STATUS.index(column)]

    def fails(self, function, *subject, **arguments):
        """Its SQLSTATE."""
        try:
            return self.call(function, *subject, **arguments)
        except Fault as fault:
            return fault.sqlstate


def metered(allowance, period="month", **terms):
    return {"tokens": {"allowance": allowance, "period": period} | terms}


def day(text):
    """An instant."""
    return times.instant(text)

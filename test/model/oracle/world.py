"""The state of one database, and the records in it."""

from typing import Any, NamedTuple, Optional

from .journal import Journal, Table


class Feature(NamedTuple):
    kind: str  # metered, capacity, rate, boolean, static
    unit: Optional[str]
    title: Optional[str]


class Entitlement(NamedTuple):
    """What a plan or an override gives of a feature."""

    allowance: Optional[int]  # units; None: unlimited
    period: Optional[str]  # None: lifetime
    anchor: str  # calendar, subscription, or a time as text
    value: Any  # boolean and static


class Version(NamedTuple):
    """A plan's terms; a change of them makes a new one."""

    period: str  # billing period
    entitlements: dict  # feature -> Entitlement


class Plan(NamedTuple):
    title: Optional[str]
    metadata: dict
    default: bool
    retired: bool
    version: int  # the newest


class Subscription(NamedTuple):
    id: int
    subject: str
    plan: str
    version: int
    status: str  # trialing, active, past_due, paused
    starts_at: int
    ends_at: Optional[int]  # as things stand: end of trial and cancellation included
    booked_end: Optional[int]  # as subscribe() was told
    trial_end: Optional[int]
    activated: bool  # no trial, or set to active before its end
    cancelled: bool
    zone: str


class Override(NamedTuple):
    entitlement: Entitlement
    set_at: int


class Bucket(NamedTuple):
    """Use of one account in one window, by where it was taken from."""

    allowance: int = 0
    overdrawn: int = 0

    @property
    def used(self):
        return self.allowance + self.overdrawn


class Part(NamedTuple):
    """What a debit still holds of one bucket.  It follows its window when another
    one takes the use over."""

    debit_id: int
    account: str
    source: str  # allowance, overdrawn
    window: tuple  # key of the bucket
    left: int  # units


class Entry(NamedTuple):
    """A line of the ledger."""

    operation: int
    debit: int  # the debit that a refund belongs to; else the operation itself
    at: int
    subject: str
    account: str
    feature: str
    kind: str  # debit, refund, give_back, correction, transfer
    source: str  # allowance, overdrawn, capacity
    amount: int  # > 0 taken, < 0 given back
    window: Any  # key of the bucket, None for capacity
    metadata: Any


class Operation(NamedTuple):
    """A call that was charged, as a refund finds it again."""

    kind: str
    subject: str
    feature: str
    amount: int  # units charged
    refunded: int  # units
    levels: tuple  # prefixes charged, the highest first
    parts: tuple  # numbers of its parts, in the order taken


class World:
    """Everything that a transaction can change, and the journal of it."""

    def __init__(self, now):
        self.journal = Journal()
        table = lambda: Table(self.journal)  # noqa: E731
        self.settings = table()  # now, enforcement
        self.features = table()
        self.plans = table()
        self.versions = table()  # (plan, number) -> Version
        self.subscriptions = table()  # id -> Subscription
        self.subject_subscriptions = table()  # subject -> ids
        self.overrides = table()  # (subject, feature) -> Override
        self.buckets = table()  # window key -> Bucket
        self.moved = table()  # window key -> the window that took its use over
        self.parts = table()  # running number -> Part
        self.capacity = table()  # (subject, feature) -> units held
        self.ledger = table()  # running number -> Entry
        self.operations = table()  # id -> Operation
        self.keys = table()  # (subject, key) -> what was asked and answered
        self.denials = table()  # (day, subject, feature, reason) -> (times, last_at)
        self.settings["now"] = now
        self.settings["enforcement"] = "enforce"
        self.journal.forget()
        self._last_id = 0

    @property
    def now(self):
        return self.settings["now"]

    @property
    def observing(self):
        return self.settings["enforcement"] == "observe"

    def next_id(self):
        """Never used again, also after a rollback, as a sequence's."""
        self._last_id += 1
        return self._last_id

    def post(self, operation, subject, account, feature, kind, source, amount, window, metadata, debit=None):
        """A new line of the ledger."""
        self.ledger[len(self.ledger)] = Entry(
            operation, debit or operation, self.now, subject, account, feature, kind, source, amount, window, metadata
        )

    def default_plan(self):
        """Name of the default plan, or None."""
        for name, plan in self.plans.items():
            if plan.default and not plan.retired:
                return name
        return None

    def newest(self, plan):
        return self.versions[plan, self.plans[plan].version]

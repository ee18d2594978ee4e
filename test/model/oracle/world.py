"""The state of one database, and the records in it."""

from fractions import Fraction
from typing import Any, NamedTuple, Optional

from .journal import Journal, Table


class Feature(NamedTuple):
    kind: str  # metered, capacity, rate, boolean, static
    unit: Optional[str]
    title: Optional[str]


class Cap(NamedTuple):
    """A further window of an entitlement."""

    limit: int  # units
    per: str
    first_use: bool


class Rate(NamedTuple):
    """So many per time, at most `burst` at once."""

    limit: int  # units
    per: int  # microseconds
    burst: int  # units

    @property
    def interval(self):
        """Between two units, in microseconds."""
        return Fraction(self.per, self.limit)


class Entitlement(NamedTuple):
    """What a plan or an override gives of a feature."""

    allowance: Optional[int]  # units; None: unlimited
    period: Optional[str]  # None: lifetime
    anchor: str  # calendar, subscription, or a time as text
    value: Any = None  # boolean and static
    rollover: Optional[int] = None  # units at most; None: nothing rolls over
    overage: Optional[int] = 0  # units at most; None: without limit
    caps: tuple = ()
    rate: Optional[Rate] = None
    notify: tuple = ()  # ("percent" or "remaining", number)
    times_quantity: bool = False  # units are for each of the subscription's quantity
    members: Any = None  # Entitlement of every subject one segment below


NOTHING = Entitlement(0, None, "calendar")  # of an account of grants alone


class Version(NamedTuple):
    """A plan's terms; a change of them makes a new one."""

    period: str  # billing period
    entitlements: dict  # feature -> Entitlement
    grace: Optional[str] = None  # how long past_due goes on as active


class Plan(NamedTuple):
    title: Optional[str]
    metadata: dict
    default: bool
    retired: bool
    version: int  # the newest


class Scheduled(NamedTuple):
    """A change of plan that is to come."""

    plan: str
    version: int  # as of the call
    usage: str
    at: int


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
    anchor_at: int  # from where billing periods count: starts_at, or the last reset
    source: int  # of its buckets; a reset draws another
    past_due_since: Optional[int] = None
    next: Optional[Scheduled] = None
    quantity: int = 1
    paused_from: Optional[str] = None  # paused: the status before
    paused_until: Optional[int] = None  # paused: when that counts again
    metadata: Any = None  # {}: none


class Override(NamedTuple):
    entitlement: Entitlement
    set_at: int


SOURCES = ("allowance", "grant", "overage", "overdrawn")  # in the order of taking

# A new version of the default plan reaches everybody's windows with their next charge, some of them at once; so does
# the plan of a team the windows of members whose terms stay.
NEWER = "newer"


class Bucket(NamedTuple):
    """Use of one account in one window, by where it was taken from."""

    allowance: int = 0  # units, as those that follow
    grant: int = 0
    overage: int = 0
    overdrawn: int = 0
    rolled_out: int = 0  # taken along by the next period
    rolled_in: Optional[int] = None  # fixed by the first charge; None: none was fixed
    prorated: Optional[int] = None  # allowance in place of the plan's
    limit: Optional[int] = 0  # allowance as it was last known; None: unlimited
    plan: Any = None  # (name, version) as it was last known, or NEWER

    @property
    def open(self):
        """Will the next charge fix what rolls over into it?"""
        return self.rolled_in is None and not self.debited

    @property
    def used(self):
        return self.debited + self.rolled_out

    @property
    def debited(self):
        return self.allowance + self.grant + self.overage + self.overdrawn


class Part(NamedTuple):
    """What a debit still holds of one bucket.  It follows its window when another
    one takes the use over."""

    debit_id: int
    account: str
    source: str  # of SOURCES
    grant: Optional[tuple]  # (id, start of its period), for source grant
    window: tuple  # key of the bucket
    counted: Any  # the account's source when it was charged, by which caps are found
    at: int
    left: int  # units


class Grant(NamedTuple):
    id: int
    subject: str
    feature: str
    amount: int  # units, of each period
    priority: int
    effective_at: int
    expires_at: Optional[int]
    every: Optional[str]  # period
    zone: str
    created_at: int
    revoked: bool
    source: str
    beyond_caps: bool = False


class CapUse(NamedTuple):
    """What a cap has counted in its window [opened_at, closes_at)."""

    opened_at: int
    closes_at: int
    used: int  # units
    cleared: int = 0  # parts with a smaller number restore it no more


class Hold(NamedTuple):
    """Room that is reserved; what it took from where are the parts of its operation."""

    reserved: int  # units
    ttl: int  # microseconds
    expires_at: int
    state: str  # open, expired, closed
    rated: tuple  # (level, units that it took of the rate there)
    created_at: int
    metadata: Any
    answer: Optional[tuple] = None  # once closed: (charged, overdrawn)


class Entry(NamedTuple):
    """A line of the ledger."""

    operation: int
    debit: int  # the debit that a refund belongs to; else the operation itself
    at: int
    subject: str
    account: str
    feature: str
    kind: str  # debit, refund, give_back, correction, transfer, reserve, settle, release, expiry
    source: str  # of SOURCES, or capacity
    amount: int  # > 0 taken, < 0 given back
    window: Any  # key of the bucket, None for capacity
    metadata: Any


class Event(NamedTuple):
    at: int
    type: str
    subject: str
    feature: Optional[str]
    data: dict


class Operation(NamedTuple):
    """A call that was charged, as a refund finds it again."""

    kind: str  # debit, hold, refund, give_back, correction, transfer
    subject: str
    feature: str
    amount: int  # units charged
    refunded: int  # units
    levels: tuple  # prefixes charged, the highest first
    parts: tuple  # numbers of its parts, in the order taken
    began: Optional[tuple] = None  # levels before an extend of the hold met others; None: the same


class Action(NamedTuple):
    """An entry of the price book."""

    requires: tuple  # features
    charges: dict  # feature -> (base, {dimension: price}); dimension "": units of charge()
    retired: bool


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
        self.grants = table()  # id -> Grant
        self.grant_used = table()  # (grant, start of its period) -> units
        self.grant_taken = table()  # (window key, grant, start of its period) -> units
        self.caps = table()  # (prefix, feature, source, period, start or "first use") -> CapUse
        self.rates = table()  # (prefix, feature) -> (when the burst is full again, (limit, per) of the rate that was taken)
        self.holds = table()  # id of the operation -> Hold
        self.actions = table()  # name -> Action
        self.capacity = table()  # (subject, feature) -> units held
        self.ledger = table()  # running number -> Entry
        self.operations = table()  # id -> Operation
        self.keys = table()  # (subject, key) -> what was asked and answered
        self.events = table()  # running number -> Event
        self.told = table()  # ("grant" or "hold", id) of what has expired and been told of
        self.denials = table()  # (day, subject, feature, reason) -> (times, last_at)
        self.gates = table()  # (table, feature) -> Gate
        self.remembered = table()  # (table, feature, id, part) -> (subject, units) of rows of gates that remember
        self.tables = table()  # name -> do its rows go with their folder?
        self.rows = table()  # (table, id, part) -> Row
        self.folders = table()  # id -> tenant
        self.settings["now"] = now
        self.settings["enforcement"] = "enforce"
        self.settings["no way back"] = now - 10**18  # what has come due by then stays so
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

    def tell(self, type, subject, feature=None, **data):
        """A new event."""
        self.events[len(self.events)] = Event(self.now, type, subject, feature, data)

    def book_under(self, operation, debit):
        """The lines of an operation belong to an earlier one."""
        for number, entry in list(self.ledger.items()):
            if entry.operation == operation:
                self.ledger[number] = entry._replace(debit=debit)

    def default_plan(self):
        """Name of the default plan, or None."""
        for name, plan in self.plans.items():
            if plan.default and not plan.retired:
                return name
        return None

    def newest(self, plan):
        return self.versions[plan, self.plans[plan].version]

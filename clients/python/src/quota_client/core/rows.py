"""The rows that quota's functions return, column for column."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple, Optional


class Debit(NamedTuple):
    id: Optional[int]
    remaining: Optional[int]
    resets_at: Optional[datetime]


class TryDebit(NamedTuple):
    allowed: bool
    reason: str
    id: Optional[int]
    debited: int
    remaining: Optional[int]
    resets_at: Optional[datetime]
    retry_after: Optional[timedelta]
    blocked_by: Optional[str]


class FeatureDebit(NamedTuple):
    feature: str
    id: Optional[int]
    remaining: Optional[int]
    resets_at: Optional[datetime]


class Charge(NamedTuple):
    feature: str
    id: Optional[int]
    charged: int
    remaining: Optional[int]
    resets_at: Optional[datetime]


class Refund(NamedTuple):
    id: Optional[int]
    refunded: int
    remaining: Optional[int]


class Entry(NamedTuple):
    """Of give_back, credit and set_usage."""

    id: Optional[int]
    remaining: Optional[int]


class Throttle(NamedTuple):
    allowed: bool
    remaining: int
    retry_after: Optional[timedelta]


class Reserve(NamedTuple):
    id: Optional[int]
    reserved: int
    remaining: Optional[int]
    expires_at: datetime


class Extend(NamedTuple):
    reserved: int
    remaining: Optional[int]
    expires_at: datetime


class Settle(NamedTuple):
    id: Optional[int]
    charged: int
    overdrawn: int
    remaining: Optional[int]


class Release(NamedTuple):
    released: int
    remaining: Optional[int]


class Record(NamedTuple):
    id: Optional[int]
    overdrawn: int
    remaining: Optional[int]


class Quote(NamedTuple):
    feature: str
    amount: int


class ApiKeyOwner(NamedTuple):
    subject: str
    key_id: int
    scopes: list[str]


class Check(NamedTuple):
    allowed: bool
    reason: str
    allowance: Optional[int]
    used: int
    remaining: Optional[int]
    resets_at: Optional[datetime]
    retry_after: Optional[timedelta]
    blocked_by: Optional[str]


class Status(NamedTuple):
    feature: str
    kind: str
    plan: Optional[str]
    allowed: bool
    allowance: Optional[int]
    used: int
    reserved: int
    remaining: Optional[int]
    overage: Optional[int]
    value: Any
    period_start: Optional[datetime]
    resets_at: Optional[datetime]
    unit: Optional[str]
    title: Optional[str]


class Explain(NamedTuple):
    step: int
    level: Optional[str]
    source: str
    detail: Optional[str]
    available: Optional[int]
    takes: Optional[int]
    verdict: Optional[str]


class Offer(NamedTuple):
    plan: str
    title: Optional[str]
    allowance: Optional[int]
    metadata: Any


class Usage(NamedTuple):
    bucket: datetime
    used: int
    debits: int


class Breakdown(NamedTuple):
    name: Optional[str]
    used: int
    entries: int


class Plan(NamedTuple):
    plan: str
    title: Optional[str]
    is_default: bool
    entitlements: Any
    metadata: Any


class Preview(NamedTuple):
    feature: str
    kind: str
    allowance: Optional[int]
    used: int
    remaining: Optional[int]
    value: Any
    fits: bool


class StatementEntry(NamedTuple):
    id: int
    at: datetime
    subject: str
    kind: str
    amount: int
    source: str
    running: int
    metadata: Any


class CatalogChange(NamedTuple):
    object: str
    name: str
    change: str


class ApiKey(NamedTuple):
    id: int
    secret: str


class Maintained(NamedTuple):
    task: str
    rows: int


class Finding(NamedTuple):
    """Of verify: an invariant that does not hold."""

    check_name: str
    subject: Optional[str]
    feature: Optional[str]
    detail: Optional[str]


class Simulated(NamedTuple):
    subject: str
    feature: str
    used: int
    allowance_now: Optional[int]
    allowance_then: Optional[int]
    blocked_now: bool
    blocked_then: bool
    overage_then: Optional[int]


class Recount(NamedTuple):
    subject: str
    recorded: int
    actual: int

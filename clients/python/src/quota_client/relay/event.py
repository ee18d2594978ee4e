"""An event as it goes out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """`payload` is the body of its message: a JSON object of type, timestamp and data (id, subject, feature, actor,
    data), as Standard Webhooks recommends.  `message_id` stays the same however often it is sent."""

    id: int
    xid: str
    message_id: str
    type: str
    subject: str | None
    feature: str | None
    payload: str

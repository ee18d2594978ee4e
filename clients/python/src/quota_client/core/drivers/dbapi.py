"""What the drivers with cursors and %s have in common."""

from __future__ import annotations

from typing import Any

from ..call import Call


def rendered(call: Call[Any]) -> tuple[str, list[Any]]:
    """The statement and its parameters."""
    return call.statement(lambda number, name: "%s"), list(call.arguments.values())

"""One definition of each call, two ways to make it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from .call import Call
from .run import arun, run

P = ParamSpec("P")
T = TypeVar("T")


def _dressed(function: Callable[..., Any], define: Callable[..., Any]) -> None:
    """Name, words and signature of the definition, with the connection first."""
    functools.update_wrapper(function, define)
    given = inspect.signature(define)
    connection = inspect.Parameter("connection", inspect.Parameter.POSITIONAL_ONLY)
    function.__signature__ = given.replace(parameters=[connection, *given.parameters.values()])  # type: ignore[attr-defined]


def at_once(define: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], T]:
    """define(...) as function(connection, ...)."""

    def make(connection: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(connection, define(*args, **kwargs))

    _dressed(make, define)
    return make


def awaited(define: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], Awaitable[T]]:
    """define(...) as await function(connection, ...)."""

    async def make(connection: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await arun(connection, define(*args, **kwargs))

    _dressed(make, define)
    return make

"""Making calls: at once or awaited, on an open connection or in short transactions of their own.

What takes several calls is a generator of Steps, written once; drive() and adrive() carry it out.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from . import drivers
from .call import Call
from .errors import is_unknown, refusals

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """Calls made one after the other; the answer is the last one's.

    On `connection`, in its transaction; without one in a transaction of their own, committed when they are answered.
    """

    calls: tuple[Call[Any], ...]
    connection: Any = None


Steps = Generator[Step, Any, T]


@contextlib.contextmanager
def _answers(call: Call[Any]) -> Iterator[None]:
    """Errors of a call as the caller gets them."""
    try:
        with refusals(asked_quota=True):
            yield
    except Exception as error:
        if not is_unknown(error, call.function):
            raise
        raise TypeError(f"quota.{call.function} takes no ({', '.join(call.arguments)})") from error


def run(connection: Any, call: Call[T]) -> T:
    """Make a call in the connection's transaction."""
    with _answers(call):
        rows = drivers.of(connection).fetch(connection, call)
    return call.read(rows)


async def arun(connection: Any, call: Call[T]) -> T:
    """Make a call in the connection's transaction."""
    with _answers(call):
        rows = await drivers.async_of(connection).fetch(connection, call)
    return call.read(rows)


def must_open(bind: Any) -> None:
    """TypeError where `bind` is an open connection instead of what opens them."""
    if drivers.is_connection(bind):
        raise TypeError("this commits by itself: give it the engine, sessionmaker, pool or function that opens connections")


def _module_of(thing: Any) -> str:
    return type(thing).__module__


@contextlib.contextmanager
def begin(bind: Any) -> Iterator[Any]:
    """A connection in a transaction of its own, which is committed at the end.

    bind  a SQLAlchemy Engine or sessionmaker; a psycopg 3 or psycopg 2 pool; a function that opens a connection or
          returns a context manager of one; or any object with such a method `begin`
    """
    must_open(bind)
    if hasattr(bind, "begin"):
        with bind.begin() as connection:
            yield connection
    else:
        with _opened(bind) as connection, drivers.of(connection).transaction(connection):
            yield connection


def _opened(bind: Any) -> AbstractContextManager[Any]:
    if _module_of(bind).startswith("psycopg2."):
        return _taken(bind)
    opened: Any = bind.connection() if _module_of(bind).startswith("psycopg_pool") else bind()
    block: AbstractContextManager[Any] = contextlib.closing(opened) if drivers.is_connection(opened) else opened
    return block


@contextlib.contextmanager
def _taken(pool: Any) -> Iterator[Any]:
    connection = pool.getconn()
    try:
        yield connection
    finally:
        pool.putconn(connection)


@contextlib.asynccontextmanager
async def abegin(bind: Any) -> AsyncIterator[Any]:
    """A connection in a transaction of its own, which is committed at the end.

    bind  a SQLAlchemy AsyncEngine, or sessionmaker of AsyncSessions; a psycopg 3 or asyncpg pool; a function that
          opens a connection, awaited if need be, or returns an asynchronous context manager of one
    """
    must_open(bind)
    if _module_of(bind).startswith("psycopg_pool"):
        opened = bind.connection()
    elif _module_of(bind).startswith("asyncpg."):
        opened = bind.acquire()
    elif callable(bind):
        opened = bind()
    else:
        opened = bind.connect()
    if not hasattr(opened, "__aenter__"):
        opened = _aclosing(await opened)
    async with opened as connection, drivers.async_of(connection).transaction(connection):
        yield connection


@contextlib.asynccontextmanager
async def _aclosing(connection: Any) -> AsyncIterator[Any]:
    try:
        yield connection
    finally:
        await connection.close()


def _advance(steps: Steps[Any], got: Any, failure: BaseException | None) -> Step:
    return steps.send(got) if failure is None else steps.throw(failure)


def drive(bind: Any, steps: Steps[T]) -> T:
    """Carry steps out."""
    got, failure = None, None
    while True:
        try:
            step = _advance(steps, got, failure)
        except StopIteration as done:
            result: T = done.value
            return result
        got, failure = None, None
        try:
            got = _perform(bind, step)
        except BaseException as error:
            failure = error


def _perform(bind: Any, step: Step) -> Any:
    if step.connection is not None:
        return [run(step.connection, call) for call in step.calls][-1]
    with begin(bind) as connection:
        return [run(connection, call) for call in step.calls][-1]


async def adrive(bind: Any, steps: Steps[T]) -> T:
    """Carry steps out."""
    got, failure = None, None
    while True:
        try:
            step = _advance(steps, got, failure)
        except StopIteration as done:
            result: T = done.value
            return result
        got, failure = None, None
        try:
            got = await _aperform(bind, step)
        except BaseException as error:
            failure = error


async def _aperform(bind: Any, step: Step) -> Any:
    if step.connection is not None:
        return [await arun(step.connection, call) for call in step.calls][-1]
    async with abegin(bind) as connection:
        return [await arun(connection, call) for call in step.calls][-1]

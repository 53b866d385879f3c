"""Functions that the app registered as answerers: what they promise, and how one is run.

Which question is whose is decided in `matching.py`; the order among all that a project registered in `registry.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, TypeAlias, cast

from greenai.answerers.matching import Route
from greenai.errors import InvalidRequest

__all__ = ["Answerer", "Function", "Outcome", "run", "version_of"]

Answerer: TypeAlias = Callable[[str], str | Awaitable[str | None] | None]
"""Takes the question; returns the text, or None to let the next rung try. Sync or async."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One registered function. `volatile` False says that the same question always has the same answer."""

    name: str
    call: Answerer = field(repr=False)
    route: Route
    volatile: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of running an app's function: its text or the error, the wall-clock and the core seconds it took."""

    text: str | None
    elapsed_s: float
    core_s: float
    error: BaseException | None = None


def run(call: Answerer, question: str, limit_s: float | None = None) -> Outcome | Awaitable[Outcome]:
    """Run a function on this thread; an async one is returned to be awaited by the driver, for at most `limit_s`.

    Only the core time of the steps that the function itself takes is counted: while it waits, others work. A sync
    function that hangs cannot be ended: it should have a time-out of its own.
    """
    started, core = time.perf_counter(), time.thread_time()
    try:
        said = call(question)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the app's own: the next rung answers
        return _outcome(None, started, time.thread_time() - core, error)
    core_s = time.thread_time() - core
    if inspect.isawaitable(said):
        return _awaited(said, started, core_s, limit_s)
    return _outcome(said, started, core_s)


async def _awaited(said: Awaitable[str | None], started: float, core_s: float, limit_s: float | None) -> Outcome:
    timed = _Timed(said)
    try:
        async with asyncio.timeout(limit_s):
            text = await timed
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # the call itself is cancelled, not a task of the function's own
        return _outcome(None, started, core_s + timed.core_s, error)
    except Exception as error:  # noqa: BLE001  # as in `run`
        return _outcome(None, started, core_s + timed.core_s, error)
    return _outcome(text, started, core_s + timed.core_s)


def _outcome(said: object, started: float, core_s: float, error: BaseException | None = None) -> Outcome:
    if error is None and said is not None and not isinstance(said, str):
        error = InvalidRequest(
            f"The answerer returned {type(said).__name__}. Return text, or None to let the next rung try."
        )
    text = said if isinstance(said, str) and said.strip() else None
    return Outcome(text=text, elapsed_s=time.perf_counter() - started, core_s=core_s, error=error)


class _Timed:
    """An awaitable that counts the core time of its own steps."""

    def __init__(self, inner: Awaitable[str | None]) -> None:
        self._inner = inner
        self.core_s = 0.0

    def __await__(self) -> Generator[Any, Any, str | None]:
        steps, sent, failed = _plain(self._inner), None, None
        while True:
            begun = time.thread_time()
            try:
                waits: Any = steps.send(sent) if failed is None else steps.throw(failed)
            except StopIteration as done:
                text: str | None = done.value
                return text
            finally:
                self.core_s += time.thread_time() - begun
            sent, failed = None, None
            try:
                sent = yield waits
            except BaseException as error:  # noqa: BLE001  # handed on, a cancellation too
                failed = error


async def _plain(awaitable: Awaitable[str | None]) -> str | None:
    return await awaitable


# --- what a function is made of -----------------------------------------------------------

_PLAIN = (type(None), type(...), bool, int, float, complex, str, bytes)


def version_of(call: Answerer) -> str | None:
    """Return what tells this function's code from another's, the same in every process; None where nothing can.

    Looked at are its instructions, the names and constants in them, its defaults and what it encloses, where these are
    plain values. Other functions and values of its module are known by their names alone.
    """
    if not isinstance(call, FunctionType):
        return None
    try:
        enclosed = [cell.cell_contents for cell in call.__closure__ or ()]
        told = [_told(part) for part in (call.__code__, call.__defaults__, call.__kwdefaults__, enclosed)]
    except (TypeError, ValueError, RecursionError):  # something that is not plain, an empty cell, a list within itself
        return None
    return hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()


def _told(value: object) -> object:
    """Return a value in a form whose `repr` is the same in every process.

    Raises:
        TypeError: there is no such form.
    """
    if isinstance(value, CodeType):
        names = (value.co_names, value.co_varnames, value.co_freevars, value.co_flags)
        return ("code", value.co_code, value.co_exceptiontable, names, [_told(part) for part in value.co_consts])
    if type(value) in _PLAIN:
        return value
    if type(value) in (tuple, list):
        return (type(value).__name__, [_told(part) for part in cast("Iterable[object]", value)])
    if type(value) in (set, frozenset):
        return ("set", sorted(repr(_told(part)) for part in cast("Iterable[object]", value)))
    if type(value) is dict:
        return ("dict", [(_told(key), _told(part)) for key, part in cast("dict[object, object]", value).items()])
    raise TypeError(type(value).__name__)

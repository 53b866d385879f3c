"""Who is told of calls: observers of one client or of the whole process, and blocks that collect receipts.

    told                    of                                        by
    ────                    ──                                        ──
    `Client(observers=)`    the calls of that client and its copies   steps/telling.py, where the call ends
    `observe(observer)`     every call of the process                 the same
    `collecting()`          the calls that are begun in the block     the same
    `last_receipt()`        the latest call of this context           the same, and drivers.py for an awaited one
    `last_receipt(reply)`   that of a function under `@green`         integrations/decorator.py

An observer is any callable that takes a finished receipt. One that has `finished` is given the call's facts with it,
and one that has `failed` is told of calls that have no receipt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from greenai._locks import Lock
from greenai.around import Around, Stretches
from greenai.errors import InvalidRequest
from greenai.units import format_energy, format_interval
from greenai.values import Entry, Receipt, Request

__all__ = ["DEFAULT", "Asked", "Observer", "Watcher", "collecting", "last_receipt", "log", "observe"]

logger = logging.getLogger("greenai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is known of a call besides its receipt, also where it has none. No text of the prompt is in it.

    Attributes:
        call_id: the receipt's.
        entry: `ask` or `create`.
        model: as the app named it; None where greenai was to choose.
        stream: whether the answer was streamed.
        project: whose call it was.
        feature: for which part of the app.
        parent: the call that this one is the escalation of.
        numbers: openai's arguments that are numbers, such as `temperature`.
        started_ns: when it began, in nanoseconds since 1970.
        duration_ns: how long it took.
        context: the context variables as they were when it began.
    """

    call_id: str
    entry: Entry
    model: str | None
    stream: bool
    project: str
    feature: str | None
    parent: str | None
    numbers: Mapping[str, float]
    started_ns: int
    duration_ns: int
    context: Context = field(repr=False, compare=False)


class Observer(Protocol):
    """What an app may register: called with every receipt, from whichever thread finished the call."""

    def __call__(self, receipt: Receipt, /) -> None:
        """Take one receipt. What this raises is logged and never reaches the caller."""
        ...


class Watcher(Protocol):
    """What an app may register to be told more: `finished` in place of being called, and `failed`."""

    def finished(self, receipt: Receipt, asked: Asked, /) -> None:
        """Take the receipt of one call, and what else is known of it."""
        ...

    def failed(self, error: BaseException, asked: Asked, /) -> None:
        """Take the error that a call ended with; a `CancelledError` where it was cancelled."""
        ...


AnyObserver: TypeAlias = "Observer | Watcher"


def log(receipt: Receipt) -> None:
    """Log one line per call at DEBUG level; never the prompt."""
    if logger.isEnabledFor(logging.DEBUG):
        energy = receipt.energy
        logger.debug(
            "%s %s by %s: %s (%s, %s)",
            receipt.call_id,
            receipt.outcome,
            receipt.model,
            format_energy(energy.energy_j),
            format_interval(energy.low_j, energy.high_j),
            energy.evidence,
        )


DEFAULT: Sequence[Observer] = (log,)


# --- the whole process --------------------------------------------------------------------

_everywhere: tuple[AnyObserver, ...] = ()
_changing = Lock()


def observe(observer: AnyObserver) -> Callable[[], None]:
    """Tell an observer of every call of this process, also of clients that are there already.

    Returns:
        What ends it; calling that again changes nothing.
    """
    global _everywhere  # noqa: PLW0603 (it is the process's)
    with _changing:
        _everywhere = (*_everywhere, observer)
    left = [observer]

    def remove() -> None:
        global _everywhere  # noqa: PLW0603
        with _changing:
            if left:
                kept = list(_everywhere)
                del kept[next(n for n, other in enumerate(kept) if other is left[0])]
                _everywhere = tuple(kept)
                left.clear()

    return remove


def everywhere() -> tuple[AnyObserver, ...]:
    """Return who observes the whole process."""
    return _everywhere


# --- one context --------------------------------------------------------------------------


class Collected(list[Receipt]):
    """The receipts of a block. `begun` counts its calls, also those that have no receipt, or none yet."""

    begun = 0
    at_first: Callable[[], None] | None = None

    def begin(self) -> None:
        """Count a call that begins."""
        self.begun += 1
        if self.begun == 1 and self.at_first is not None:
            self.at_first()


_collecting: Around[Collected] = Around("greenai_collecting")
_last: ContextVar[Receipt | None] = ContextVar("greenai_last_receipt", default=None)


@contextmanager
def collecting() -> Generator[list[Receipt]]:
    """Collect the receipts of the calls that are begun while the block runs, in its context or in a task begun there.

    A call that ends after the block, as a stream may, is added when it ends. A thread of your own belongs to the block
    where it runs in a copy of its context, as with `asyncio.to_thread`.
    """
    collected = Collected()
    with _collecting.within(collected):
        yield collected


def collecting_in_stretches() -> tuple[Collected, Stretches[Collected]]:
    """Return what collects receipts as `collecting` does, and the stretches of time in which it does."""
    collected = Collected()
    return collected, _collecting.stretches(collected)


def last_receipt(function: Callable[..., Any] | None = None, /) -> Receipt | None:
    """Return the receipt of the latest call that finished in this context; None where none has.

    A task's calls are its own: what began it does not see them (`collecting` does). A stream's call finishes when the
    stream is read to its end or closed. A call that failed has no receipt, and changes nothing here.

    Args:
        function: one that is decorated with `@green`: then the latest call is that of this function.

    Raises:
        InvalidRequest: the function is not decorated.
    """
    if function is None:
        return _last.get()
    told: Any = getattr(function, "last_receipt", None)
    if told is None:
        raise InvalidRequest(
            f"{getattr(function, '__qualname__', function)!s} has no receipts, since it is not decorated. "
            "Write @green above it, or ask for the latest call of any: last_receipt()."
        )
    found: Receipt | None = told()
    return found


def keep_last(receipt: Receipt) -> None:
    """Have `last_receipt` return this one in the present context."""
    _last.set(receipt)


def take_last(context: Context) -> None:
    """Have `last_receipt` return here what it returns in a context that a call of this one ran in."""
    receipt = context.get(_last)
    if receipt is not None:
        _last.set(receipt)


# --- one call -----------------------------------------------------------------------------


class Watch:
    """When and where a call began, and who was to be told of it then."""

    __slots__ = ("_context", "_ticks_ns", "lists")

    def __init__(self) -> None:
        self.lists = _collecting.get()
        for collected in self.lists:
            collected.begin()
        self._context = copy_context()
        self._ticks_ns = time.perf_counter_ns()

    def asked(self, request: Request) -> Asked:
        """Return the facts of a call that ends now."""
        duration_ns = time.perf_counter_ns() - self._ticks_ns
        return Asked(
            call_id=request.call_id,
            entry=request.entry,
            model=request.model,
            stream=request.stream,
            project=request.options.project,
            feature=request.options.feature,
            parent=request.parent,
            numbers={name: v for name, v in request.arguments.items() if type(v) in (int, float)},
            started_ns=time.time_ns() - duration_ns,
            duration_ns=duration_ns,
            context=self._context,
        )

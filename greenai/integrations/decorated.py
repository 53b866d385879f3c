"""A decorated function: what is known of it, whose session books its calls, and what stands around one of them."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from greenai import hooks
from greenai._locks import Lock
from greenai.answerers import shelf
from greenai.opt_ins import blocks
from greenai.session import Session
from greenai.spending import runs

if TYPE_CHECKING:
    from greenai.around import Stretches
    from greenai.integrations.typed import Typed
    from greenai.opt_ins import Block
    from greenai.settings import Settings
    from greenai.spending import Run, Spending
    from greenai.spending.held import Charge
    from greenai.steps import Steps
    from greenai.values import Receipt

__all__ = ["TEXT", "Function", "Stay", "close_all", "holding", "session_of"]

logger = logging.getLogger("greenai")

TEXT = "text"
"""The form of a function that returns text alone."""

_present: ContextVar[Stay | None] = ContextVar("greenai.green.present", default=None)


class Stay:
    """What stands around one call: its options and budgets; and around its body, what collects receipts there."""

    def __init__(self, block: Block, run: Run | None, distilled: tuple[shelf.Listed, ...] = ()) -> None:
        self.collected, self._collecting = hooks.collecting_in_stretches()
        self.collected.at_first = self._release
        self.receipt: Receipt | None = None
        self.charges: list[Charge] = []
        self._around: list[Stretches[Any]] = [blocks.stretches(block)]
        if run is not None:
            self._around.append(runs.stretches((None, run)))
        if distilled:
            self._around.append(shelf.around.stretches(distilled))

    @contextmanager
    def around(self) -> Generator[None]:
        """Have options and budgets hold for a stretch of time."""
        for stretches in self._around:
            stretches.begin()
        outer = _present.set(self)
        try:
            yield
        finally:
            _present.reset(outer)
            for stretches in reversed(self._around):
                stretches.pause()

    @contextmanager
    def body(self) -> Generator[None]:
        """Have the receipts of what is begun now collected, for a stretch of time."""
        self._collecting.begin()
        try:
            yield
        finally:
            self._collecting.pause()

    def _release(self) -> None:
        for charge in self.charges:
            charge.release()

    def end(self) -> None:
        """End all of it."""
        for stretches in (*self._around, self._collecting):
            stretches.end()

    def last(self) -> Receipt | None:
        """Return the call's receipt, or the latest of those of greenai's own clients inside it."""
        return self.receipt or (self.collected[-1] if self.collected else None)


def holding(spending: Spending) -> Spending:
    """Return budgets whose holds end as soon as a client of greenai's begins a call: that one holds for itself."""
    return cast("Spending", _Holding(spending))


class _Holding:
    """Budgets; what is held in them is known to the call that it is held for."""

    def __init__(self, spending: Spending) -> None:
        self._spending = spending

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spending, name)

    def reserve(self, *args: Any, **kwargs: Any) -> Charge:
        """Hold, as `Spending.reserve` does."""
        charge = self._spending.reserve(*args, **kwargs)
        if (stay := _present.get()) is not None:
            stay.charges.append(charge)
        return charge


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The names of simple arguments: all of them, those that may be given by place, and what is meant without."""

    every: frozenset[str]
    placed: tuple[str, ...]
    defaults: Mapping[str, Any]

    @classmethod
    def of(cls, parameters: Sequence[inspect.Parameter]) -> _Names:
        """Read them."""
        return cls(
            every=frozenset(p.name for p in parameters),
            placed=tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY),
            defaults={p.name: p.default for p in parameters if p.default is not p.empty},
        )

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return arguments by name, None where they do not fit."""
        if len(args) > len(self.placed) or not kwargs.keys() <= self.every:
            return None
        placed = dict(zip(self.placed, args, strict=False))
        if not kwargs.keys().isdisjoint(placed):
            return None
        found = {**self.defaults, **placed, **kwargs}
        return found if len(found) == len(self.every) else None


@dataclass(eq=False)
class Function:
    """A decorated function: what it takes, whose session books it, and what is known of it by now.

    Attributes:
        func: the function itself.
        settings: as in `Client`.
        cache: what its calls may do with the cache, as options; empty where the app did not ask for one.
        distilled: files of task models that may answer it; `slots` names the arguments that fill their templates.
        form: what it returns, as `returned.form_of` says; None while that is not known.
        typed: how a task model's answers are values of the type that it is annotated to return, where it is one.
        inside: its latest call was made by greenai's own clients inside it, so that only its context is of use.
        last: what stood around its latest call, in the present context.
        fitted: the steps of its latest call: those that they were made of, what they depend on, and they themselves.
    """

    func: Callable[..., Any]
    settings: Any
    cache: Mapping[str, Any]
    distilled: tuple[shelf.Listed, ...] = ()
    slots: tuple[str, ...] = ()
    form: str | None = None
    typed: Typed | None = None
    inside: bool = False
    last: ContextVar[Stay | None] = field(default_factory=lambda: ContextVar("greenai.green", default=None))
    fitted: tuple[Steps, object, Steps] | None = None
    _told: bool = False

    @cached_property
    def name(self) -> str:
        """Return what receipts call it, where its value does not say which model answered."""
        return f"{getattr(self.func, '__module__', '')}.{getattr(self.func, '__qualname__', repr(self.func))}"

    @cached_property
    def signature(self) -> inspect.Signature | None:
        """Return its signature, None where it has none that can be read."""
        try:
            return inspect.signature(self.func)
        except (TypeError, ValueError):
            return None

    def __post_init__(self) -> None:
        """Take from its annotation that it returns text."""
        if self.signature is not None and self.signature.return_annotation in (str, "str"):
            self.form = TEXT

    @cached_property
    def _names(self) -> _Names | None:
        """How its arguments are named where that is simple: no `*args`, no `**kwargs`, nothing by place alone."""
        found = [] if self.signature is None else list(self.signature.parameters.values())
        simple = all(parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) for parameter in found)
        return _Names.of(found) if found and simple else None

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the arguments of a call by name, with those that it leaves out; None where they do not fit."""
        names, signature = self._names, self.signature
        given = None if names is None else names.given(args, kwargs)  # which takes a tenth of what `bind` does
        if given is not None or signature is None:
            return given
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the function says so itself, in its own words
            return None
        bound.apply_defaults()
        return bound.arguments

    @cached_property
    def session(self) -> Session:
        """Return the session of its calls, which functions with the same settings share."""
        return session_of(self.settings)

    def tell_once(self, what: str) -> None:
        """Log once why its calls have no receipt, or are not stored."""
        if not self._told:
            self._told = True
            logger.warning("@green on %s: %s", self.name, what)


_sessions: dict[object, tuple[Session, object]] = {}  # with the settings, whose id no others may get meanwhile
_opening = Lock()


def session_of(settings: Settings | Mapping[str, Any] | Path | str | None) -> Session:
    """Return the session of functions with these settings, opened once for each environment."""
    named = settings if settings is None or isinstance(settings, (str, Path)) else id(settings)
    around = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("GREENAI_")))
    key = (named, around, str(Path.cwd()), os.environ.get("OPENAI_BASE_URL"))
    with _opening:
        found = _sessions.get(key)
        if found is None:
            session = Session.open(
                settings, {"base_url": None}, project=None, observe=None, opt_in=None, reason=None, timeout=None,
                max_retries=None, observers=(), pinned=True,
            )  # fmt: skip
            found = _sessions[key] = session, settings
    return found[0]


def close_all() -> None:
    """Close the sessions of all functions; the next call of one that has none yet opens another."""
    with _opening:
        sessions = [session for session, _ in _sessions.values()]
        _sessions.clear()
    for session in sessions:
        session.close(owner=True)

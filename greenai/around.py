"""What stands around the calls of a context: `with` blocks, the outer ones first.

    opened where      until         holds for
    ─────────────     ─────         ─────────
    a context         its end       the calls of that context, and of the tasks that were begun in it; a limit holds for
                                these after that end too, so that none sheds it by waiting
    another one       its end       nothing more: where it was opened cannot be reached from where it ends

Blocks may end in any order, as those of two generators do that are read in turn; each takes out itself alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, NoReturn, ParamSpec, Self, TypeVar, cast

from greenai.errors import InvalidRequest

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Around", "Block", "Stretches", "block", "is_ours", "ours"]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True, eq=False)
class _Entry(Generic[T]):
    value: T
    over: bool = False


class Around(Generic[T]):
    """Values that hold in a context as long as a block runs.

    Args:
        name: what it is called.
        limits: a task that was begun in a block stays in it after the block's end: a limit holds for it all the same,
            where what is allowed is over.
    """

    def __init__(self, name: str, *, limits: bool = False) -> None:
        self._entries: ContextVar[tuple[_Entry[T], ...]] = ContextVar(name, default=())
        self._limits = limits

    def get(self) -> tuple[T, ...]:
        """Return the values of the blocks around the present call."""
        entries = self._entries.get()
        return tuple(entry.value for entry in entries if not entry.over) if entries else ()

    def stretches(self, value: T) -> Stretches[T]:
        """Return what has `value` hold in several stretches of time, as the body of a generator runs."""
        return Stretches(self._entries, value, limits=self._limits)

    @contextmanager
    def within(self, value: T) -> Generator[None]:
        """Have `value` hold while the block runs."""
        entry = _Entry(value)
        token = self._entries.set((*self._entries.get(), entry))
        try:
            yield
        finally:
            left = tuple(other for other in self._entries.get() if other is not entry)
            try:
                self._entries.reset(token)
                entry.over = not self._limits
            except ValueError:
                # Another context, as where a task closes a generator that another one began: there, and in what was
                # begun there, it would hold for ever.
                entry.over = True
            self._entries.set(left)


_ours: ContextVar[bool] = ContextVar("greenai.ours", default=False)


@contextmanager
def ours() -> Generator[None]:
    """Have the requests that host libraries send here be greenai's own, which no instrumented client takes again."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


def is_ours() -> bool:
    """Say whether greenai itself has a host library send something here."""
    return _ours.get()


class Stretches(Generic[T]):
    """One value that holds while a body runs, and not while that waits to be resumed.

    What the body opened itself, and has not closed yet, waits with it.
    """

    def __init__(self, entries: ContextVar[tuple[_Entry[T], ...]], value: T, *, limits: bool) -> None:
        self._entries = entries
        self._entry = _Entry(value)
        self._limits = limits
        self._inner: tuple[_Entry[T], ...] = ()

    def begin(self) -> None:
        """Have the value hold from now on, in the present context."""
        self._entries.set((*self._entries.get(), self._entry, *self._inner))

    def pause(self) -> None:
        """Have it hold no longer here: called in the context in which it began."""
        entries = self._entries.get()
        if self._entry in entries:
            place = entries.index(self._entry)
            self._inner = entries[place + 1 :]
            self._entries.set(entries[:place])

    def end(self) -> None:
        """Have it hold nowhere any more, also in tasks that were begun meanwhile; a limit holds for these."""
        self._inner = ()
        self._entry.over = not self._limits


class Block(ContextDecorator, Generic[T]):
    """One `with` block of a client, or the blocks of each call of a function that it decorates.

    Nothing in it waits, so `async with` is told to be a plain one.
    """

    def __init__(self, name: str, opening: Callable[[], AbstractContextManager[T]]) -> None:
        self._name = name
        self._opening = opening
        self._unused = [opening]  # of two threads one alone can take it out
        self._open: AbstractContextManager[T] | None = None

    def __enter__(self) -> T:
        try:
            opening = self._unused.pop()
        except IndexError:
            raise InvalidRequest(
                f"This block of {self._name}() was entered before, and one block is for one with. "
                f"Make another: with client.{self._name}(...):"
            ) from None
        self._open = opening()
        return self._open.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return None if self._open is None else self._open.__exit__(kind, error, traceback)

    def __call__(self, func: F) -> F:
        """Have each call of a function run in a block of its own, to its end: also of one that is awaited.

        Raises:
            InvalidRequest: it is a generator, whose body runs after the call.
        """
        forms = func, type(func).__call__  # an object that is called, too
        if any(inspect.isgeneratorfunction(form) or inspect.isasyncgenfunction(form) for form in forms):
            named = getattr(func, "__name__", func)
            raise InvalidRequest(
                f"{self._name}() cannot decorate the generator {named}: the block would end "
                f"before it runs. Write inside it: with client.{self._name}(...):"
            )
        if not any(inspect.iscoroutinefunction(form) for form in forms):
            return super().__call__(func)

        @wraps(func)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await func(*args, **kwargs)

        return cast("F", awaited)

    def _recreate_cm(self) -> Self:
        return type(self)(self._name, self._opening)

    if not TYPE_CHECKING:  # a checker shall still say that it is none

        async def __aenter__(self) -> NoReturn:
            raise InvalidRequest(
                f"{self._name}() is a plain block, also of an AsyncClient. Write: with client.{self._name}(...):"
            )

        async def __aexit__(self, *_: object) -> None:
            """Be there, so that `async with` comes as far as the message."""


def block(function: Callable[P, Generator[T]]) -> Callable[P, Block[T]]:
    """Make a method that yields once one that returns a block."""

    @wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> Block[T]:
        return Block(function.__name__, lambda: contextmanager(function)(*args, **kwargs))

    return made

"""What stands around the calls of a context: `with` blocks, the outer ones first.

    opened where      until         holds for
    ─────────────     ─────         ─────────
    a context         its end       the calls of that context, and of the tasks that were begun in it
    another one       its end       nothing more: where it was opened cannot be reached from where it ends

Blocks may end in any order, as those of two generators do that are read in turn; each takes out itself alone.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Around"]

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Entry(Generic[T]):
    value: T
    over: bool = False


class Around(Generic[T]):
    """Values that hold in a context as long as a block runs."""

    def __init__(self, name: str) -> None:
        self._entries: ContextVar[tuple[_Entry[T], ...]] = ContextVar(name, default=())

    def get(self) -> tuple[T, ...]:
        """Return the values of the blocks around the present call."""
        entries = self._entries.get()
        return tuple(entry.value for entry in entries if not entry.over) if entries else ()

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
            except ValueError:
                # Another context, as where a task closes a generator that another one began: there, and in what was
                # begun there, it would hold for ever.
                entry.over = True
            self._entries.set(left)

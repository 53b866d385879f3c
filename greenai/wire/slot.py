"""How the receipt of an HTTP exchange gets to whoever made the call: a slot in the context, filled by the transport."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenai.errors import GreenAIError
    from greenai.values import Receipt

__all__ = ["Slot", "current", "held", "open_slot"]


class Slot:
    """What came of the latest exchange of one call: its receipt, or greenai's own refusal.

    A host library that retries makes several exchanges, and the last one counts. `expected` says that what is fetched
    has a receipt, or will have one: most has none.
    """

    def __init__(self) -> None:
        self.receipt: Receipt | None = None
        self.error: GreenAIError | None = None
        self.expected = False
        self._tell: Callable[[Receipt], None] | None = None

    def fill(self, receipt: Receipt) -> None:
        """Take the receipt, and tell whoever waits for it."""
        self.receipt, self.error = receipt, None
        if self._tell is not None:
            self._tell(receipt)

    def refuse(self, error: GreenAIError | None) -> None:
        """Take greenai's own refusal; None forgets an earlier one."""
        self.error = error

    def then(self, tell: Callable[[Receipt], None]) -> None:
        """Call `tell` with the receipt: now, or once a stream has ended."""
        self._tell = tell
        if self.receipt is not None:
            tell(self.receipt)


_slot: ContextVar[Slot | None] = ContextVar("greenai.slot", default=None)


def open_slot() -> AbstractContextManager[Slot]:
    """Open a slot for the exchanges that are made in this context while the block runs."""
    return held(Slot())


@contextmanager
def held(slot: Slot) -> Generator[Slot]:
    """Have the exchanges that are made in this context while the block runs fill this slot."""
    token = _slot.set(slot)
    try:
        yield slot
    finally:
        _slot.reset(token)


def current() -> Slot | None:
    """Return the slot that is open, None where nobody waits for a receipt."""
    return _slot.get()

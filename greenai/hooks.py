"""Observers: any callable that takes a finished receipt. They run after the answer is settled."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from greenai.units import format_energy, format_interval
from greenai.values import Receipt

logger = logging.getLogger("greenai")


class Observer(Protocol):
    """What an app may register: called with every receipt, from whichever thread finished the call."""

    def __call__(self, receipt: Receipt, /) -> None:
        """Take one receipt. What this raises is logged and never reaches the caller."""
        ...


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

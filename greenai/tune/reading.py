"""The energy of a measurement, or the reason why there is none."""

from __future__ import annotations

from greenai.errors import EngineError
from greenai.readings import Reading

__all__ = ["BenchError", "energy_of"]


class BenchError(EngineError):
    """A point could not be measured for a reason that is not the point's; the message has the next step."""


def energy_of(reading: Reading | None) -> float:
    """Return a reading's joules.

    Raises:
        BenchError: there is no reading.
    """
    if reading is None or not reading.energy_j:
        raise BenchError(
            "The energy of another process cannot be measured on this system, so nothing can be tuned. "
            "greenai doctor says which meters there are and what they need."
        )
    return reading.energy_j

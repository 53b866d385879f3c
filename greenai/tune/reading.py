"""The energy of a measurement, or the reason why there is none."""

from __future__ import annotations

from greenai.errors import EngineError
from greenai.readings import Reading

__all__ = ["BenchError", "energy_of", "whole_j"]


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


def whole_j(reading: Reading, part: tuple[float, float], whole: tuple[float, float]) -> float:
    """Return what a measurement took with loading, the guard and warm-up, in joules.

    `part` and `whole` are core-seconds and seconds: of the window that was read, and of everything. A processor is
    charged by core time; a GPU by time, as if it had drawn as much all the while, which is no less than it did.
    """
    if reading.energy_j is None:
        return 0.0
    index = 1 if reading.gpu_energy_j is not None else 0
    return reading.energy_j * max(whole[index] / part[index], 1.0) if part[index] else reading.energy_j

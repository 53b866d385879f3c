"""What was seen of a fleet of GPUs: cards, processes, and looks at them in the order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from greenai.errors import GreenAIError
from greenai.meters.gpu_looks import GpuFacts, GpuLook, GpuProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["GpuFacts", "GpuLook", "GpuProcess", "GpusError", "Known", "Round", "Trace"]

LONG_GAP = 3.0
"""A pause between looks that is told: so many times the stated step."""


class GpusError(GreenAIError):
    """The GPUs cannot be watched, or a recording cannot be read; the message has the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a process besides its number: its program, and the model where it is one of greenai's engines.

    `is_here` is False where the number is none of a process that can be seen from here, as in a container.
    """

    pid: int
    name: str | None = None
    model: str | None = None
    is_here: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One look at all GPUs, `at_s` seconds after the first one; a GPU that did not answer has an empty look."""

    at_s: float
    looks: Mapping[int, GpuLook]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What was seen. `began` is the first look in seconds since 1970, `synthetic` says that it was made up.

    `machine` tells the machine from others: only the ledger of the same one knows whose calls ran on it.
    """

    began: float
    every_s: float
    cards: tuple[GpuFacts, ...]
    rounds: Sequence[Round]
    known: Mapping[int, Known] = field(default_factory=dict)
    machine: str | None = None
    synthetic: bool = False
    problems: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it lasted, in seconds."""
        return self.rounds[-1].at_s - self.rounds[0].at_s if self.rounds else 0.0

    def steps(self) -> Iterator[tuple[Round, Round]]:
        """Yield each two looks that follow each other."""
        yield from pairwise(self.rounds)

    def gaps(self) -> int:
        """Return how many pauses were longer than three steps."""
        return sum(b.at_s - a.at_s > LONG_GAP * self.every_s for a, b in self.steps())

    def unread(self) -> dict[str, dict[int, str]]:
        """Return what could not be read, of which GPU, and why."""
        found: dict[str, dict[int, str]] = {}
        for one in self.rounds:
            for index, look in one.looks.items():
                for what, why in look.problems.items():
                    found.setdefault(what, {})[index] = why
        return found

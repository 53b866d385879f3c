"""A recorded sweep in place of a device: what was measured once elsewhere is measured again as often as wanted.

A trace is the journal of a search (`journal`), or of a sweep that measured more. It stands in for GPUs where there are
none: a recording of one exercises everything but the device itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from greenai.tune.journal import read
from greenai.tune.space import Point, Sample, Space

__all__ = ["Trace", "load"]


@dataclass(slots=True, kw_only=True)
class Trace:
    """A bench that replays. Each point gives its recorded samples in their order, and then from the first again."""

    head: Mapping[str, Any] = field(default_factory=dict[str, Any])
    samples: dict[Point, deque[Sample]] = field(default_factory=dict)
    asked: int = 0

    @classmethod
    def of(cls, rows: Iterable[tuple[Point, Sample]], head: Mapping[str, Any] | None = None) -> Trace:
        """Make a trace of measurements."""
        made = cls(head=head or {})
        for point, sample in rows:
            made.samples.setdefault(point, deque()).append(sample)
        return made

    def measure(self, point: Point, *, short: bool = False) -> Sample:
        """Return the point's next sample; one that was not recorded counts as rejected."""
        del short
        self.asked += 1
        held = self.samples.get(point)
        if held is None:
            return Sample(status="rejected", why="not in the recording")
        held.rotate(-1)
        return held[-1]

    def close(self) -> None:
        """Do nothing: there is no process."""

    def space(self, default: Point, *, most_p95_s: float | None = None) -> Space:
        """Return the space that was recorded."""
        settings = {point.setting for point in self.samples}

        def axis(name: str) -> tuple[Any, ...]:
            return tuple(sorted({getattr(setting, name) for setting in settings}))

        whole = Space(
            default=default,
            precisions=axis("precision"),
            attentions=axis("attention"),
            caches=axis("cache"),
            compiles=axis("compile"),
            threads=axis("threads"),
            ubatches=axis("ubatch"),
            most_batch=max(point.batch for point in self.samples),
            most_p95_s=most_p95_s,
        )
        return replace(whole, without=frozenset(whole.settings()) - settings)


def load(path: Path) -> Trace:
    """Read a recorded sweep.

    Raises:
        JournalError: it is none.
    """
    head, rows = read(path)
    return Trace.of(rows, head)

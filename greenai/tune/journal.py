"""Every measurement on a line of a file as soon as it is made: a crash loses one, and a search goes on from there.

A search takes its steps from what it has measured and from nothing else, so that replaying the lines brings it back to
where it was. The same file is a recorded sweep for `traces`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from greenai.errors import GreenAIError
from greenai.store.files import private_folder
from greenai.tune.space import Bench, Point, Sample

__all__ = ["Journal", "JournalError", "Journaled", "read"]


class JournalError(GreenAIError):
    """A journal cannot be continued; the message has the next step."""


def read(path: Path) -> tuple[dict[str, Any], list[tuple[Point, Sample]]]:
    """Return a journal's head and its measurements; a line that was cut off is left out.

    Raises:
        JournalError: it is no journal.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(_parsed, lines) if row is not None]
    if not rows or "head" not in rows[0]:
        raise JournalError(f"{path} is no journal of greenai tune. Leave out --resume to begin anew.")
    return rows[0]["head"], [(Point.of(row["point"]), Sample(**row["sample"])) for row in rows[1:]]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


@dataclass(slots=True, kw_only=True)
class Journal:
    """The file. `held` has what an earlier search measured and this one has not asked for yet, by point."""

    path: Path
    head: Mapping[str, Any]
    held: dict[Point, deque[Sample]] = field(default_factory=dict)

    def begin(self, *, resume: bool) -> int:
        """Open it; return how many measurements it holds. Without `resume`, or where there is none, it is empty.

        Raises:
            JournalError: it is of another search.
            OSError: it cannot be written.
        """
        private_folder(self.path.parent)
        if resume and self.path.exists():
            return self._resume()
        self.path.write_text(json.dumps({"head": dict(self.head)}) + "\n", encoding="utf-8")
        return 0

    def _resume(self) -> int:
        head, rows = read(self.path)
        plain = json.loads(json.dumps(dict(self.head)))
        if other := sorted(key for key in {*head, *plain} if head.get(key) != plain.get(key)):
            raise JournalError(
                f"The journal {self.path} is of another search: {', '.join(other)} differ. Give the same options, or "
                "leave out --resume to begin anew."
            )
        for point, sample in rows:
            self.held.setdefault(point, deque()).append(sample)
        whole = "".join(json.dumps(row) + "\n" for row in ({"head": plain}, *(_row(*row) for row in rows)))
        self.path.write_text(whole, encoding="utf-8")  # without what was cut off
        return len(rows)

    def add(self, point: Point, sample: Sample) -> None:
        """Append one measurement."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_row(point, sample)) + "\n")


def _row(point: Point, sample: Sample) -> dict[str, Any]:
    return {"point": point.to_dict(), "sample": asdict(sample)}


@dataclass(slots=True, kw_only=True)
class Journaled:
    """A bench whose measurements are kept, and taken from the journal where it has them."""

    bench: Bench
    journal: Journal

    def measure(self, point: Point, *, short: bool) -> Sample:
        """Measure one repeat, or return the one that was measured before."""
        held = self.journal.held.get(point)
        if held:
            return held.popleft()
        sample = self.bench.measure(point, short=short)
        self.journal.add(point, sample)
        return sample

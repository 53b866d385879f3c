"""Every measurement on a line of a file as soon as it is made: a crash loses one, and a search goes on from there.

A search takes its steps from what it has measured and from nothing else, so that replaying the lines brings it back to
where it was. The same file is a recorded sweep for `traces`.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from greenai.errors import GreenAIError
from greenai.store.files import FileLock, private_folder
from greenai.tune.space import Bench, Point, Sample

__all__ = ["Journal", "JournalError", "Journaled", "read"]


class JournalError(GreenAIError):
    """A journal cannot be continued; the message has the next step."""


def read(path: Path) -> tuple[dict[str, Any], list[tuple[Point, Sample]]]:
    """Return a journal's head and its measurements; a line that was cut off is left out.

    Raises:
        JournalError: it is no journal.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    head = _parsed(lines[0]) if lines else None
    if head is None or not isinstance(head.get("head"), dict):
        raise JournalError(f"{path} is no journal of greenai tune. Leave out --resume to begin anew.")
    rows = (_measured(row) for row in map(_parsed, lines[1:]) if row is not None)
    return head["head"], [row for row in rows if row is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _measured(row: dict[str, Any]) -> tuple[Point, Sample] | None:
    try:
        return Point.of(row["point"]), Sample(**row["sample"])
    except (LookupError, TypeError, ValueError):
        return None


@dataclass(slots=True, kw_only=True)
class Journal:
    """The file. `held` has what an earlier search measured and this one has not asked for yet, by point.

    `written_s` is when the last measurement was made, in seconds since 1970; None before there is one.
    """

    path: Path
    head: Mapping[str, Any]
    held: dict[Point, deque[Sample]] = field(default_factory=dict)
    written_s: float | None = None
    lock: FileLock | None = None

    def begin(self, *, resume: bool) -> int:
        """Open it; return how many measurements it holds. Without `resume`, or where there is none, it is empty.

        One that is not continued is kept once, as `.before`: --resume is easily forgotten.

        Raises:
            JournalError: it is of another search, another process is at it, or it cannot be written.
        """
        try:
            private_folder(self.path.parent)
            self._take()
            if resume and self.path.exists():
                return self._resume()
            if self.path.exists() and _lines(self.path) > 1:
                self.path.replace(self.path.with_suffix(".before"))
            self._replace(json.dumps({"head": dict(self.head)}) + "\n")
        except OSError as error:
            raise self._unwritten(error) from error
        return 0

    def close(self) -> None:
        """Let another search have it."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def _take(self) -> None:
        self.lock = FileLock(self.path.with_suffix(".lock"))
        try:
            self.lock.acquire(0.0)
        except BlockingIOError:
            self.close()
            raise JournalError(
                f"Another greenai tune of this model is at {self.path}, and two at once would measure each other. Wait "
                "for it, or stop it."
            ) from None

    def _replace(self, text: str) -> None:
        """Write the file whole: a full disk, or a crash, leaves the one before."""
        made = self.path.with_suffix(".new")
        made.write_text(text, encoding="utf-8")
        made.replace(self.path)

    def _unwritten(self, error: OSError) -> JournalError:
        return JournalError(
            f"The journal {self.path} cannot be written: {error}. Make room, or set GREENAI_STATE_DIR to another "
            "folder; then go on with --resume."
        )

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
        self.written_s = self.path.stat().st_mtime
        if whole.encode() != self.path.read_bytes():
            self._replace(whole)  # without what was cut off
        return len(rows)

    def add(self, point: Point, sample: Sample) -> None:
        """Append one measurement.

        Raises:
            JournalError: it cannot be written.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(_row(point, sample)) + "\n")
        except OSError as error:
            raise self._unwritten(error) from error
        self.written_s = time.time()


def _lines(path: Path) -> int:
    """Return how many lines a file has."""
    return len(path.read_bytes().splitlines())


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

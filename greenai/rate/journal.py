"""What was measured so far, a line for each window: a rating that was stopped goes on from there."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from greenai.errors import GreenAIError
from greenai.rate.estimate import Run
from greenai.rate.record import write
from greenai.store.files import FileLock, private_folder

__all__ = ["Journal", "JournalError", "Part"]


class JournalError(GreenAIError):
    """A rating cannot be continued; the message has the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some prompts of one run, measured in one window."""

    run: int
    work: Run
    boundary: str
    evidence: str
    method: str


@dataclass(slots=True, kw_only=True)
class Journal:
    """The file, and the parts in it. `head` says of which rating they are; one process has it at a time.

    What an earlier rating left in the file stays until the first window of this one is there.
    """

    path: Path
    head: Mapping[str, Any]
    parts: list[Part] = field(default_factory=list[Part])
    lock: FileLock | None = None
    is_begun: bool = False

    def begin(self, *, resume: bool) -> int:
        """Take it; return how many requests it holds. Without `resume`, or where there is none, it is empty.

        Raises:
            JournalError: it is of another rating, another process has it, or it cannot be read.
        """
        try:
            private_folder(self.path.parent)
            self.lock = self._locked()
            if resume and self.path.exists():
                self._read()
        except BlockingIOError:
            raise JournalError(
                f"Another process is at this rating now ({self.path}). Wait until it is done, or end it."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise JournalError(f"The journal {self.path} cannot be used: {error}. Free it, or begin anew.") from None
        return sum(part.work.requests for part in self.parts)

    def _locked(self) -> FileLock:
        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            lock.acquire(time.monotonic())
        except BaseException:
            lock.close()
            raise
        return lock

    def _read(self) -> None:
        rows = [_parsed(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        head = (rows[0] or {}).get("head") if rows else None
        plain = json.loads(json.dumps(dict(self.head)))
        if not isinstance(head, dict):
            raise JournalError(f"{self.path} is no journal of greenai rate. Leave out --resume to begin anew.")
        if other := sorted(key for key in {*head, *plain} if head.get(key) != plain.get(key)):
            raise JournalError(
                f"The journal {self.path} is of another rating: {', '.join(other)} differ. Give the same options, or "
                "leave out --resume to begin anew."
            )
        # Windows follow each other: what stands behind a line that was cut off or damaged is measured again.
        parts = [_part(row) for row in takewhile(lambda row: row is not None, rows[1:])]
        self.parts = [part for part in takewhile(lambda part: part is not None, parts) if part is not None]

    def add(self, part: Part) -> None:
        """Append one window; the first makes the file anew, without what was cut off."""
        self.parts.append(part)
        if not self.is_begun:
            lines = [json.dumps({"head": dict(self.head)}), *(json.dumps(asdict(part)) for part in self.parts)]
            write(self.path, "".join(f"{line}\n" for line in lines))
            self.is_begun = True
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(part)) + "\n")

    def done(self, run: int) -> int:
        """Return how many prompts of a run were measured."""
        return sum(part.work.requests for part in self.parts if part.run == run)

    def runs(self, prompts: int) -> list[Run]:
        """Return the runs that are whole.

        Raises:
            JournalError: a run has more prompts than there are, or a later one was begun before it was whole.
        """
        numbers = sorted({part.run for part in self.parts})
        done = [self.done(number) for number in numbers]
        if (
            numbers != list(range(len(numbers)))
            or any(d != prompts for d in done[:-1])
            or max(done, default=0) > prompts
        ):
            raise JournalError(
                f"The journal {self.path} does not add up: its runs have {done} queries, of {prompts} each. Leave out "
                "--resume to begin anew."
            )
        return [
            _sum([p.work for p in self.parts if p.run == n]) for n, d in zip(numbers, done, strict=True) if d == prompts
        ]

    def close(self) -> None:
        """Let other processes have it; what was measured stays."""
        if self.lock is not None:
            if not self.path.exists():
                with suppress(OSError):  # while it is held; elsewhere than on POSIX it stays
                    self.path.with_suffix(".lock").unlink()
            self.lock.close()
            self.lock = None

    def end(self) -> None:
        """Remove it: the record is written."""
        self.path.unlink(missing_ok=True)
        self.close()


def _sum(works: Sequence[Run]) -> Run:
    return Run(
        requests=sum(w.requests for w in works),
        energy_j=sum(w.energy_j for w in works),
        low_j=sum(w.low_j for w in works),
        high_j=sum(w.high_j for w in works),
        prompt_tokens=sum(w.prompt_tokens for w in works),
        output_tokens=sum(w.output_tokens for w in works),
        took_s=sum(w.took_s for w in works),
        cut=sum(w.cut for w in works),
        output_squares=sum(w.output_squares for w in works),
    )


def _part(row: Mapping[str, Any] | None) -> Part | None:
    """Return one window; None where a line has something else."""
    try:
        plain: dict[str, Any] = {**(row or {}), "work": Run(**(row or {})["work"])}
        part = Part(**plain)
        figures = (part.work.low_j, part.work.energy_j, part.work.high_j)
        is_sound = part.work.requests > 0 and part.run >= 0 and 0 <= figures[0] <= figures[1] <= figures[2]
    except (KeyError, TypeError):
        return None
    return part if is_sound and part.work.energy_j > 0 else None


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None

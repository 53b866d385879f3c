"""What was measured so far, a line for each window: a rating that was stopped goes on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from greenai.errors import GreenAIError
from greenai.rate.estimate import Run
from greenai.store.files import private_folder

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
    """The file, and the parts in it. `head` says of which rating they are."""

    path: Path
    head: Mapping[str, Any]
    parts: list[Part] = field(default_factory=list[Part])

    def begin(self, *, resume: bool) -> int:
        """Open it; return how many requests it holds. Without `resume`, or where there is none, it is empty.

        Raises:
            JournalError: it is of another rating.
            OSError: it cannot be written.
        """
        private_folder(self.path.parent)
        if resume and self.path.exists():
            self._read()
        lines = [json.dumps({"head": dict(self.head)}), *(json.dumps(asdict(part)) for part in self.parts)]
        self.path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")  # without what was cut off
        return sum(part.work.requests for part in self.parts)

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
        self.parts = [_part(row) for row in rows[1:] if row is not None]

    def add(self, part: Part) -> None:
        """Append one window."""
        self.parts.append(part)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(part)) + "\n")

    def done(self, run: int) -> int:
        """Return how many prompts of a run were measured."""
        return sum(part.work.requests for part in self.parts if part.run == run)

    def runs(self, prompts: int) -> list[Run]:
        """Return the runs that are whole."""
        numbers = sorted({part.run for part in self.parts})
        return [_sum([p.work for p in self.parts if p.run == n]) for n in numbers if self.done(n) == prompts]


def _sum(works: Sequence[Run]) -> Run:
    return Run(
        requests=sum(w.requests for w in works),
        energy_j=sum(w.energy_j for w in works),
        low_j=sum(w.low_j for w in works),
        high_j=sum(w.high_j for w in works),
        prompt_tokens=sum(w.prompt_tokens for w in works),
        output_tokens=sum(w.output_tokens for w in works),
        took_s=sum(w.took_s for w in works),
    )


def _part(row: Mapping[str, Any]) -> Part:
    plain: dict[str, Any] = {**row, "work": Run(**row["work"])}
    return Part(**plain)


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None

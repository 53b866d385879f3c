"""What asking beside the log has found so far, a line for each call: digests and outcomes, no text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from greenai.store.lines import Lines

__all__ = ["Journal", "Outcome", "Verdict"]

Verdict: TypeAlias = Literal["log", "other", "same", "unsure", "unreadable"]
"""Which of both answers is better; `unreadable` where the judge said something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one answer beside the log is worth; all None where there was no answer.

    Attributes:
        same: whether it says the same, where that can be told without an opinion.
        first: the judge's verdict with the log's answer first, `second` with it second.
        near: how alike the vectors of both are.
    """

    same: bool | None = None
    first: Verdict | None = None
    second: Verdict | None = None
    near: float | None = None
    energy_j: float = 0.0

    @property
    def answered(self) -> bool:
        """Say whether there was an answer that something can be told of."""
        return self.same is not None or self.first is not None or self.near is not None


class Journal:
    """Outcomes by what they are known by, in a file for its owner alone, or nowhere.

    A call that failed is asked again by the next run. A line that was cut off by the end of a process counts for
    nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._lines = Lines(path, instead="Name another --work FOLDER.")
        self._known = dict(filter(None, map(_parsed, self._lines.held)))

    def get(self, key: str) -> Outcome | None:
        """Return what was found before; None where it has to be asked."""
        return self._known.get(key)

    def add(self, key: str, outcome: Outcome) -> None:
        """Keep what was found, at once."""
        self._known[key] = outcome
        if outcome.answered:
            self._lines.add({"key": key, **asdict(outcome)})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def _parsed(line: str) -> tuple[str, Outcome] | None:
    try:
        row = cast("dict[str, Any]", json.loads(line))
        key, joules = row["key"], row["energy_j"]
        told = {name: row.get(name) for name in ("same", "first", "second", "near")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not (isinstance(key, str) and isinstance(joules, (int, float)) and _is_told(told)):
        return None
    outcome = Outcome(energy_j=float(joules), **told)
    return (key, outcome) if outcome.answered else None


def _is_told(told: dict[str, Any]) -> bool:
    near = told["near"]
    return (
        told["same"] in (None, True, False)
        and all(told[order] in (None, *get_args(Verdict)) for order in ("first", "second"))
        and (near is None or isinstance(near, (int, float)))
    )

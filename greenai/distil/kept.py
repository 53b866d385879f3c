"""What asking the large model for labels came to, a line for each call: labels and digests of prompts, no prompts.

A line is written as soon as its answer is there, so that a process that ends at any moment loses none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from greenai.budget.amounts import Amount
from greenai.errors import RequestTooLarge
from greenai.readings import Reading
from greenai.store.lines import Lines

__all__ = ["Kept", "Label", "spent_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What asking for one label came to.

    Attributes:
        answer: the whole answer; None where there was none.
        why: why there is none: "cut off", "refused", "empty", or an error's name.
        reading: what it took; unknown where the model's energy is.
        spent: the same as budgets count it.
    """

    answer: str | None
    why: str | None
    reading: Reading
    spent: Amount

    @property
    def ends(self) -> bool:
        """Say whether asking again would come to the same."""
        return self.answer is not None or self.why in _FINAL


_READ = ("energy_j", "low_j", "high_j", "evidence", "method")
_FINAL = ("cut off", "refused", "empty", RequestTooLarge.__name__)


class Kept:
    """Labels by what they were asked for, in a file for its owner alone, or nowhere.

    A call that failed is asked again by the next run, and what it took stays counted. A line that was cut off by the
    end of a process counts for nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[str, Label] = {}
        self._lost: list[tuple[str, Label]] = []
        self._lines = Lines(path, instead="Name another file with --out.")
        for key, label in filter(None, map(_parsed, self._lines.held)):
            self._take(key, label)

    def get(self, key: str) -> Label | None:
        """Return what came of asking before; None where it has to be asked."""
        return self._known.get(key)

    def labels(self, keys: Sequence[str]) -> list[Label]:
        """Return all that was asked for some prompts, and those that failed."""
        some = set(keys)
        lost = (label for key, label in self._lost if key in some)
        return [*(self._known[key] for key in keys if key in self._known), *lost]

    def add(self, key: str, label: Label) -> None:
        """Keep what came of asking, at once."""
        self._take(key, label)
        reading = {name: getattr(label.reading, name) for name in _READ}
        told = {"key": key, "answer": label.answer, "why": label.why, "reading": reading}
        self._lines.add({**told, "spent": asdict(label.spent)})

    def _take(self, key: str, label: Label) -> None:
        if label.ends:
            self._known[key] = label
        else:
            self._lost.append((key, label))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def _parsed(line: str) -> tuple[str, Label] | None:
    try:
        row = cast("dict[str, Any]", json.loads(line))
        key, answer, why = row["key"], row["answer"], row["why"]
        label = Label(answer=answer, why=why, reading=_reading(row["reading"]), spent=Amount(**row["spent"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    told = isinstance(key, str) and isinstance(answer, (str, type(None))) and isinstance(why, (str, type(None)))
    return (key, label) if told else None


def _reading(row: Mapping[str, Any]) -> Reading:
    joules = [row[name] for name in _READ[:3]]
    if not all(end is None or isinstance(end, (int, float)) for end in joules):
        raise ValueError("an energy is no number")
    middle, low, high = joules
    return Reading(energy_j=middle, low_j=low, high_j=high, evidence=row["evidence"], method=str(row["method"]))


def spent_of(labels: Sequence[Label]) -> Amount:
    """Return what some labels took, as budgets count it."""
    return sum((label.spent for label in labels), Amount())

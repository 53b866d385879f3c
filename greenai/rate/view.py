"""A record in words, for the badge, the leaderboard and the command line. Grades are taken from the figures anew.

Records come from strangers: every text is made plain and short here, and escaped where it is drawn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from greenai.rate import prompts as texts
from greenai.rate import scale, signing
from greenai.rate.record import Check, Record
from greenai.units import format_energy, format_interval, j_from_wh

__all__ = ["View", "view"]

REASONING = {"on": "on", "least": "at its least"}
NO_INTERVAL = "none: one run"
MOST_SIGNS = 120
MOST_MARKS = 2  # on one letter: more would be drawn over other rows
AHEAD = timedelta(days=1)  # clocks differ
_CHECKS: dict[Check, str] = {
    "signed": "signed",
    "unsigned": "not signed",
    "unchecked": "signed, not checked here",
    "changed": "changed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is shown of a record. `wh` is Wh per 1,000 queries; `work` what was asked where it is not the usual."""

    model: str
    quantisation: str
    device: str
    date: str
    boundary: str
    boundary_words: str
    mode_words: str
    work: str
    prompts: str
    wh: float
    energy: str
    interval: str
    grade: int | None
    grade_words: str
    scale: str
    public: str
    check: str

    @property
    def has_interval(self) -> bool:
        """Whether runs were repeated."""
        return self.interval != NO_INTERVAL

    @property
    def kind(self) -> tuple[str, str, str]:
        """What ratings must have in common to be compared: boundary, mode, and what was asked."""
        return self.boundary, self.mode_words, self.work


def view(record: Record) -> View:
    """Put a record into words."""
    content = record.content
    figure = content["wh_per_1000"]
    value, low, high = (None if figure.get(k) is None else float(figure[k]) for k in ("value", "low", "high"))
    wh = value or 0.0
    own = scale.own(wh, low, high)
    boundary = "gpu" if content.get("boundary") == "gpu" else "cpu"
    return View(
        model=_plain(content["model"].get("name")),
        quantisation=_plain(content["model"].get("quantisation")),
        device=_plain(content["device"].get("name")),
        date=_plain(content["date"])[:10],
        boundary=boundary,
        boundary_words="GPU energy" if boundary == "gpu" else "CPU energy, no GPU",
        mode_words=_mode(content["mode"]),
        work=_work(content),
        prompts=_prompts(content["prompts"]),
        wh=wh,
        energy=format_energy(j_from_wh(wh)),
        interval=NO_INTERVAL if low is None or high is None else format_interval(j_from_wh(low), j_from_wh(high)),
        grade=own.grade,
        grade_words=_grade(own.grade, own.worst, own.best),
        scale=own.scale,
        public=_public(scale.of_record(content)),
        check=_checked(record),
    )


def _mode(mode: Mapping[str, Any]) -> str:
    batch = _plain(mode.get("batch"))
    how = f"served, batch {batch}" if mode.get("serving") == "served" else f"batch {batch}"
    return f"reasoning {REASONING.get(str(mode.get('reasoning')), 'off')}, {how}"


def _work(content: Mapping[str, Any]) -> str:
    """Return the task and the prompts, empty for this version's own: figures of others do not compare."""
    task, asked = content["task"], (content["prompts"].get("version"), content["prompts"].get("hash"))
    own = task == scale.TASK and asked == (texts.VERSION, texts.HASH)
    return "" if own else _plain(f"{task}, prompts {asked[0]} {asked[1]}")


def _prompts(prompts: Mapping[str, Any]) -> str:
    count = prompts.get("count")
    known = f"{count:,}" if isinstance(count, int) and 0 < count <= texts.COUNT else "unknown"
    return f"{known} of {texts.COUNT:,}"


def _grade(grade: int | None, worst: int | None, best: int | None) -> str:
    if grade is not None:
        return f"{grade} of 5 stars"
    if worst is None:
        return "not rated: no interval"
    return f"not rated: {worst} to {best} stars"


def _public(board: scale.Public) -> str:
    """Say what the public board's bands say, with their edition; never a grade of ours."""
    if board.stars is not None:
        return f"{board.stars} of 5, class {board.model_class}, edition {board.edition}"
    return f"does not compare (edition {board.edition})"


def _checked(record: Record) -> str:
    """Say what its signature is worth, with the beginning of the key: anybody can sign with one of their own."""
    check = record.check()
    said = _CHECKS[check]
    if check == "signed" and record.signature is not None:
        said = f"{said}, key {signing.mark(record.signature)}"
    if datetime.fromisoformat(record.content["date"]) > datetime.now(UTC) + AHEAD:
        said = f"{said}, dated ahead of this machine's clock"
    return said


def _plain(value: object) -> str:
    """Return a text of one line without control characters, signs that turn others' direction, or towers of marks."""
    text = unicodedata.normalize("NFC", str("" if value is None else value)[: 10 * MOST_SIGNS])
    kept, marks = list[str](), 0
    for sign in text:
        kind = unicodedata.category(sign)[0]
        marks = marks + 1 if kind == "M" else 0
        if sign.isspace():
            kept.append(" ")
        elif kind != "C" and marks <= MOST_MARKS:
            kept.append(sign)
    return "".join(kept) if len(kept) <= MOST_SIGNS else "".join([*kept[: MOST_SIGNS - 1], "…"])

"""A record in words, for the badge, the leaderboard and the command line. Grades are taken from the figures anew.

Records come from strangers: every text is made plain and short here, and escaped where it is drawn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from greenai.rate import scale, signing
from greenai.rate.record import Check, Record
from greenai.units import format_energy, format_interval, j_from_wh

__all__ = ["View", "view"]

MOST_SIGNS = 120
AHEAD = timedelta(days=1)  # clocks differ
_CHECKS: dict[Check, str] = {
    "signed": "signed",
    "unsigned": "not signed",
    "unchecked": "signed, not checked here",
    "changed": "changed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is shown of a record. `wh` is Wh per 1,000 queries."""

    model: str
    quantisation: str
    device: str
    date: str
    boundary: str
    boundary_words: str
    mode_words: str
    wh: float
    energy: str
    interval: str
    grade: int | None
    grade_words: str
    scale: str
    public: str
    check: str

    @property
    def kind(self) -> tuple[str, str]:
        """What ratings must have in common to be compared: boundary and mode."""
        return self.boundary, self.mode_words


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
        wh=wh,
        energy=format_energy(j_from_wh(wh)),
        interval="none: one run" if low is None or high is None else format_interval(j_from_wh(low), j_from_wh(high)),
        grade=own.grade,
        grade_words=_grade(own.grade, own.worst, own.best),
        scale=own.scale,
        public=_public(scale.of_record(content)),
        check=_checked(record),
    )


def _mode(mode: Mapping[str, Any]) -> str:
    batch = _plain(mode.get("batch"))
    how = f"served, batch {batch}" if mode.get("serving") == "served" else f"batch {batch}"
    return f"reasoning {'on' if mode.get('reasoning') == 'on' else 'off'}, {how}"


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
    """Return a text of one line without control characters and signs that turn the direction of others."""
    kept = (" " if sign.isspace() else sign for sign in str("" if value is None else value))
    text = "".join(sign for sign in kept if unicodedata.category(sign)[0] != "C")
    return text if len(text) <= MOST_SIGNS else f"{text[: MOST_SIGNS - 1]}…"

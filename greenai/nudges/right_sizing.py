"""Point out calls of one form whose answers are always one of few short texts: a task model gives those for less.

Of the answers only digests and counts are kept. An answer that is no label forgets what was counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenai.nudges.advice import Advice, Recent

if TYPE_CHECKING:
    from greenai.nudges.advice import Seen

__all__ = ["RightSizing"]

ANSWERS = 30
MOST_LABELS = 8
LEAST_LABELS = 2
LABEL_CHARS = 40
LABEL_WORDS = 4


class RightSizing:
    """Counts the answers to calls of one form."""

    name = "right_sizing"

    def __init__(self) -> None:
        self._counts: Recent[tuple[object, ...], dict[int, int]] = Recent()

    def __call__(self, seen: Seen, /) -> Advice | None:
        """Return advice once `ANSWERS` answers were one of few labels, each given more than once."""
        key = (seen.options.project, seen.form)
        label = _label(seen.reply)
        with self._counts.lock:
            if label is None:
                self._counts.drop(key)
                return None
            counts = self._counts.take(key, dict[int, int])
            counts[label] = counts.get(label, 0) + 1
            if len(counts) > MOST_LABELS:
                self._counts.drop(key)
                return None
            total = sum(counts.values())
            if total < ANSWERS or len(counts) < LEAST_LABELS or min(counts.values()) < 2:
                return None
            self._counts.drop(key)
        each = sorted(counts.values(), reverse=True)
        data = {"count": total, "labels": len(each), "counts": ", ".join(map(str, each)), "model": seen.model}
        return Advice(id="right_sizing.labels", data=data, about=seen.form)


def _label(reply: str) -> int | None:
    """Return a digest of an answer that can be a label: one short line."""
    text = reply.strip()
    if not text or len(text) > LABEL_CHARS or "\n" in text or len(text.split()) > LABEL_WORDS:
        return None
    return hash(text.casefold().strip(" .!\"'*"))

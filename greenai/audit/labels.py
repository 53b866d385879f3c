"""When the answers of a template are a few labels, so that a task model could give them: for an audit and for distil.

An answer is a label where it recurs, blanks, case and a full stop aside. A template has labels where nearly all of its
whole answers are, where these are far fewer than the answers, and where enough different prompts were asked to prove
what a task model promises. Whether the labels can be told from the prompts is another question (`sufficing.closed`).
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.columns import Calls
    from greenai.audit.values import Logged

__all__ = [
    "FEWEST_OF_LABEL", "LEAST", "LONGEST_LABEL", "MOST_LABELS", "SHARE", "WHOLE", "Labels", "answer_of", "command",
    "labels_of", "spelling", "whole_of",
]  # fmt: skip

LEAST = 300
"""A template with fewer different prompts is not worth a task model: a promise could not be proved (`distil.train`)."""
SHARE = 0.9
"""So much of a template's whole answers must be labels."""
FEWEST_OF_LABEL = 5
"""A label that was given less often is not learnt: what the large model says then is "another answer"."""
MOST_LABELS = 500
LONGEST_LABEL = 200
"""Characters."""
WHOLE = (None, "stop", "end_turn", "stop_sequence", "completed", "STOP")
"""Reasons to end that providers give for an answer that was not cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of a template, and why they are none.

    Attributes:
        counts: numbers of answers that recur, and how often each was given; the commonest first.
        answered: whole answers of the template.
        different: different requests among those.
        asked_again: requests that were answered more than once, and `differ` how many of these not always alike.
    """

    counts: tuple[tuple[int, int], ...]
    answered: int
    different: int
    asked_again: int = 0
    differ: int = 0

    @property
    def share(self) -> float:
        """The share of the whole answers that these are."""
        return sum(count for _, count in self.counts) / max(1, self.answered)

    @property
    def perplexity(self) -> float:
        """How many labels of the same frequency would be as hard to guess."""
        total = sum(count for _, count in self.counts)
        return math.exp(-sum(count / total * math.log(count / total) for _, count in self.counts))

    @property
    def why_not(self) -> str | None:
        """Why no task model can be made of them; None where one can."""
        if self.share < SHARE:
            return (
                f"its answers are no labels: {self.share:.0%} of them recur at least {FEWEST_OF_LABEL} times, and "
                f"{SHARE:.0%} are needed"
            )
        if len(self.counts) < 2:
            return "it is always answered the same"
        if self.different < LEAST:
            return f"{self.different} different prompts are too few to prove a promise: {LEAST} are needed"
        if len(self.counts) * 2 * FEWEST_OF_LABEL > self.answered:
            return f"{len(self.counts)} labels in {self.answered} answers are too many to learn"
        return None


def labels_of(calls: Calls, least: int = LEAST) -> Mapping[int, Labels]:
    """Return the labels of each template that has so many calls, by the template's number; of some they are none."""
    import numpy as np

    codes = calls.template.codes
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0]) if len(order) else np.zeros(0, np.int64)
    whole = whole_of(calls)
    found: dict[int, Labels] = {}
    for rows in np.split(order, starts[1:]):
        if len(rows) >= max(1, least) and codes[rows[0]] >= 0:
            found[int(codes[rows[0]])] = _labels(calls, rows[whole[rows]])
    return found


def _labels(calls: Calls, rows: NDArray[np.int64]) -> Labels:
    import numpy as np

    short = rows[calls.answer_chars[rows] <= LONGEST_LABEL]
    answers, counts = np.unique(calls.answer.codes[short], return_counts=True)
    order = np.lexsort((answers, -counts))[:MOST_LABELS]
    often = zip(answers[order].tolist(), counts[order].tolist(), strict=True)
    keys, times = np.unique(calls.key.codes[rows], return_counts=True)
    pairs = np.unique(np.stack([calls.key.codes[rows], calls.answer.codes[rows]]), axis=1)
    answers_of = np.unique(pairs[0], return_counts=True)[1]
    return Labels(
        counts=tuple((answer, count) for answer, count in often if count >= FEWEST_OF_LABEL),
        answered=len(rows),
        different=len(keys),
        asked_again=int((times > 1).sum()),
        differ=int((answers_of > 1).sum()),
    )


def whole_of(calls: Calls) -> NDArray[np.bool_]:
    """Return which calls were answered whole, as `answer_of` says it of one."""
    whole: NDArray[np.bool_] = calls.ok & ~calls.tool_calls & ~calls.truncated & (calls.answer.codes >= 0)
    return whole


def answer_of(call: Logged) -> str | None:
    """Return what a call was answered, where that was all of an answer: not cut off, no call of a tool, not empty."""
    whole = call.ok and not call.tool_calls and call.finish_reason in WHOLE
    return call.answer.strip() or None if whole and call.answer else None


def spelling(answer: str) -> str:
    """Return what two answers share that say the same label: blanks, case and a full stop at the end aside."""
    return " ".join(answer.casefold().split()).removesuffix(".")


def command(files: Sequence[str], form: str | None, template: str) -> str:
    """Return the command that makes a task model of a template, as a shell takes it."""
    named = f" --format {form}" if form is not None else ""
    return f"greenai distil {shlex.join(files)}{named} --template {template}"

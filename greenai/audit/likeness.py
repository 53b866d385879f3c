"""How alike two free answers are, by their vectors, beside how alike one model's answers are. No figure of quality.

A cosine says nothing by itself. It is shown beside two others of the same log: of two answers of the large model to the
same prompt, and of answers to different prompts of a template. Below what 95% of the former reach, an answer is further
from the log's than the large model is from itself. It may be right all the same, and a near one may be wrong: so no
risk is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from greenai.audit.check_plan import Pair, labelled_rows
from greenai.audit.finding import Span
from greenai.audit.matching import form_of
from greenai.audit.shares import interval
from greenai.embed import minilm
from greenai.errors import EngineError, MissingExtra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from greenai.audit.estimate import Looked
    from greenai.audit.sufficing import Texts

    Floats: TypeAlias = NDArray[np.float32]

__all__ = ["Likeness", "Spread", "alike", "is_there", "likeness", "repeated", "unrelated"]

PIECE_WORDS, MOST_PIECES = 60, 24
"""The encoder reads 128 tokens: a longer answer is the mean of so many pieces of so many words."""
MOST_PAIRS = 100
FEWEST = 20
"""Of so many answers of one model to the same prompt a 5th percentile is told."""
PERCENTILE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Cosines of pairs of answers: how many, their median, and what 5% and 95% of them are below."""

    pairs: int
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How alike the small model's free answers are to the log's.

    Attributes:
        small: of the small model's answers to the log's.
        repeated: of two answers of the large model to the same prompt; `identical` ones are not among them, as a cache
            or temperature 0 explains them.
        unrelated: of the log's answers to different prompts.
        further: the share of the small model's that are further off than 95% of the large model's own.
    """

    small: Spread
    repeated: Spread | None
    unrelated: Spread | None
    identical: int
    further: Span | None


def is_there() -> bool:
    """Say whether the encoder is installed."""
    try:
        minilm.load()
    except (EngineError, MissingExtra):
        return False
    return True


def alike(answer: str, other: str) -> float:
    """Return the cosine of two answers."""
    return float(_vector(answer) @ _vector(other))


def _vector(text: str) -> Floats:
    import numpy as np

    words = text.split()
    pieces = [" ".join(words[at : at + PIECE_WORDS]) for at in range(0, len(words), PIECE_WORDS)][:MOST_PIECES]
    mean = minilm.load().encode(pieces or [""]).mean(0)
    unit: Floats = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return unit


def repeated(looked: Looked, texts: Texts) -> tuple[list[float], int]:
    """Return how alike two free answers of the log to the same prompt are, and how many were identical."""
    calls = looked.calls
    first: dict[int, int] = {}
    pairs, identical = list[tuple[int, int]](), 0
    usable = (calls.key.codes >= 0) & calls.ok & ~calls.truncated & ~calls.tool_calls & ~labelled_rows(looked)
    for row in usable.nonzero()[0].tolist():
        key = int(calls.key.codes[row])
        before = first.setdefault(key, row)
        if before == row or before < 0:
            continue
        first[key] = -1
        if calls.answer.codes[before] == calls.answer.codes[row]:
            identical += 1
        elif len(pairs) < MOST_PAIRS:
            pairs.append((before, row))
    rows = sorted({row for pair in pairs for row in pair})
    said = {row: call.answer for row, call in zip(rows, texts(rows), strict=True) if call is not None and call.answer}
    found = [
        alike(said[one], said[other])
        for one, other in pairs
        if one in said and other in said and form_of(said[one], is_label=False) is None
    ]
    return found, identical


def unrelated(pairs: Sequence[Pair]) -> list[float]:
    """Return how alike the log's free answers to different prompts of a template are."""
    free = sorted((pair for pair in pairs if pair.form is None), key=lambda pair: pair.template)[: MOST_PAIRS + 1]
    return [
        alike(one.call.answer or "", other.call.answer or "")
        for one, other in pairwise(free)
        if one.template == other.template and one.call.messages != other.call.messages
    ]


def likeness(small: Sequence[float], own: Sequence[float], others: Sequence[float], identical: int) -> Likeness | None:
    """Return what is told of cosines; None where the small model gave no free answer."""
    if not small:
        return None
    own_spread = _spread(own)
    return Likeness(
        small=_spread(small) or Spread(pairs=0, median=0.0, low=0.0, high=0.0),
        repeated=own_spread,
        unrelated=_spread(others),
        identical=identical,
        further=None if len(own) < FEWEST else _further(small, own),
    )


def _spread(cosines: Sequence[float]) -> Spread | None:
    import numpy as np

    if not cosines:
        return None
    low, median, high = (float(value) for value in np.quantile(np.array(cosines), (PERCENTILE, 0.5, 1 - PERCENTILE)))
    return Spread(pairs=len(cosines), median=median, low=low, high=high)


def _further(small: Sequence[float], own: Sequence[float]) -> Span:
    """Return the share below the 5th percentile; the ends allow for where that lies, as for how many were asked."""
    import numpy as np

    held = np.sort(np.array(own))
    rng = np.random.default_rng(0)
    limits = np.quantile(rng.choice(held, (500, len(held))), PERCENTILE, axis=1)
    ends = [sum(cosine < limit for cosine in small) for limit in np.quantile(limits, (0.05, 0.95)).tolist()]
    mid = sum(cosine < float(np.quantile(held, PERCENTILE)) for cosine in small)
    low, high = interval(min(*ends, mid), len(small)), interval(max(*ends, mid), len(small))
    return Span(mid=mid / len(small), low=low.low, high=high.high)

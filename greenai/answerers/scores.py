"""Answers that are numbers on a scale, such as 0 to 100: what the large model would say, where that is narrow enough.

A ridge on the similarity of texts, by MiniLM's and the static vectors, tells three things of a text: how well it is
known, its number, and that number's square. The last two tell by how much numbers of such texts differ; `width` times
that is the half of an interval in which the large model's number lies as often as promised. The lead of an answer is
1/2 where that half is the tolerance, and more where it is less. How it is fitted is `greenai.distil.scores`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from greenai import embed
from greenai.answerers import kernel
from greenai.embed import minilm

if TYPE_CHECKING:
    from greenai.answerers.kernel import Floats

__all__ = ["EXACT", "LEAST_SPREAD", "SHARES", "ScoreHead", "number_of", "one_unit", "spread_of", "vectors", "within"]

SHARES = (0.6, 0.4)
"""Of MiniLM's and the static vectors in the similarity."""
EXACT = 1e-6
"""By which rounding may exceed a tolerance."""
LEAST_SPREAD = 0.05
"""Numbers of like texts are never taken to differ less, in standard deviations of the log's numbers."""

_WRITTEN = re.compile(r"([^\d-]*)(-?\d+(?:\.(\d+))?)(\D*)")


def number_of(text: str) -> tuple[float, int, str, str] | None:
    """Return the number that an answer is, its decimals, and what stands before and after it; None for another."""
    found = _WRITTEN.fullmatch(text.strip().replace("\N{MINUS SIGN}", "-"))
    return None if found is None else (float(found[2]), len(found[3] or ""), found[1], found[4])


def within(said: str, reply: str, tolerance: float) -> bool:
    """Say whether two answers are numbers that differ by the tolerance at most, and of no two units."""
    one, other = number_of(said), number_of(reply)
    if one is None or other is None or not one_unit(one[2:], other[2:]):
        return False
    return abs(one[0] - other[0]) <= tolerance + EXACT


def one_unit(around: tuple[str, str], other: tuple[str, str]) -> bool:
    """Say whether what stands around two numbers names one unit; a number without any may be of each."""
    units = {_unit(*around), _unit(*other)} - {""}
    return len(units) < 2


def _unit(before: str, after: str) -> str:
    """Return the signs of money before a number, and the first word after it: the rest is how it is told."""
    money = "".join(sign for sign in before if unicodedata.category(sign) == "Sc")
    word = after.strip(" \n\t\"'`*.,;:)").split(maxsplit=1)
    return money + (word[0] if word else "")


def vectors(texts: Sequence[str]) -> tuple[Floats, Floats]:
    """Return MiniLM's and the static vectors of texts, float32 of shapes (texts, 384) and (texts, 256)."""
    return minilm.load().encode(texts), embed.encode(texts)


def spread_of(told: Floats) -> Floats:
    """Return by how much the numbers of such texts differ, in standard deviations; `told` has shape (texts, 3)."""
    import numpy as np

    unknown = np.maximum(1 - told[:, 0], 0.0)
    found: Floats = np.sqrt(np.maximum(told[:, 2] - told[:, 1] ** 2, 0.0) + unknown**2 + LEAST_SPREAD**2)
    return found


class ScoreHead:
    """The fitted ridge, and how a number is written. Threads may share it."""

    def __init__(self, arrays: Mapping[str, Any], header: Mapping[str, Any]) -> None:
        """Take what a file holds.

        Raises:
            KeyError, TypeError, ValueError: it is not what such a model consists of.
        """
        import numpy as np

        self._known = arrays["minilm"].astype(np.float32), arrays["static"].astype(np.float32)
        self._adds: Floats = arrays["adds"].astype(np.float32)
        shapes = [self._known[0].shape, self._known[1].shape, self._adds.shape]
        wanted = [(len(self._adds), 384), (len(self._adds), 256), (len(self._adds), 3)]
        if shapes != wanted:
            raise ValueError(f"its arrays have the shapes {shapes}, and {wanted} are needed")
        told = [float(header[name]) for name in ("mean", "deviation", "width", "tolerance", "lowest", "highest")]
        self._mean, self._deviation, self._width, self.tolerance, self._lowest, self._highest = told
        self._decimals = int(header["decimals"])
        self._least_decimals = int(header.get("least_decimals", self._decimals))
        before, after = header["around"]
        self._around = str(before), str(after)
        held = (*self._known, self._adds, np.array(told))
        if not all(np.isfinite(one).all() for one in held) or not 0 < self.tolerance < np.inf:
            raise ValueError("not all of its numbers are finite")

    def reads(self, text: str) -> bool:
        """Say whether MiniLM reads all of a text."""
        return kernel.readable(text)

    def tell(self, deep: Floats, flat: Floats) -> Floats:
        """Return what is told of texts by their vectors, float32 of shape (texts, 3)."""
        like = kernel.falloff(deep @ self._known[0].T, SHARES[0]) + kernel.falloff(flat @ self._known[1].T, SHARES[1])
        found: Floats = (like @ self._adds).astype("float32")
        return found

    def lead(self, told: Floats) -> Floats:
        """Return the leads of answers: 1/2 where half the interval is the tolerance."""
        half = self._width * self._deviation * spread_of(told)
        found: Floats = (self.tolerance / (self.tolerance + half)).astype("float32")
        return found

    def number(self, told: Floats) -> Floats:
        """Return the numbers that are said, none beyond those of the log."""
        import numpy as np

        meant = self._mean + self._deviation * told[:, 1]
        found: Floats = np.clip(meant, self._lowest, self._highest).round(self._decimals)
        return found + np.float32(0.0)  # of -0 it makes 0

    def say(self, text: str, *, guarded: bool = False) -> tuple[str | None, int, float, float, float]:  # noqa: ARG002  # one look is all there is
        """Return the number as the log writes it; 0 for any label; how well it knows the text; the lead; that again."""
        told = self.tell(*vectors((text,)))
        score = float(told[0, 0])
        return self.written(float(self.number(told)[0])), 0, score, float(self.lead(told)[0]), score

    def written(self, number: float) -> str:
        """Return a number as the log writes it."""
        before, after = self._around
        whole, dot, decimals = f"{number:.{self._decimals}f}".partition(".")
        decimals = decimals[: self._least_decimals] + decimals[self._least_decimals :].rstrip("0")
        return f"{before}{whole}{dot if decimals else ''}{decimals}{after}"

"""How near a question is to a route, and from where on it is the route's: scores, thresholds, the lead over the next.

Everything here is about vectors; `matching.py` says in words what is decided with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.answerers.details import without_details
from greenai.answerers.sameness import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float32]

__all__ = [
    "CONFUSED",
    "ENOUGH",
    "KEPT",
    "LEAST",
    "OWN",
    "PROMISED",
    "SAME",
    "STRANGERS",
    "STRICT",
    "Limits",
    "Space",
    "Texts",
    "calibrated",
    "conformal",
    "encoded",
    "nearness",
    "negatives",
    "others",
    "plain",
]

PROMISED = 0.01
"""At most this share of chat prompts reaches a route that they were not meant for."""

CONFUSED = 0.05
"""At most this share of the routes' own examples, each left out in turn, goes to another route."""

STRANGERS = 0.1
"""At most this share of a route's examples would go to another route, were their own not registered."""

KEPT = 0.85
"""At least this share of a route's own examples, each left out in turn, still reaches it after that."""

LEADS = tuple(n / 100 for n in range(31))
LEAST = 0.5
STRICT = 0.7
ENOUGH = 3
OWN = 0.7  # a packaged prompt that is this near to a route's example is a question for the route
SAME = 1e-4  # as near as makes no difference
CENTRAL = 0.5  # what the centre of a route's examples counts, beside the nearest one
DETAILS = 0.25  # what the details of a question count: enough to tell apart two routes that differ in nothing else
NONE = -9.0  # less than any score


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Vectors of texts, float32 of shape (n, 256): `whole`, and `bare` with their details counting little."""

    whole: Matrix
    bare: Matrix


def plain(text: str) -> str:
    """Return `text` as people differ in writing it: without capitals, spare spaces and marks at its ends."""
    return " ".join(clean(text).lower().split()).strip(" ?!.,;:")


def encoded(texts: Sequence[str]) -> Texts:
    """Return the vectors of texts."""
    from greenai.embed import encode

    asked = [plain(text) for text in texts]
    stripped = [without_details(text) for text in asked]
    whole = encode(asked)
    changed = [n for n, (one, other) in enumerate(zip(asked, stripped, strict=True)) if one != other]
    if not changed:
        return Texts(whole=whole, bare=whole)
    bare = whole.copy()
    bare[changed] = _unit(DETAILS * whole[changed] + (1 - DETAILS) * encode([stripped[n] for n in changed]))
    return Texts(whole=whole, bare=bare)


def _unit(vectors: Any) -> Any:
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


class Space:
    """The routes' examples as vectors. A `strict` route takes each example for itself, details and all."""

    def __init__(self, texts: Texts, counts: Sequence[int], strict: Sequence[bool]) -> None:
        import numpy as np

        self.texts = texts
        self.owner = np.repeat(np.arange(len(counts)), counts)
        self.strict = np.array(strict)
        self._starts = np.cumsum([0, *counts[:-1]])
        self._by_itself = self.strict[self.owner]
        self._vectors: Matrix = np.where(self._by_itself[:, None], texts.whole, texts.bare)
        self._sums = np.add.reduceat(self._vectors, self._starts)
        self._centres: Matrix = _unit(self._sums)
        self._central = np.where(self.strict, 0.0, CENTRAL)
        self.apart = np.sqrt(np.maximum(2 - 2 * self._centres @ self._centres.T, 0.01))

    def similarities(self, texts: Texts) -> Any:
        """Return the similarity of each text to each example."""
        import numpy as np

        bare = texts.bare @ self._vectors.T
        return np.where(self._by_itself, texts.whole @ self._vectors.T, bare) if self._by_itself.any() else bare

    def of_one(self, text: Texts) -> tuple[Any, Any]:
        """Return the similarity of one text to each example, and its score for each route."""
        similarities = nearness(self._vectors, text.bare[0])
        if self._by_itself.any():
            whole = nearness(self._vectors, text.whole[0])
            similarities[self._by_itself] = whole[self._by_itself]
        return similarities, self._scores(similarities[None], nearness(self._centres, text.bare[0])[None])[0]

    def scores(self, texts: Texts) -> tuple[Any, Any]:
        """Return for each text and route the similarity to the nearest example, and the score."""
        similarities = self.similarities(texts)
        return self._nearest(similarities), self._scores(similarities, texts.bare @ self._centres.T)

    def _nearest(self, similarities: Any) -> Any:
        import numpy as np

        return np.maximum.reduceat(similarities, self._starts, axis=1)

    def _scores(self, similarities: Any, central: Any) -> Any:
        """Return the mean of the nearest example and of the centre of all; 1 for an example's own words."""
        import numpy as np

        nearest = self._nearest(similarities)
        mean = (1 - self._central) * nearest + self._central * central
        return np.where(nearest > 1 - SAME, 1.0, mean)

    def left_out(self, rows: Any) -> Any:
        """Return the score of some examples for each route, as if each had not been registered."""
        import numpy as np

        some = Texts(whole=self.texts.whole[rows], bare=self.texts.bare[rows])
        similarities = self.similarities(some)
        at = np.arange(len(rows))
        similarities[at, rows] = -1.0
        central = some.bare @ self._centres.T
        own = self.owner[rows]
        rest = _unit(self._sums[own] - self._vectors[rows])
        central[at, own] = np.einsum("ij,ij->i", some.bare, rest)
        return self._scores(similarities, central)

    def lead(self, scores: Any) -> tuple[Any, Any]:
        """Return the best route for each row of scores, and its lead over the next one.

        The lead is divided by the distance of the two: where routes lie close together, so do their scores.
        """
        import numpy as np

        if scores.shape[1] == 1:
            return np.zeros(len(scores), int), np.full(len(scores), np.inf)
        order = np.argsort(-scores, axis=1, kind="stable")
        first, second, at = order[:, 0], order[:, 1], np.arange(len(scores))
        return first, (scores[at, first] - scores[at, second]) / self.apart[first, second]


# --- thresholds ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which score on each route answers, and the lead over the next route that it needs."""

    thresholds: Any
    lead: float


def calibrated(space: Space, given: Sequence[float | None]) -> Limits:
    """Return the limits of routes; `given` are the thresholds that the project chose."""
    import numpy as np

    fixed = np.array([threshold is not None for threshold in given])
    counts = np.bincount(space.owner, minlength=len(given))
    judged = ~space.strict & (counts >= ENOUGH)
    rows = np.nonzero(judged[space.owner])[0]
    left_out = space.left_out(rows)
    own = left_out[np.arange(len(rows)), space.owner[rows]]
    typical = {n: own[space.owner[rows] == n] for n in np.nonzero(judged)[0].tolist()}
    nearest, reached = space.scores(others())
    reached = np.where(nearest >= OWN, NONE, reached)
    alone = np.array([
        threshold if threshold is not None else _alone(conformal(reached[:, n]), typical.get(n))
        for n, threshold in enumerate(given)
    ])  # fmt: skip
    together = max(0.0, conformal(np.where(fixed, NONE, reached - alone).max(axis=1)))
    thresholds = np.where(fixed, alone, alone + together)
    if judged.sum() < 2:
        return Limits(thresholds=thresholds, lead=0.0)
    lead = _lead(space, left_out, rows, thresholds)
    raised = _against_strangers(space, left_out, rows, np.where(fixed, np.inf, thresholds), lead)
    for n in (n for n in typical if not fixed[n]):
        most = max(thresholds[n], float(np.quantile(typical[n], 1 - KEPT)))
        thresholds[n] = min(thresholds[n] + raised, most)
    return Limits(thresholds=thresholds, lead=lead)


def _alone(bound: float, own: Any) -> float:
    """Return the threshold of a route as if there were no other; `own` are its examples' scores, each left out."""
    import numpy as np

    return max(bound, STRICT) if own is None else max(bound, (bound + float(np.median(own))) / 2, LEAST)


def _lead(space: Space, left_out: Any, rows: Any, thresholds: Any) -> float:
    """Return how far a route has to lead, so that few examples go to another one's route."""
    first, lead = space.lead(left_out)
    fires = left_out.max(axis=1) >= thresholds[first]
    wrong = fires & (first != space.owner[rows])
    held = (m for m in LEADS if (wrong & (lead >= m)).sum() <= CONFUSED * (fires & (lead >= m)).sum())
    return next(held, LEADS[-1])


def _against_strangers(space: Space, left_out: Any, rows: Any, thresholds: Any, least: float) -> float:
    """Return by how much thresholds have to rise, so that few questions of a route that is not registered reach any.

    Each route's examples stand for such questions in turn: they are held against all the other routes.
    """
    import numpy as np

    at = np.arange(len(rows))
    hidden = left_out.copy()
    hidden[at, space.owner[rows]] = NONE
    first, lead = space.lead(hidden)
    excess = np.where(lead >= least, hidden[at, first] - thresholds[first], NONE)
    return max(0.0, conformal(excess, STRANGERS))


def conformal(scores: Any, share: float = PROMISED) -> float:
    """Return the score above which at most `share` of further draws lie, by split conformal prediction."""
    import numpy as np

    allowed = int(share * (len(scores) + 1))  # how many of the draws may lie at or above the threshold
    return float(np.nextafter(np.sort(scores)[::-1][max(allowed - 1, 0)], np.inf))


def nearness(vectors: Matrix, vector: Any) -> Any:
    """Return the similarity of each row to `vector`, on this thread alone.

    The `@` operator may share so small a product out among threads, which wait for each other: with other processes on
    the cores that took 8 ms for 3,000 rows, where this takes 0.1 ms.
    """
    import numpy as np

    return np.einsum("ij,j->i", vectors, vector)


# --- packaged prompts ---------------------------------------------------------------------


@lru_cache(maxsize=1)
def _packaged() -> tuple[tuple[str, ...], Texts]:
    text = Path(__file__).with_name("negatives.txt").read_text("utf-8")
    texts = tuple(line for line in text.splitlines() if line)
    return texts, encoded(texts)


def others() -> Texts:
    """Return the vectors of the packaged chat prompts."""
    return _packaged()[1]


def negatives() -> tuple[tuple[str, ...], Matrix]:
    """Return the packaged chat prompts and their vectors."""
    texts, vectors = _packaged()
    return texts, vectors.whole

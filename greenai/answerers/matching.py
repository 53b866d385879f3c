"""Whether a question is one that a route was registered for: similarity to its examples, held against a threshold.

A route's threshold is calibrated when the routes are indexed, in three steps, each of which only raises it:

1. It lies above what `PROMISED` of the packaged chat prompts (negatives.txt) reach, by split conformal prediction.
2. It lies half-way from there to the median similarity among the route's own examples, each held against the others
   (leave one out), and never below `LEAST`. A route with fewer than `ENOUGH` examples cannot be judged by them: its
   threshold is `STRICT`.
3. The routes together: all thresholds rise until at most `PROMISED` of the packaged prompts reach any of them.

Besides, a question only goes to the route that is nearest: to none where it is negated and none of the route's
examples is, or the other way round; where it says the opposite of the nearest example and no other example says so
("disable", "enable"); where the route is `strict` and words say that another question was meant (`sameness.py`); where
a counterexample or a packaged prompt is nearer still; or where the next
route is so near that too many of the routes' own examples, each left out in turn, would go to the wrong one
(`CONFUSED`). The promise is about chat prompts in general; a project that is asked much that is close to a route, and
meant otherwise, names some of it as `counterexamples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from greenai.answerers.sameness import clean, difference, is_negated, opposite, stems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float32]

__all__ = [
    "ENOUGH",
    "LEAST",
    "MAX_CHARS",
    "PROMISED",
    "STRICT",
    "Match",
    "Route",
    "Routes",
    "conformal",
    "nearness",
    "negatives",
]

PROMISED = 0.01
"""At most this share of chat prompts reaches a route that they were not meant for."""

CONFUSED = 0.05
"""At most this share of the routes' own examples, each left out in turn, goes to another route."""

MARGINS = tuple(n / 100 for n in range(16))
LEAST = 0.5
STRICT = 0.7
ENOUGH = 3
MAX_CHARS = 400  # what is longer than this asks for more than an example does
LOOKED_AT = 8  # so many pairs of a FAQ may have nearly the vector of a question: versions, plans, directions
OWN = 0.7  # a packaged prompt that is this near to a route's example is a question for the route


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What questions a route is for. `threshold` None is calibrated; `strict` takes each example for itself."""

    name: str
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...] = ()
    threshold: float | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The route that is nearest to a question, by which example, and how near; it `fires` from its threshold on.

    `against` says in words what speaks against it, whatever the similarity.
    """

    route: str
    example: str
    similarity: float
    threshold: float
    against: str | None = None

    @property
    def fires(self) -> bool:
        """True where the question is for the route."""
        return self.similarity >= self.threshold and self.against is None


class Routes:
    """Routes, indexed: one matrix product per question. Made once for a set of routes; it never changes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        import numpy as np

        from greenai.embed import encode

        self._names = tuple(route.name for route in routes)
        self._examples = tuple(example for route in routes for example in route.examples)
        self._owner = np.repeat(np.arange(len(routes)), [len(route.examples) for route in routes])
        self._strict = tuple(route.strict for route in routes)
        self._negated = tuple(frozenset(map(is_negated, route.examples)) for route in routes)
        self._said = tuple(frozenset(word for text in route.examples for word in stems(text)) for route in routes)
        self._vectors: Matrix = encode([_plain(text) for text in self._examples])
        self._against = tuple(text for route in routes for text in route.counterexamples)
        texts, vectors = negatives()
        self._others = (*self._against, *texts)
        self._other_vectors: Matrix = vectors
        if self._against:
            self._other_vectors = np.concatenate([encode([_plain(text) for text in self._against]), vectors])
        self._thresholds = self._calibrated(routes, vectors)
        self._margin = self._told_apart(routes)

    @property
    def thresholds(self) -> dict[str, float]:
        """The threshold of each route, by its name."""
        return dict(zip(self._names, (float(t) for t in self._thresholds), strict=True))

    def best(self, question: str) -> Match | None:
        """Return the route whose example is nearest to `question`; None where the question is too long for any."""
        from greenai.embed import encode

        if not question.strip() or len(question) > MAX_CHARS:
            return None
        vector = encode([_plain(question)])[0]
        similarities = nearness(self._vectors, vector)
        at = self._same(question, similarities, int(similarities.argmax()))
        route, similarity = int(self._owner[at]), float(similarities[at])
        return Match(
            route=self._names[route],
            example=self._examples[at],
            similarity=similarity,
            threshold=float(self._thresholds[route]),
            against=self._against_it(question, vector, similarities, at),
        )

    def _same(self, question: str, similarities: Any, at: int) -> int:
        """Return the nearest example of a strict route that may mean the same, or `at`: vectors lose numbers, order."""
        import numpy as np

        route = int(self._owner[at])
        if not self._strict[route]:
            return at
        near = np.nonzero((self._owner == route) & (similarities >= self._thresholds[route]))[0]
        nearest = near[np.argsort(-similarities[near], kind="stable")][:LOOKED_AT].tolist()
        return next((n for n in nearest if self._meant_otherwise(question, n) is None), at)

    def _meant_otherwise(self, question: str, at: int) -> str | None:
        route, example = int(self._owner[at]), self._examples[at]
        strict = self._strict[route]
        if is_negated(question) not in ((is_negated(example),) if strict else self._negated[route]):
            return f'one of it and "{example}" is negated'
        if (both := opposite(question, example, () if strict else self._said[route])) is not None:
            return f'it says "{both[0]}" where "{example}" says "{both[1]}"'
        return difference(question, example) if strict else None

    def _against_it(self, question: str, vector: Any, similarities: Any, at: int) -> str | None:
        if (otherwise := self._meant_otherwise(question, at)) is not None:
            return otherwise
        similarity = float(similarities[at])
        others = nearness(self._other_vectors, vector)
        nearest = int(others.argmax())
        # As near as makes no difference is an example that is a packaged prompt itself: the project's word counts.
        if float(others[nearest]) > similarity + 1e-4:
            return f'nearer to "{self._others[nearest]}"'
        similarities[self._owner == self._owner[at]] = -1.0
        second = int(similarities.argmax())
        if similarity - float(similarities[second]) < self._margin:
            return f'too near to "{self._examples[second]}"'
        return None

    def _calibrated(self, routes: Sequence[Route], vectors: Matrix) -> Any:
        import numpy as np

        mine = [self._vectors[self._owner == n] for n in range(len(routes))]
        reached = np.stack([(vectors @ own.T).max(axis=1) for own in mine], axis=1)
        reached[reached >= OWN] = -1.0
        alone = np.array([_alone(route, mine[n], reached[:, n]) for n, route in enumerate(routes)])
        given = np.array([route.threshold is not None for route in routes])
        excess = np.where(given, -1.0, reached - alone).max(axis=1)
        together = max(0.0, conformal(excess))
        return np.where(given, alone, alone + together)

    def _told_apart(self, routes: Sequence[Route]) -> float:
        """Return how much nearer than the next route a route has to be."""
        import numpy as np

        judged = [n for n, route in enumerate(routes) if not route.strict and len(route.examples) >= ENOUGH]
        at = np.isin(self._owner, judged)
        if len(judged) < 2:
            return 0.0
        near = self._vectors[at] @ self._vectors.T
        near[np.arange(len(near)), np.nonzero(at)[0]] = -1.0  # each example is left out in its turn
        by_route = np.stack([near[:, self._owner == n].max(axis=1) for n in range(len(routes))], axis=1)
        ranked = np.sort(by_route, axis=1)
        first, lead = by_route.argmax(axis=1), ranked[:, -1] - ranked[:, -2]
        fires = ranked[:, -1] >= self._thresholds[first]
        wrong = fires & (first != self._owner[at])
        held = (m for m in MARGINS if (wrong & (lead >= m)).sum() <= CONFUSED * (fires & (lead >= m)).sum())
        return next(held, MARGINS[-1])


def _alone(route: Route, own: Matrix, reached: Any) -> float:
    """Return the threshold of a route as if there were no other."""
    if route.threshold is not None:
        return route.threshold
    bound = conformal(reached)
    if route.strict or len(route.examples) < ENOUGH:
        return max(bound, STRICT)
    return max(bound, (bound + _among(own)) / 2, LEAST)


def _among(own: Matrix) -> float:
    """Return the median similarity of the examples to the nearest other one."""
    import numpy as np

    similarities = own @ own.T
    np.fill_diagonal(similarities, -1.0)
    return float(np.median(similarities.max(axis=1)))


def nearness(vectors: Matrix, vector: Any) -> Any:
    """Return the similarity of each row to `vector`, on this thread alone.

    The `@` operator may share so small a product out among threads, which wait for each other: with other processes on
    the cores that took 8 ms for 3,000 rows, where this takes 0.1 ms.
    """
    import numpy as np

    return np.einsum("ij,j->i", vectors, vector)


def conformal(scores: Any, share: float = PROMISED) -> float:
    """Return the score above which at most `share` of further draws lie, by split conformal prediction."""
    import numpy as np

    allowed = int(share * (len(scores) + 1))  # how many of the draws may lie at or above the threshold
    return float(np.nextafter(np.sort(scores)[::-1][max(allowed - 1, 0)], np.inf))


def _plain(text: str) -> str:
    """Return `text` as people differ in writing it: without capitals, spare spaces and marks at its ends."""
    return " ".join(clean(text).lower().split()).strip(" ?!.,;:")


@lru_cache(maxsize=1)
def negatives() -> tuple[tuple[str, ...], Matrix]:
    """Return the packaged chat prompts and their vectors."""
    from greenai.embed import encode

    text = Path(__file__).with_name("negatives.txt").read_text("utf-8")
    texts = tuple(line for line in text.splitlines() if line)
    return texts, encode([_plain(text) for text in texts])

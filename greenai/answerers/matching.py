"""Whether a question is one that a route was registered for: its score, held against a threshold.

The score is the mean of the similarity to the nearest example and to the centre of all; places, people, days and
numbers count little in it (`details.py`), because they fill a question in and do not say what is asked. Thresholds are
calibrated when the routes are indexed, in four steps, each of which only raises them:

1. One lies above what `PROMISED` of the packaged chat prompts (negatives.txt) reach, by split conformal prediction.
2. It lies half-way from there to the median score of the route's own examples, each held against the others (leave one
   out), and never below `LEAST`. A route with fewer than `ENOUGH` examples cannot be judged by them: its threshold is
   `STRICT`.
3. The routes together: all thresholds rise until at most `PROMISED` of the packaged prompts reach any of them.
4. The routes stand for their neighbours: thresholds rise until at most `STRANGERS` of a route's examples would reach
   another, were their own not registered; not so far that fewer than `KEPT` of a route's own examples still reach it.

Besides, a question only goes to the route with the highest score: to none where it is negated and none of the route's
examples is, or the other way round; where it says the opposite of the nearest example and no other example says so
("disable", "enable"); where it asks to have something written or defined, and no example does; where the route is
`strict` and words say that another question was meant (`sameness.py`); where a counterexample or a packaged prompt is
nearer still; or where the next route is so near that too many of the routes' own examples, each left out in turn,
would go to the wrong one (`CONFUSED`). A project that is asked much that is close to a route, and meant otherwise,
names some of it as `counterexamples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from greenai.answerers.calibration import SAME, Space, Texts, calibrated, encoded, nearness, negatives, others
from greenai.answerers.sameness import another_kind, difference, is_negated, opposite, stems

__all__ = ["MAX_CHARS", "Match", "Route", "Routes"]

MAX_CHARS = 400  # what is longer than this asks for more than an example does
LONGER = 3  # a question of more words than three times the longest example tells of something else besides
SHORT = 20  # words that every question may have
LOOKED_AT = 8  # so many pairs of a FAQ may have nearly the vector of a question: versions, plans, directions


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
    """The route that is nearest to a question, by which example, and its score; it `fires` from its threshold on.

    `against` says in words what speaks against it although the score is reached.
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
        self._names = tuple(route.name for route in routes)
        self._examples = tuple(example for route in routes for example in route.examples)
        self._strict = tuple(route.strict for route in routes)
        self._negated = tuple(frozenset(map(is_negated, route.examples)) for route in routes)
        self._said = tuple(frozenset(word for text in route.examples for word in stems(text)) for route in routes)
        self._kept = tuple(route.examples for route in routes)
        self._longest = tuple(max(len(text.split()) for text in route.examples) for route in routes)
        self._space = Space(encoded(self._examples), [len(route.examples) for route in routes], self._strict)
        against = tuple(text for route in routes for text in route.counterexamples)
        self._others = (*against, *negatives()[0])
        self._other_vectors = _joined(encoded(against), others()) if against else others()
        self._limits = calibrated(self._space, [route.threshold for route in routes])

    @property
    def thresholds(self) -> dict[str, float]:
        """The threshold of each route, by its name."""
        return dict(zip(self._names, (float(t) for t in self._limits.thresholds), strict=True))

    def best(self, question: str) -> Match | None:
        """Return the route that is nearest to `question`; None where the question is too long for any."""
        if not question.strip() or len(question) > MAX_CHARS:
            return None
        text = encoded([question])
        similarities, scores = self._space.of_one(text)
        route = int(scores.argmax())
        at = self._same(question, similarities, route)
        score = float(similarities[at]) if self._strict[route] else float(scores[route])
        threshold = float(self._limits.thresholds[route])
        against = self._against_it(question, text, similarities, scores, at) if score >= threshold else None
        return Match(
            route=self._names[route],
            example=self._examples[at],
            similarity=score,
            threshold=threshold,
            against=against,
        )

    def _same(self, question: str, similarities: Any, route: int) -> int:
        """Return the nearest example; of a strict route one that may mean the same: vectors lose numbers, order."""
        import numpy as np

        mine = np.nonzero(self._space.owner == route)[0]
        at = int(mine[similarities[mine].argmax()])
        if not self._strict[route]:
            return at
        near = mine[similarities[mine] >= self._limits.thresholds[route]]
        nearest = near[np.argsort(-similarities[near], kind="stable")][:LOOKED_AT].tolist()
        return next((n for n in nearest if self._meant_otherwise(question, n) is None), at)

    def _meant_otherwise(self, question: str, at: int) -> str | None:
        route, example = int(self._space.owner[at]), self._examples[at]
        strict = self._strict[route]
        if is_negated(question) not in ((is_negated(example),) if strict else self._negated[route]):
            return f'one of it and "{example}" is negated'
        if (both := opposite(question, example, () if strict else self._said[route])) is not None:
            return f'it says "{both[0]}" where "{example}" says "{both[1]}"'
        if not strict and len(question.split()) > max(SHORT, LONGER * self._longest[route]):
            return f'it is far longer than "{example}"'
        if (kind := another_kind(question, (example,) if strict else self._kept[route])) is not None:
            return f'it {kind}, unlike "{example}"'
        return difference(question, example) if strict else None

    def _against_it(self, question: str, text: Texts, similarities: Any, scores: Any, at: int) -> str | None:
        if (otherwise := self._meant_otherwise(question, at)) is not None:
            return otherwise
        strict = self._strict[int(self._space.owner[at])]
        other = self._other_vectors
        near = nearness(other.whole, text.whole[0]) if strict else nearness(other.bare, text.bare[0])
        nearest = int(near.argmax())
        # As near as makes no difference is an example that is a packaged prompt itself: the project's word counts.
        if float(near[nearest]) > float(similarities[at]) + SAME:
            return f'nearer to "{self._others[nearest]}"'
        if float(self._space.lead(scores[None])[1][0]) < self._limits.lead:
            similarities[self._space.owner == self._space.owner[at]] = -1.0
            return f'too near to "{self._examples[int(similarities.argmax())]}"'
        return None


def _joined(one: Texts, other: Texts) -> Texts:
    import numpy as np

    return Texts(whole=np.concatenate([one.whole, other.whole]), bare=np.concatenate([one.bare, other.bare]))

"""What the semantic tier holds of one scope: questions with their answers, in groups, and what is known of hits.

Everything that changes it is a `Change`, which is plain JSON, so that another process that applies the same ones in
the same order holds the same.
"""

from __future__ import annotations

import base64
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenai._locks import Lock
from greenai.cache.bound import Bound
from greenai.cache.compare import Comparison, Wording
from greenai.cache.groups import Groups
from greenai.cache.index import Index
from greenai.cache.neighbours import FACTS, NEIGHBOURS, Spread, View, look

if TYPE_CHECKING:
    from greenai.embed.vectors import Floats

__all__ = ["Candidate", "Change", "Held", "Scope"]

_WAITING = 1000  # questions that were looked up and not yet answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One stored question; `ref` is what the caller gave along, `created` is in seconds since 1970."""

    question: str
    answer: str
    group: int
    created: float
    ref: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What could be given to a question: nothing (`row` None) or a stored answer, and whether it is being audited."""

    vector: Floats
    view: View | None = None
    row: int | None = None
    similarity: float = 0.0
    audited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A question with its answer, and what that taught.

    `same` are rows whose answers say the same; `row` is what would have been given, None where nothing; then
    `facts` and `right` say how it looked and whether it was right, `audited` that it could have been given, and
    `dropped` does away with it. One without an answer only teaches: that `row` was given to the question, wrongly.
    """

    question: str
    answer: str
    vector: Floats
    answer_vector: Floats | None
    created: float
    ref: str | None = None
    same: tuple[int, ...] = ()
    facts: tuple[float, ...] | None = None
    right: bool | None = None
    row: int | None = None
    audited: bool = False
    dropped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "question": self.question,
            "answer": self.answer,
            "vector": _packed(self.vector),
            "answer_vector": None if self.answer_vector is None else _packed(self.answer_vector),
            "created": self.created,
            "ref": self.ref,
            "same": self.same,
            "facts": self.facts,
            "right": self.right,
            "row": self.row,
            "audited": self.audited,
            "dropped": self.dropped,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], dimensions: int) -> Change:
        """Rebuild a change from `to_json`.

        Raises:
            KeyError, TypeError, ValueError: it is not one.
        """
        packed, facts = data["answer_vector"], data["facts"]
        if facts is not None and len(facts) != FACTS:
            raise ValueError(f"{len(facts)} facts, not {FACTS}")
        return cls(
            question=str(data["question"]),
            answer=str(data["answer"]),
            vector=_unpacked(data["vector"], dimensions),
            answer_vector=None if packed is None else _unpacked(packed, dimensions),
            created=float(data["created"]),
            ref=None if data["ref"] is None else str(data["ref"]),
            same=tuple(int(row) for row in data["same"]),
            facts=None if facts is None else tuple(float(fact) for fact in facts),
            right=None if data["right"] is None else bool(data["right"]),
            row=None if data["row"] is None else int(data["row"]),
            audited=bool(data["audited"]),
            dropped=bool(data["dropped"]),
        )


def _packed(vector: Floats) -> str:
    return base64.b64encode(vector.astype("<f2").tobytes()).decode("ascii")


def _unpacked(text: str, dimensions: int) -> Floats:
    import numpy as np

    found = np.frombuffer(base64.b64decode(text, validate=True), "<f2")
    if found.shape != (dimensions,) or not np.isfinite(found).all():
        raise ValueError(f"a vector of {len(found)} numbers, not {dimensions}")
    vector: Floats = found.astype(np.float32)
    return vector


class Scope:
    """One scope, to be used under its `lock`.

    `read_at` is when its log was read; once `stale`, another scope stands in its place.
    """

    def __init__(self, dimensions: int, bound: Bound, comparison: Comparison, exact_rows: int) -> None:
        self.lock = Lock()
        self.read_at = -math.inf
        self.stale = False
        self.bound = bound
        self.dimensions = dimensions
        self.waiting: OrderedDict[str, Candidate] = OrderedDict()
        self._comparison = comparison
        self._groups = Groups(comparison)
        self._spread = Spread(dimensions)
        self._index = Index(dimensions, exact_rows=exact_rows)
        self._rows: list[Held | None] = []
        self._barred: dict[str, set[int]] = {}  # questions, and the groups that were found wrong for them

    @property
    def count(self) -> int:
        """How many rows there are, dropped ones included."""
        return len(self._rows)

    def row(self, number: int) -> Held | None:
        """Return what a row holds; None if it was dropped."""
        return self._rows[number]

    def is_barred(self, question: str, held: Held) -> bool:
        """Say whether somebody found this answer wrong for the question."""
        barred = self._barred.get(question, ())
        return self._groups.root(held.group) in {self._groups.root(group) for group in barred}

    def wait(self, question: str, candidate: Candidate) -> None:
        """Remember what could have been given to a question until its answer comes."""
        self.waiting[question] = candidate
        if len(self.waiting) > _WAITING:
            self.waiting.popitem(last=False)

    def vouched(self, candidate: Candidate) -> bool:
        """Say whether what was judged covers a candidate: its answer was right once, and others as near as it."""
        if candidate.view is None or candidate.similarity < self.bound.floor:
            return False
        return self._groups.proven(candidate.view.group)

    # --- looking --------------------------------------------------------------------------

    def candidate(self, vector: Floats, fits: Callable[[Held], bool]) -> Candidate:
        """Return the nearest stored question of the answer that the neighbours favour, among those that fit."""
        rows, near = self._index.nearest(vector, NEIGHBOURS)
        found = [(int(row), float(one), held) for row, one in zip(rows, near, strict=True) if (held := self.row(row))]
        if not found:
            return Candidate(vector=vector)
        groups = [self._groups.root(held.group) for _, _, held in found]
        centres = {group: self._groups.centre(group) for group in groups}
        others = self._index.vectors([row for row, _, _ in found])
        view = look(vector, others, groups, centres, self._spread, self.count, self._groups.record)
        for (row, similarity, held), group in zip(found, groups, strict=True):
            if group == view.group and fits(held):
                return Candidate(vector=vector, view=view, row=row, similarity=similarity)
        return Candidate(vector=vector, view=view)

    def nearest(self, vector: Floats) -> tuple[Held, float] | None:
        """Return the nearest stored question and its similarity, whatever its answer."""
        rows, near = self._index.nearest(vector, 1)
        held = self._rows[rows[0]] if len(rows) else None
        return None if held is None else (held, float(near[0]))

    # --- changing -------------------------------------------------------------------------

    def worded(self, answer: str, vector: Floats | None = None) -> Wording:
        """Return an answer as it is compared; without its vector it may take the time of an embedding."""
        return self._groups.wording(answer) or self._comparison.read(answer, vector)

    def same_as(self, question: str, vector: Floats, wording: Wording) -> tuple[int, ...]:
        """Return rows of the neighbourhood, one of each other group, whose answer says what `wording` does."""
        own = self._groups.known(wording.text)
        found: dict[int, int] = {}
        for number in self._index.nearest(vector, NEIGHBOURS)[0]:
            held = self._rows[number]
            group = None if held is None else self._groups.root(held.group)
            if group is None or group == own or group in found:
                continue
            if self._groups.same(question, group, wording):
                found[group] = int(number)
        return tuple(found.values())

    def is_right(self, row: int, answer: str, same: Sequence[int]) -> bool:
        """Say whether a row's answer says what another does, which is the same as the answers of some rows."""
        held, known = self._rows[row], self._groups.known(answer)
        if held is None:
            return False
        others = {self._groups.root(other.group) for number in same if (other := self._rows[number]) is not None}
        return self._groups.root(held.group) in others | {known}

    def apply(self, change: Change, wording: Wording) -> None:
        """Take a change in: what it teaches, then its question in the next row."""
        import numpy as np

        if change.row is not None and change.facts is not None and change.right is not None:
            self.bound.learn(np.array(change.facts), right=change.right, audited=change.audited)
            judged = self._rows[change.row] if change.row < self.count else None
            if judged is not None:
                self._groups.judge(judged.group, right=change.right)
                if not change.answer:
                    self._barred.setdefault(change.question, set()).add(judged.group)
                if change.dropped:
                    self._drop(change.row)
        if not change.answer:
            self.skip()
            return
        group = self._grouped(change, wording)
        before = self._groups.add(group, change.vector)
        if before is not None:
            self._spread.add(change.vector, *before)
        self._index.put(self.count, change.vector)
        self._rows.append(
            Held(question=change.question, answer=change.answer, group=group, created=change.created, ref=change.ref)
        )

    def forget(self, ref: str) -> None:
        """Drop the rows that came with this `ref`."""
        for number, held in enumerate(self._rows):
            if held is not None and held.ref == ref:
                self._drop(number)

    def skip(self) -> None:
        """Leave a row empty: its change is lost."""
        import numpy as np

        self._index.put(self.count, np.zeros(self.dimensions, np.float32))
        self._rows.append(None)

    def _grouped(self, change: Change, wording: Wording) -> int:
        known = self._groups.known(change.answer)
        group = self._groups.new(wording) if known is None else known
        self.bound.doubted |= bool(change.same)
        for number in change.same:
            held = self._rows[number] if number < self.count else None
            if held is not None:
                self._groups.join(held.group, group)
        return group

    def _drop(self, number: int) -> None:
        """Give a row to nobody any more."""
        self._index.drop(number)
        self._rows[number] = None

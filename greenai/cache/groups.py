"""Which answers of a scope are the same: each answer has a group, and groups that turn out to be one are joined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai.cache.compare import Comparison, Wording, normalised

if TYPE_CHECKING:
    from greenai.embed.vectors import Floats

__all__ = ["Groups"]

_FADES = 0.98
_MOST_WORDINGS = 8  # of one answer that a new one is compared with


@dataclass(slots=True)
class _Group:
    wordings: list[Wording]
    total: Floats | None = None
    size: int = 0
    right: float = 0.0
    wrong: float = 0.0


class Groups:
    """The groups of one scope, by number. Not safe for threads."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._groups: list[_Group] = []
        self._parents: list[int] = []
        self._by_answer: dict[str, int] = {}

    def root(self, group: int) -> int:
        """Return the group that a group belongs to by now."""
        while self._parents[group] != group:
            self._parents[group] = self._parents[self._parents[group]]
            group = self._parents[group]
        return group

    def known(self, answer: str) -> int | None:
        """Return the group of an answer that was given before in the same words, or None."""
        found = self._by_answer.get(normalised(answer))
        return None if found is None else self.root(found)

    def new(self, wording: Wording) -> int:
        """Return a new group of one answer."""
        group = len(self._groups)
        self._groups.append(_Group([wording]))
        self._parents.append(group)
        self._by_answer[normalised(wording.text)] = group
        self._comparison.know(wording)
        return group

    def wording(self, answer: str) -> Wording | None:
        """Return an answer that was given before, as it is compared, or None."""
        found = self._by_answer.get(normalised(answer))
        return None if found is None else self._groups[found].wordings[0]

    def same(self, question: str, group: int, wording: Wording) -> bool:
        """Say whether an answer says what one of a group's does."""
        held = self._groups[self.root(group)].wordings
        return any(self._comparison.same(question, one, wording) for one in held[:_MOST_WORDINGS])

    def join(self, group: int, other: int) -> None:
        """Make two groups one."""
        root, gone = self.root(group), self.root(other)
        if root == gone:
            return
        held, left = self._groups[root], self._groups[gone]
        self._parents[gone] = root
        # The own list of the group that goes stays: its first is what `wording` finds.
        held.wordings = [*held.wordings, *left.wordings]
        if left.total is not None:
            held.total = left.total if held.total is None else held.total + left.total
            held.size += left.size
        held.right, held.wrong = held.right + left.right, held.wrong + left.wrong

    def add(self, group: int, vector: Floats) -> tuple[Floats, int] | None:
        """Count a question in; return the sum of those before it and how many they were, or None for the first."""
        held = self._groups[self.root(group)]
        before = None if held.total is None else (held.total, held.size)
        held.total = vector.copy() if held.total is None else held.total + vector
        held.size += 1
        return before

    def judge(self, group: int, *, right: bool) -> None:
        """Take in whether a group's answer would have been right; older judgements fade."""
        held = self._groups[self.root(group)]
        held.right = held.right * _FADES + right
        held.wrong = held.wrong * _FADES + (not right)

    def proven(self, group: int) -> bool:
        """Say whether a group's answer was found right for another question, and not wrong since."""
        return self._groups[self.root(group)].right >= 1

    def record(self, group: int) -> float:
        """Return the log odds that a group's answer was right when it was judged; 2.2 of one that never was."""
        held = self._groups[group]
        return math.log((held.right + 4.5) / (held.wrong + 0.5))

    def centre(self, group: int) -> tuple[Floats, int]:
        """Return the sum of the vectors of a group's questions, and how many they are; the group has one at least."""
        held = self._groups[group]
        if held.total is None:
            raise ValueError(f"group {group} has no question")
        return held.total, held.size

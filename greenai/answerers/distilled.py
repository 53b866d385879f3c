"""A task model made of an app's own calls: it answers what fills one template, or leaves the call to the ladder.

    kind     answers                                             head
    label    one of the labels of the log                        here
    span     words of the text itself                            spans.py
    score    a number on a scale                                 scores.py

Made by `greenai distil` and read from one file. It answers nothing but prompts of its template, and of them only what
it is sure of: the label's lead over the next one is at least the threshold, which was set so that it says what the
large model says as often as promised; and the label's score is as high as that of the texts it knows, so that a text
of a kind that it never saw is left alone. It looks twice: at the words and static vectors of a text, which answers most
of them in tenths of a millisecond, and where that is not sure enough by itself, or under guard, at MiniLM's vector
besides. Beside numpy it needs the vectors of `embed` only. How such a model is trained, and its thresholds found, is
`greenai.distil`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from greenai.answerers import kernel
from greenai.answerers.guard import Familiar
from greenai.answerers.kernel import BUCKETS, FIRST, SHARES, Seen, Skimmed
from greenai.answerers.replies import QUOTES, alike, written
from greenai.answerers.scores import ScoreHead
from greenai.answerers.skeleton import Template
from greenai.answerers.spans import VERSION, SpanHead
from greenai.answerers.task_file import Held, TaskFileRefused, load

if TYPE_CHECKING:
    from greenai.answerers.kernel import Floats

__all__ = ["KINDS", "Abstained", "Kind", "Said", "TaskModel", "Told", "read"]

Kind: TypeAlias = Literal["label", "span", "score"]
KINDS: tuple[Kind, ...] = ("label", "span", "score")

Why = Literal["other template", "slot", "unlike", "unsure", "other answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the head makes of one text: its first label, that label's score, and its lead over the next one.

    `watched` tells texts of a kind that it never saw: the scores of the first look and of what it is told together.
    """

    label: int
    score: float
    lead: float
    watched: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer, as the large model writes it, its lead over the next label in [0, 1], and what the head made of it."""

    text: str
    confidence: float
    told: Told | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstained:
    """Why a prompt is left to the ladder."""

    why: Why
    confidence: float | None = None
    told: Told | None = field(default=None, compare=False)


class Says(Protocol):
    """What answers a text: a head of some kind."""

    def reads(self, text: str) -> bool:
        """Say whether it can read all of a text."""
        ...

    def say(self, text: str, *, guarded: bool = False) -> tuple[str | None, int, float, float, float]:
        """Return the answer, None for one that it does not know; its label, if any; its score; its lead; `watched`."""
        ...


class TaskModel:
    """What one file holds, ready to answer; threads may share it. `version` begins the file's SHA-256."""

    def __init__(self, held: Held) -> None:
        """Take what a file holds.

        Raises:
            KeyError, TypeError, ValueError: it is not what a task model consists of.
        """
        self.header: Mapping[str, Any] = held.header
        self.sha256 = held.sha256
        self.version = held.sha256[:12]
        self.name = str(held.header["name"])
        self.template = Template.from_json(held.header["template"])
        self.labels: tuple[str, ...] = tuple(map(str, held.header["labels"]))
        self.threshold = float(held.header["threshold"])
        self.familiar = float(held.header["familiar"])
        self.longest = int(held.header["longest"])
        self.promise = float(held.header["promise"])
        self.teacher: str | None = held.header["teacher"]
        self.encoder = str(held.header["encoder"])
        self.guard = Familiar.of(held.header)
        self.kind = str(held.header.get("kind", "label"))
        if self.kind not in KINDS:
            raise ValueError(f"it is of the kind {self.kind!r}, and known here are {', '.join(KINDS)}")
        if not 0 < self.promise < 1:
            raise ValueError(f"it promises {self.promise:g}")
        _finite(threshold=self.threshold, familiar=self.familiar)
        times = Counter(map(written, self.labels))
        self._by_case = frozenset(label for label in self.labels if times[written(label)] > 1)
        self.tolerance: float | None = None
        self.says: Says
        if self.kind == "span":
            self.says = SpanHead(held.arrays, held.header)
        elif self.kind == "score":
            self.says = scored = ScoreHead(held.arrays, held.header)
            self.tolerance = scored.tolerance
        else:
            self.says = _Labels(held, self.labels)

    def answer(self, messages: Sequence[Mapping[str, Any]]) -> Said | None:
        """Return the answer to a prompt; None where it is of another template, or the model is not sure."""
        found = self.explain(messages)
        return found if isinstance(found, Said) else None

    def agrees(self, said: str, reply: str) -> bool:
        """Say whether a model replied what was said: to the letter where labels are told by their case alone."""
        if said in self._by_case:
            return said in (reply.strip(), reply.strip().rstrip(".").strip(QUOTES).rstrip("."))
        return alike(said, reply, self.tolerance)

    def explain(self, messages: Sequence[Mapping[str, Any]], *, guarded: bool = False) -> Said | Abstained:
        """Return the answer to a prompt, or why there is none; under guard it always takes both looks."""
        slots = self.template.slots(messages)
        if slots is None:
            return Abstained(why="other template")
        text = "\n".join(slots).strip()
        if len(text) > self.longest or not self.says.reads(text):
            return Abstained(why="slot")
        answer, label, score, lead, watched = self.says.say(text, guarded=guarded)
        told = Told(label=label, score=score, lead=lead, watched=watched)
        confidence = min(1.0, max(0.0, lead))
        if score < self.familiar:
            return Abstained(why="unlike", confidence=confidence, told=told)
        if lead < self.threshold:
            return Abstained(why="unsure", confidence=confidence, told=told)
        if answer is None:
            return Abstained(why="other answer", confidence=confidence, told=told)
        return Said(text=answer, confidence=confidence, told=told)


class _Labels:
    """A head whose answers are the labels of its file."""

    def __init__(self, held: Held, labels: Sequence[str]) -> None:
        self._labels = labels
        self._head = Head(held.arrays, classes=int(held.header["classes"]))
        early = held.header["early"]
        if early is not None:
            _finite(lead=early["lead"], score=early["score"])
        self._early = None if early is None else _least(early["lead"], early["score"])
        self._least = _least(held.header["threshold"], held.header["familiar"])
        if not len(labels) <= self._head.classes <= len(labels) + 1:
            raise ValueError("its labels are not those of its head")

    def reads(self, text: str) -> bool:
        """Say whether MiniLM reads all of a text."""
        return kernel.readable(text)

    def say(self, text: str, *, guarded: bool = False) -> tuple[str | None, int, float, float, float]:
        """Return the first label, its number, its score, its lead over the next one, and `watched`.

        What is watched is the same under guard, so that what is usual stays so.
        """
        skimmed = kernel.skim(text)
        first = self._head.first(skimmed)
        soon = tell(first)
        sure = self._sure(soon)
        told = tell(self._head.both(first, kernel.see(text, skimmed))) if sure is None or guarded else sure
        said = self._labels[told.label] if told.label < len(self._labels) else None
        return said, told.label, told.score, told.lead, soon.score + (sure or told).score

    def _sure(self, soon: Told) -> Told | None:
        """Return what the first look answers by itself; None where it is not sure enough.

        Its lead and its score are put as far above those from which both looks answer as they are above its own.
        """
        least = self._early
        if least is None or soon.label >= len(self._labels) or soon.lead < least.lead or soon.score < least.score:
            return None
        return Told(
            label=soon.label,
            score=soon.score - least.score + self._least.score,
            lead=soon.lead - least.lead + self._least.lead,
        )


class Head:
    """The fitted scores: for each known text its vectors, and what it adds to each label at either look."""

    def __init__(self, arrays: Mapping[str, Any], *, classes: int) -> None:
        """Take the arrays of a file.

        Args:
            arrays: of n known texts `minilm` (n, 384), `static` (n, 256), and what they add at the first look `adds`,
                and at the second `deeper` (n, classes); of the buckets of words and letters `linear`
                (2 BUCKETS, classes) and `rarity` (2 BUCKETS,).
            classes: how many labels there are, another answer among them.

        Raises:
            KeyError, ValueError: they are others.
        """
        import numpy as np

        self._minilm, self._static = (_rows(arrays[name]) for name in ("minilm", "static"))
        self._adds, self._deeper = (_rows(arrays[name].T) for name in ("adds", "deeper"))
        self._linear = arrays["linear"]
        self._rarity: Floats = arrays["rarity"].astype(np.float32)
        self.classes = classes
        held, known = (
            (self._minilm, self._static, self._adds, self._deeper, self._linear, self._rarity),
            len(self._minilm),
        )
        shapes = [one.shape for one in held]
        wanted = [
            (known, 384),
            (known, 256),
            (classes, known),
            (classes, known),
            (2 * BUCKETS, classes),
            (2 * BUCKETS,),
        ]
        if shapes != wanted or classes < 2:
            raise ValueError(f"its arrays have the shapes {shapes}, and {wanted} are needed")
        if not all(np.isfinite(one).all() for one in held):
            raise ValueError("not all of its numbers are finite")

    def first(self, skimmed: Skimmed) -> Floats:
        """Return the scores of one text at the first look, one a label.

        einsum stays in one thread: others would wait for each other longer than such a small product takes.
        """
        import numpy as np

        like = kernel.falloff(np.einsum("ij,j->i", self._static, skimmed.static), SHARES["static"])
        scores: Floats = np.einsum("ij,j->i", self._adds, like)
        for counted, name, offset in ((skimmed.words, "words", 0), (skimmed.letters, "letters", BUCKETS)):
            weights = kernel.weighted(counted, self._rarity[offset : offset + BUCKETS]) * SHARES[name]
            taken = self._linear.take(counted.buckets + offset, 0).astype("float32")
            scores += np.einsum("i,ij->j", weights, taken)
        return scores

    def both(self, first: Floats, seen: Seen) -> Floats:
        """Return the scores of one text at both looks, of which the first is given."""
        import numpy as np

        like = kernel.falloff(np.einsum("ij,j->i", self._minilm, seen.minilm))
        scores: Floats = FIRST * first + (1 - FIRST) * np.einsum("ij,j->i", self._deeper, like)
        return scores


def _finite(**numbers: Any) -> None:
    """Refuse a threshold that nothing is below: JSON as Python reads it has NaN, and no comparison with it holds."""
    for name, number in numbers.items():
        if not math.isfinite(float(number)):
            raise ValueError(f"its {name} is {number}")


def _least(lead: Any, score: Any) -> Told:
    return Told(label=-1, score=float(score), lead=float(lead))


def _rows(held: Any) -> Floats:
    import numpy as np

    return np.ascontiguousarray(held.astype(np.float32))


def tell(scores: Floats) -> Told:
    """Return what the scores of one text come to."""
    import numpy as np

    label = int(scores.argmax())
    second, best = np.partition(scores, -2)[-2:].tolist()
    return Told(label=label, score=best, lead=best - second)


def read(path: Path) -> TaskModel:
    """Return the task model of a file.

    Raises:
        TaskFileRefused: the file is none, was cut short or changed, is too new, or was made with other vectors.
        MissingExtra: the extra `semantic` is not installed.
    """
    held = load(path)
    try:
        model = TaskModel(held)
    except (KeyError, TypeError, ValueError) as error:
        raise TaskFileRefused(f"{path.name} is no task model that can be used: {error}.") from error
    here = VERSION if model.kind == "span" else kernel.encoder()
    if model.encoder != here:
        raise TaskFileRefused(
            f"{path.name} was made with the vectors {model.encoder}, and here are {here}. Train it again here with "
            "`greenai distil`, or install the onnxruntime that it was made with."
        )
    return model

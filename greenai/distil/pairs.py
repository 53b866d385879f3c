"""Logged calls of one template as pairs of a text and what the large model said, in the order of time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from greenai.answerers.skeleton import Template
from greenai.audit.labels import FEWEST_OF_LABEL, LONGEST_LABEL, MOST_LABELS, answer_of, spelling
from greenai.audit.values import Logged

__all__ = ["Labelled", "Pairs", "collect", "labelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What filled the slots, and what the large model said to it, oldest first; `left_out` counts the others by why."""

    template: Template
    texts: tuple[str, ...]
    answers: tuple[str, ...]
    created: tuple[float | None, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Pairs with their answers as numbers of labels; `len(labels)` stands for another answer."""

    texts: tuple[str, ...]
    numbers: tuple[int, ...]
    labels: tuple[str, ...]

    @property
    def classes(self) -> int:
        """How many there are with another answer, if there is one."""
        return max(len(self.labels), 1 + max(self.numbers, default=0))


def collect(calls: Iterable[Logged], template: Template) -> Pairs:
    """Return the pairs of a template; without a time in every call, the log's own order is that of time."""
    left: Counter[str] = Counter()
    found: list[tuple[float | None, str, str]] = []
    for call in calls:
        slots = None if call.messages is None else template.slots(call.messages)
        answer = answer_of(call)
        if slots is None:
            left["other template"] += 1
        elif answer is None:
            left["no whole answer"] += 1
        else:
            found.append((call.created, "\n".join(slots).strip(), answer))
    times = [created for created, _, _ in found if created is not None]
    if len(times) == len(found):
        found = [found[at] for at in sorted(range(len(found)), key=times.__getitem__)]
    return Pairs(
        template=template,
        texts=tuple(text for _, text, _ in found),
        answers=tuple(answer for _, _, answer in found),
        created=tuple(created for created, _, _ in found),
        left_out=dict(left),
    )


def labelled(pairs: Pairs) -> Labelled:
    """Return the pairs with their answers as labels, each as it is spelt most often."""
    spelt: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for answer in pairs.answers:
        spelt[spelling(answer)][answer] += 1
    labels = _labels(spelt)
    numbers = {key: number for number, key in enumerate(labels)}
    return Labelled(
        texts=pairs.texts,
        numbers=tuple(numbers.get(spelling(answer), len(labels)) for answer in pairs.answers),
        labels=tuple(spelt[key].most_common(1)[0][0] for key in labels),
    )


def _labels(spelt: Mapping[str, Counter[str]]) -> Sequence[str]:
    often = [(key, held.total()) for key, held in spelt.items()]
    kept = [(key, n) for key, n in often if n >= FEWEST_OF_LABEL and len(key) <= LONGEST_LABEL]
    return [key for key, _ in sorted(kept, key=lambda one: (-one[1], one[0]))[:MOST_LABELS]]

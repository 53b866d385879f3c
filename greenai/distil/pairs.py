"""Logged calls of one template as pairs of a text and what the large model said, in the order of time."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenai.answerers.skeleton import Template
from greenai.audit.labels import FEWEST_OF_LABEL, LONGEST_LABEL, MOST_LABELS, answer_of, spelling
from greenai.audit.values import Logged
from greenai.catalog import find
from greenai.values import forming

__all__ = [
    "FORMED", "NO_ANSWER", "OWN", "Labelled", "Pairs", "Unanswered", "collect", "is_formed", "labelled", "same_model",
    "text_of",
]  # fmt: skip

NO_ANSWER = "no whole answer"
FORMED = "asked for tools or a form of the answer"
OTHERS = "of other models"
OWN = "greenai/"
"""How the names begin of what answered without a language model: a task model must not learn of another one."""
_DATE = re.compile(r"([-@]\d{4}(-?\d\d-?\d\d)?)?")
_WORD = re.compile(r"\w+")
SAMPLING = ("temperature", "top_p", "reasoning_effort")
"""Arguments that decide how often a model says the same twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A prompt of the template that was never answered whole: its slots, and how many of the pairs are older."""

    slots: tuple[str, ...]
    place: int
    created: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What filled the slots, and what the large model said to it, oldest first.

    Attributes:
        texts: what is learnt: the slots of each prompt as one text.
        slots: of each prompt, to the letter.
        left_out: how many calls are in no pair, by why.
        unanswered: the prompts that nobody answered whole, each once.
        arguments: with which of `SAMPLING` most of the calls were asked.
    """

    template: Template
    texts: tuple[str, ...]
    answers: tuple[str, ...]
    created: tuple[float | None, ...] = ()
    slots: tuple[tuple[str, ...], ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    unanswered: tuple[Unanswered, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)


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


def text_of(slots: Sequence[str]) -> str:
    """Return what is learnt of a prompt: its slots as one text."""
    return "\n".join(slots).strip()


def same_model(one: str, other: str) -> bool:
    """Say whether two names are of one model: by the catalog, else without provider; either may have its date."""
    first, second = find(one), find(other)
    if first is not None and second is not None and first.name == second.name:
        return True
    short, long = sorted((name.rpartition("/")[2].casefold() for name in (one, other)), key=len)
    return long.startswith(short) and _DATE.fullmatch(long.removeprefix(short)) is not None


def is_formed(call: Logged) -> bool:
    """Say whether a call asked for tools or a form of its answer: such ones no task model answers."""
    return bool(forming(call.arguments))


def collect(calls: Iterable[Logged], template: Template, model: str | None = None) -> Pairs:
    """Return the pairs of a template; without a time in every call, the log's own order is that of time.

    Args:
        calls: those of the log.
        template: whose calls are meant.
        model: the large model, whose answers alone count; None takes those of all.
    """
    left, asked = Counter[str](), Counter[str]()
    found: list[tuple[float | None, tuple[str, ...], str | None]] = []
    for call in calls:
        slots = None if call.messages is None else template.slots(call.messages)
        if slots is None:
            left["other template"] += 1
            continue
        answer = answer_of(call)
        others = call.model is not None and (call.model.startswith(OWN) or not (model is None or _by(call, model)))
        if answer is not None and others:  # without one, the prompt can still be asked of the large model
            left[OTHERS] += 1
            continue
        if is_formed(call):
            left[FORMED] += 1
            continue
        found.append((call.created, slots, answer))
        if others:
            continue
        asked[json.dumps({name: call.arguments.get(name) for name in SAMPLING}, default=str)] += 1
    found = _in_time(found)
    answered = [(created, slots, answer) for created, slots, answer in found if answer is not None]
    if len(answered) < len(found):
        left[NO_ANSWER] = len(found) - len(answered)
    most = json.loads(asked.most_common(1)[0][0]) if asked else {}
    return Pairs(
        template=template,
        texts=tuple(text_of(slots) for _, slots, _ in answered),
        answers=tuple(answer for _, _, answer in answered),
        created=tuple(created for created, _, _ in answered),
        slots=tuple(slots for _, slots, _ in answered),
        left_out=dict(left),
        unanswered=_unanswered(found),
        arguments={name: value for name, value in most.items() if value is not None},
    )


def _by(call: Logged, model: str) -> bool:
    return call.model is not None and same_model(call.model, model)


_Found = Sequence[tuple[float | None, tuple[str, ...], str | None]]


def _in_time(found: _Found) -> list[tuple[float | None, tuple[str, ...], str | None]]:
    """Return calls in the order of time, where every answered one has a time; others without one come last."""
    if any(created is None for created, _, answer in found if answer is not None):
        return list(found)
    return sorted(found, key=lambda one: float("inf") if one[0] is None else one[0])


def _unanswered(found: _Found) -> tuple[Unanswered, ...]:
    known = {slots for _, slots, answer in found if answer is not None}
    once: dict[tuple[str, ...], Unanswered] = {}
    place = 0
    for created, slots, answer in found:
        if answer is not None:
            place += 1
        elif slots not in known:
            once.setdefault(slots, Unanswered(slots=slots, place=place, created=created))
    return tuple(once.values())


def labelled(pairs: Pairs) -> Labelled:
    """Return the pairs with their answers as labels, each as it is spelt most often."""
    keys = _keys(pairs.texts, pairs.answers)
    spelt: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, answer in zip(keys, pairs.answers, strict=True):
        spelt[key][answer] += 1
    labels = _labels(spelt)
    numbers = {key: number for number, key in enumerate(labels)}
    return Labelled(
        texts=pairs.texts,
        numbers=tuple(numbers.get(key, len(labels)) for key in keys),
        labels=tuple(spelt[key].most_common(1)[0][0] for key in labels),
    )


def _keys(texts: Sequence[str], answers: Sequence[str]) -> list[str]:
    """Return what each answer shares with those of its label: its case, too, where the texts tell mW from MW."""
    cased = [" ".join(answer.split()).removesuffix(".") for answer in answers]
    keys = list(map(spelling, answers))
    ways: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key, case, text in zip(keys, cased, texts, strict=True):
        ways[key][case].append(text)
    parted = {key for key, held in ways.items() if len(held) > 1 and _told_apart(*_commonest(held))}
    return [case if key in parted else key for key, case in zip(keys, cased, strict=True)]


def _commonest(held: Mapping[str, list[str]]) -> Sequence[list[str]]:
    return sorted(held.values(), key=len)[:-3:-1]


def _told_apart(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether a text tells which of two answers it gets: by its words, had it not been seen, in three of four.

    How a large model happens to write a label may go with its texts a little: that makes no two labels of it.
    """
    if len(other) < FEWEST_OF_LABEL:
        return False
    both = [[set(_WORD.findall(text.casefold())) for text in texts] for texts in (one, other)]
    counts = [Counter(word for words in rows for word in words) for rows in both]
    wrong = 0
    for own, rows in enumerate(both):
        mine, theirs, most, least = counts[own], counts[1 - own], len(rows) - 1, len(both[1 - own])
        for words in rows:
            odds = math.log(most / least)
            for word in words:
                odds += math.log((mine[word] - 0.5) / (most + 1)) - math.log((theirs[word] + 0.5) / (least + 1))
            wrong += odds < 0
    return wrong <= len(other) / 4


def _labels(spelt: Mapping[str, Counter[str]]) -> Sequence[str]:
    often = [(key, held.total()) for key, held in spelt.items()]
    kept = [(key, n) for key, n in often if n >= FEWEST_OF_LABEL and len(key) <= LONGEST_LABEL]
    return [key for key, _ in sorted(kept, key=lambda one: (-one[1], one[0]))[:MOST_LABELS]]

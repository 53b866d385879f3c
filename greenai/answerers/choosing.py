"""Requests that pick one of a closed list: how they are recognised, and how sure a small model is of one label.

A closed list is an `enum` of texts as the only field of a JSON schema in `response_format`, which is also what a
`Literal` becomes. A small model on this machine reads the request, and how likely it is to begin its answer with each
label says which one it means (local/labels.py). Small models prefer some labels whatever they read, so what they say is
divided by what they say of texts without content: contextual calibration (Zhao, Wallace, Feng, Klein and Singh,
"Calibrate Before Use", ICML 2021). And they follow the words of a prompt, so the request is read in two wordings, with
the labels named and without, which have to agree. benchmarks/pick_one.py measures how often what is sure then is right.
"""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from greenai._locks import Lock
from greenai.values import FORM_ARGUMENTS, Request, text_of

if TYPE_CHECKING:
    from greenai.local.labels import Labels

__all__ = [
    "EMPTY",
    "THRESHOLD",
    "Chooser",
    "ClosedList",
    "Form",
    "Wording",
    "agreed",
    "calibrated",
    "closed_list",
    "spoken",
]

THRESHOLD = 0.995
"""From this on a label is answered: the lowest of four at which 95% (92 to 97) of SmolLM2-135M's were right, of 24% of
1,280 requests (benchmarks/pick_one.py, 2026-11-22)."""

EMPTY = ("N/A", "", "[MASK]")
"""Texts without content, as in the paper."""

UNDECIDED = 0.5
"""Where the first reading gives every label less than this, there is no second one. Assumption."""

MOST_LABELS = 20
MOST_LABEL_CHARS = 60
MOST_CHARS = 2000
"""A longer request is left to larger models: reading it would take what a small one saves."""

MOST_FORMS = 256
TRIED = 50
"""A form of request of which none of the first so many was sure is not asked of the model again. Assumption."""

_ROLES = (["user"], ["system", "user"], ["developer", "user"])
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedList:
    """What a request lets be picked: `labels` as the app writes them, and the name of the field that holds one.

    `task` is what the app's system prompt says, `text` what the user does. `field` is None where the answer is the
    label itself.
    """

    labels: tuple[str, ...]
    field: str | None
    task: str
    text: str

    @property
    def systems(self) -> tuple[str, str]:
        """The system prompts that a small model gets: the app's own with the list in words, and without it."""
        task, said = self.task.strip(), f"Answer with one of: {', '.join(map(spoken, self.labels))}."
        return (f"{task} {said}" if task else said), task

    def answer(self, label: str) -> str:
        """Return the JSON that the app asked for."""
        return json.dumps(label if self.field is None else {self.field: label}, ensure_ascii=False)


def spoken(label: str) -> str:
    """Return a label as words: `card_arrival` and `CardArrival` are "card arrival", and `USD` stays what it is."""
    words = " ".join(_WORDS.sub(" ", label).split()) or label
    return words if words.isupper() else words.lower()


def closed_list(request: Request) -> ClosedList | None:
    """Return what a request lets be picked; None where anything else is asked, or may be."""
    arguments = request.arguments
    if "response_format" not in arguments or request.api not in ("chat", "responses"):
        return None
    given = {name for name in FORM_ARGUMENTS & arguments.keys() if arguments[name] is not None}
    roles = [message.get("role") for message in request.messages]
    if given != {"response_format"} or roles not in _ROLES or request.options.quality == "high":
        return None
    contents = [message.get("content") for message in request.messages]
    found = _listed(arguments["response_format"])
    if found is None or not all(isinstance(content, str) for content in contents):
        return None
    texts = [text_of(content) for content in contents]
    if not texts[-1].strip() or sum(map(len, texts)) > MOST_CHARS:
        return None
    field, labels = found
    return ClosedList(labels=labels, field=field, task="" if len(texts) == 1 else texts[0], text=texts[-1])


def _listed(form: object) -> tuple[str | None, tuple[str, ...]] | None:
    """Return field and labels of a schema that has nothing but a closed list."""
    wrapped = _mapping(_mapping(form).get("json_schema"))
    if _mapping(form).get("type") != "json_schema":
        return None
    schema = _mapping(wrapped.get("schema"))
    named = _mapping(schema.get("$defs"))
    labels = _labels(schema, named)
    if labels is not None:
        return None, labels
    fields = _mapping(schema.get("properties"))
    if schema.get("type") != "object" or len(fields) != 1:
        return None
    field, inner = next(iter(fields.items()))
    labels = _labels(_mapping(inner), named)
    return None if labels is None or schema.get("required") != [field] else (field, labels)


def _labels(schema: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[str, ...] | None:
    place = schema.get("$ref")
    if isinstance(place, str) and place.startswith("#/$defs/"):
        schema = _mapping(named.get(place.removeprefix("#/$defs/")))
    labels = schema.get("enum")
    if not isinstance(labels, (list, tuple)):
        return None
    texts = [label for label in cast("Sequence[object]", labels) if isinstance(label, str)]
    told_apart = len({spoken(label) for label in texts}) == len(cast("Sequence[object]", labels))
    fits = 2 <= len(texts) <= MOST_LABELS and all(0 < len(label.strip()) <= MOST_LABEL_CHARS for label in texts)
    return tuple(texts) if told_apart and fits else None


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def calibrated(said: Sequence[float], of_nothing: Sequence[Sequence[float]]) -> list[float]:
    """Return the probabilities of labels, each divided by what is said of it for texts without content."""
    whole = [[p / (sum(row) or 1.0) for p in row] for row in of_nothing]
    prior = [max(sum(column) / len(whole), 1e-9) for column in zip(*whole, strict=True)] or [1.0] * len(said)
    odds = [p / q for p, q in zip(said, prior, strict=True)]
    return [odd / (sum(odds) or 1.0) for odd in odds]


def agreed(readings: Sequence[Sequence[float]]) -> tuple[int, float]:
    """Return the likeliest label by all readings, and how sure that is.

    Readings that agree strengthen each other, as if they were independent: what that makes of a threshold is measured.
    Where one of them finds another label likelier, the label is no surer than that one says.
    """
    odds = [math.prod(column) for column in zip(*readings, strict=True)]
    at = max(range(len(odds)), key=odds.__getitem__)
    if any(max(row) > row[at] for row in readings):
        return at, min(row[at] for row in readings)
    return at, odds[at] / (sum(odds) or 1.0)


# --- who is asked -------------------------------------------------------------------------


@dataclass(slots=True)
class Wording:
    """One way to ask: its labels prepared for the running model, and what that says of texts without content."""

    labels: Labels | None = None
    of_nothing: Sequence[Sequence[float]] = ()


@dataclass(slots=True)
class Form:
    """One closed list with its system prompt: its wordings, and how often the model was asked, and was sure."""

    wordings: tuple[Wording, Wording] = field(default_factory=lambda: (Wording(), Wording()))
    asked: int = 0
    sure: int = 0

    @property
    def is_hopeless(self) -> bool:
        """Whether the model has never been sure, often enough to expect it no more."""
        return self.asked >= TRIED and not self.sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """Which model on this machine picks one of a closed list, and how sure it has to be."""

    model: str
    threshold: float = THRESHOLD
    _forms: OrderedDict[tuple[str, tuple[str, ...]], Form] = field(
        default_factory=OrderedDict[tuple[str, tuple[str, ...]], Form], repr=False
    )
    _lock: Lock = field(default_factory=Lock, repr=False)

    def form(self, listed: ClosedList) -> Form:
        """Return what is known of a form of request."""
        key = (listed.task, listed.labels)
        with self._lock:
            found = self._forms.setdefault(key, Form())
            self._forms.move_to_end(key)
            if len(self._forms) > MOST_FORMS:
                self._forms.popitem(last=False)
            return found

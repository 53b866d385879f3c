"""Finds the templates of a log: prompts with the same skeleton, whose answers come from a small set of labels.

One pass over the log in bounded memory: calls are gathered by their roles, by how their first message begins, and by
the first words of the last one. A family that shares its first message is one template if its answers are few; else
each beginning of the last message is looked at by itself. The skeleton is what nearly all of a sample have in common:
the beginning, the end, and pieces between that stand on lines of their own. Scores and answers in JSON count as labels
where they recur; what is copied out of the prompt (spans) does not.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenai.answerers.skeleton import Part, Template, text_of
from greenai.audit.values import Logged
from greenai.distil.pairs import FEWEST_OF_LABEL, LONGEST_LABEL, MOST_LABELS, answer_of, spelling

__all__ = ["LEAST", "Candidate", "find", "parts_of"]

LEAST = 300
"""A template with fewer calls is not worth a task model; see `train.FEWEST`."""
SHARE = 0.9
"""So much of a template's answers must be labels that recur."""
NEARLY_ALL = 0.95
SAMPLE = 200
MOST_FAMILIES = 20_000
MOST_ANSWERS = 3_000  # different ones that are counted
MOST_MESSAGES = 4
BEGINNING = 60
WORDS = 3

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A template of a log, and whether a task model could answer it.

    Attributes:
        calls: how many calls are of it, as far as the sample tells.
        labels: its most frequent answers, with how often each was given.
        share: how much of its answers these are.
        input_tokens: all tokens of its prompts, where the log tells them; `output_tokens` likewise.
        models: who answered, most calls first.
        why_not: why no task model can be made of it; None where one can.
    """

    template: Template
    calls: int
    labels: tuple[tuple[str, int], ...]
    share: float
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    models: tuple[str, ...]
    projects: tuple[str, ...]
    why_not: str | None


@dataclass(slots=True)
class _Family:
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    answers: Counter[str] = field(default_factory=Counter[str])
    answered: int = 0
    models: Counter[str] = field(default_factory=Counter[str])
    projects: Counter[str] = field(default_factory=Counter[str])
    sample: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def add(self, call: Logged, texts: tuple[str, ...], draw: random.Random) -> None:
        self.calls += 1
        self.input_tokens += call.input_tokens or 0
        self.output_tokens += call.output_tokens or 0
        if call.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + call.cost_usd
        self.models[call.model or "?"] += 1
        self.projects[call.project or "?"] += 1
        answer = answer_of(call)
        if answer is not None:
            self.answered += 1
            key = spelling(answer[: LONGEST_LABEL + 1])
            if key in self.answers or len(self.answers) < MOST_ANSWERS:
                self.answers[key] += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(texts)
        elif (at := draw.randrange(self.calls)) < SAMPLE:
            self.sample[at] = texts

    def labels(self) -> list[tuple[str, int]]:
        often = [(key, n) for key, n in self.answers.most_common(MOST_LABELS) if n >= FEWEST_OF_LABEL]
        return [(key, n) for key, n in often if len(key) <= LONGEST_LABEL]

    def share(self) -> float:
        return sum(n for _, n in self.labels()) / max(1, self.answered)


_Key = tuple[tuple[str, ...], str]


def find(calls: Iterable[Logged], *, least: int = LEAST) -> tuple[Candidate, ...]:
    """Return the templates of a log, those that a task model could answer first, most tokens first."""
    found = [
        candidate
        for (roles, _), families in _gathered(calls).items()
        for candidate in _candidates(roles, families, least)
    ]
    return tuple(
        sorted(found, key=lambda one: (one.why_not is not None, -one.input_tokens - one.output_tokens, -one.calls))
    )


def _gathered(calls: Iterable[Logged]) -> Mapping[_Key, dict[str, _Family]]:
    draw = random.Random(0)  # noqa: S311 (a sample, no secret)
    found: defaultdict[_Key, dict[str, _Family]] = defaultdict(dict)
    held = 0
    for call in calls:
        asked = _asked(call)
        if asked is None:
            continue
        roles, texts = asked
        families = found[roles, _DIGITS.sub("0", texts[0][: 4 * BEGINNING])[:BEGINNING] if roles[1:] else ""]
        first = " ".join(_DIGITS.sub("0", texts[-1][: 4 * BEGINNING]).split()[:WORDS])
        if first not in families:
            families[first] = _Family()
            held += 1
        families[first].add(call, texts, draw)
        if held > MOST_FAMILIES:
            held = _forget(found)
    return found


def _asked(call: Logged) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the roles and texts of a short prompt; None for a conversation, a picture, tools, or no prompt at all."""
    messages = call.messages or ()
    if call.kind != "chat" or not 0 < len(messages) <= MOST_MESSAGES or call.arguments.get("tools"):
        return None
    roles = tuple(str(message.get("role")) for message in messages)
    texts = tuple(text for text in map(text_of, messages) if text)
    return (roles, texts) if roles[-1] == "user" and len(texts) == len(roles) else None


def _forget(found: defaultdict[_Key, dict[str, _Family]]) -> int:
    """Put beginnings that came rarely together, so that memory stays bounded; return how many are left."""
    for families in found.values():
        rare = [first for first, family in families.items() if first and family.calls < FEWEST_OF_LABEL]
        if rare:
            families[""] = _joined([families.pop(first) for first in rare] + [families.get("", _Family())])
    return sum(map(len, found.values()))


def _joined(families: Sequence[_Family]) -> _Family:
    whole = _Family()
    costs = [family.cost_usd for family in families if family.cost_usd is not None]
    whole.cost_usd = sum(costs) if costs else None
    total = sum(family.calls for family in families)
    for family in families:
        whole.calls += family.calls
        whole.input_tokens += family.input_tokens
        whole.output_tokens += family.output_tokens
        whole.answers += family.answers
        whole.answered += family.answered
        whole.models += family.models
        whole.projects += family.projects
        whole.sample += family.sample[: max(1, round(SAMPLE * family.calls / max(1, total)))]
    whole.sample = whole.sample[: 2 * SAMPLE]
    return whole


def _candidates(roles: tuple[str, ...], families: Mapping[str, _Family], least: int) -> tuple[Candidate, ...]:
    """Return a family as one template where its answers are few, else each beginning that is frequent enough.

    Several templates with labels have few answers together too: what they have in common is then no template, or none
    that can be learnt.
    """
    whole = _joined([*families.values()])
    labels = whole.calls >= least and (len(families) == 1 or whole.share() >= SHARE)
    one = _candidate(roles, whole) if labels else None
    if len(families) == 1 or (one is not None and one.why_not is None):
        return () if one is None else (one,)
    frequent = (family for first, family in families.items() if first and family.calls >= least)
    parts = tuple(part for family in frequent if (part := _candidate(roles, family)) is not None)
    return parts if parts or one is None else (one,)


def _candidate(roles: tuple[str, ...], family: _Family) -> Candidate | None:
    """Return what a family is as a template; None where its prompts have nothing in common."""
    columns = [[texts[at] for texts in family.sample if len(texts) == len(roles)] for at in range(len(roles))]
    try:
        template = Template(
            parts=tuple(Part(role=role, literals=parts_of(texts)) for role, texts in zip(roles, columns, strict=True))
        )
    except ValueError:
        return None
    prompts = [_messages(roles, texts) for texts in family.sample if len(texts) == len(roles)]
    matching = sum(template.slots(prompt) is not None for prompt in prompts) / max(1, len(prompts))
    labels = family.labels()
    return Candidate(
        template=template,
        calls=round(matching * family.calls),
        labels=tuple(labels),
        share=family.share(),
        input_tokens=round(matching * family.input_tokens),
        output_tokens=round(matching * family.output_tokens),
        cost_usd=None if family.cost_usd is None else matching * family.cost_usd,
        models=tuple(name for name, _ in family.models.most_common(3)),
        projects=tuple(name for name, _ in family.projects.most_common(3)),
        why_not=_why_not(family, labels, matching),
    )


def _messages(roles: Sequence[str], texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]


def _why_not(family: _Family, labels: Sequence[tuple[str, int]], matching: float) -> str | None:
    if matching < SHARE:
        return f"its prompts differ in more than their slots: {matching:.0%} of them have this skeleton"
    if family.share() < SHARE:
        return (
            f"its answers are no labels: {family.share():.0%} of them recur at least {FEWEST_OF_LABEL} times, and "
            f"{SHARE:.0%} are needed"
        )
    if len(labels) < 2:
        return "it is always answered the same"
    if len(labels) * 2 * FEWEST_OF_LABEL > family.answered:
        return f"{len(labels)} labels in {family.answered} answers are too many to learn"
    return None


# --- the skeleton ---------------------------------------------------------------------------


def parts_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the constant pieces of texts of one template, around their slots; one piece if all are the same."""
    if len(set(texts)) == 1:
        return (texts[0],)
    tokens = [_TOKEN.findall(text) for text in texts]
    first, rest = _common(tokens)
    last, middles = _common([row[::-1] for row in rest])
    inner = _pieces(["".join(row[::-1]) for row in middles])
    return ("".join(first), *inner, "".join(last[::-1]))


def _common(rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the tokens with which nearly all rows begin, and what follows in those that do, never nothing."""
    found: list[str] = []
    least = NEARLY_ALL * len(rows)
    while True:
        at = len(found)
        ahead = Counter(row[at] for row in rows if len(row) > at + 1)
        token, count = ahead.most_common(1)[0] if ahead else ("", 0)
        if not count or count < least:
            return found, [row[at:] for row in rows]
        rows = [row for row in rows if len(row) > at + 1 and row[at] == token]
        found.append(token)


def _pieces(middles: Sequence[str]) -> list[str]:
    """Return the pieces, each from a line's beginning, that stand once in nearly all of the texts, in their order."""
    shortest = min(middles, key=len, default="")
    for begin in (at for at, sign in enumerate(shortest) if sign == "\n"):
        tokens = _TOKEN.findall(shortest[begin:])[:12]
        for length in range(len(tokens), 0, -1):
            piece = "".join(tokens[:length])
            if sum(map(str.isalpha, piece)) < 4:
                break
            holding = [text for text in middles if text.count(piece) == 1 and text.strip() != piece.strip()]
            if len(holding) >= NEARLY_ALL * len(middles):
                after = [text.split(piece, 1)[1] for text in holding]
                return [piece, *_pieces(after)]
    return []

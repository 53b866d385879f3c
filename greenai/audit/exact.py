"""What prompts of one template share to the letter, so that a task model knows which prompts are of it.

`skeleton.py` tells templates apart in a whole log by digests; this looks at the texts of some prompts of one. What they
have in common is their beginning, their end, and pieces between that stand on lines of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai.answerers.skeleton import Part, Template, text_of

if TYPE_CHECKING:
    from greenai.audit.values import Logged

__all__ = ["FEWEST_PROMPTS", "Exact", "exact", "parts_of"]

NEARLY_ALL = 0.95
MATCHING = 0.9
"""A skeleton that fewer of the prompts have is none of the template's."""
MOST_MESSAGES = 4
FEWEST_PROMPTS = 8
"""What fewer different prompts share says little of the others."""

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """The constant pieces of some prompts around their slots, and the share of the prompts that have them."""

    template: Template
    matching: float

    @property
    def why_not(self) -> str | None:
        """Why no task model can answer them; None where one can."""
        if self.matching >= MATCHING:
            return None
        return f"its prompts differ in more than their slots: {self.matching:.0%} of them have this skeleton"


def exact(calls: Sequence[Logged]) -> Exact | None:
    """Return what prompts of one template share; None for conversations, pictures, tools, and where it is nothing."""
    prompts = [asked for call in calls if (asked := _asked(call)) is not None]
    if not prompts:
        return None
    roles = Counter(roles for roles, _ in prompts).most_common(1)[0][0]
    alike = [texts for shape, texts in prompts if shape == roles]
    try:
        columns = zip(roles, zip(*alike, strict=True), strict=True)
        template = Template(parts=tuple(Part(role=role, literals=parts_of(texts)) for role, texts in columns))
    except ValueError:
        return None
    messages = ([{"role": role, "content": text} for role, text in zip(roles, row, strict=True)] for row in alike)
    return Exact(template=template, matching=sum(template.slots(one) is not None for one in messages) / len(calls))


def _asked(call: Logged) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the roles and texts of a short prompt; None for a conversation, a picture, tools, or no prompt at all."""
    messages = call.messages or ()
    if call.kind not in ("chat", "responses") or not 0 < len(messages) <= MOST_MESSAGES or call.arguments.get("tools"):
        return None
    roles = tuple(str(message.get("role")) for message in messages)
    texts = tuple(text for text in map(text_of, messages) if text)
    return (roles, texts) if roles[-1] == "user" and len(texts) == len(roles) else None


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

"""A template: the constant part of a prompt, and what varies in it. It decides whether a prompt is of the template.

Matching is exact to the letter: the same roles in the same order, every constant piece at its place, a slot between two
pieces never empty. Where a constant piece stands in a prompt twice, so that nobody can say where the slot ends, the
prompt is not of the template. Time grows with the length of the prompt, whatever it holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

__all__ = ["LEAST_CONSTANT", "Part", "Template", "text_of"]

LEAST_CONSTANT = 12
"""How many characters of a template, blanks aside, must be constant: less is no template, but any prompt at all."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One message: its role, and the constant pieces around its slots. One piece alone is a constant message."""

    role: str
    literals: tuple[str, ...]

    def slots(self, text: str) -> tuple[str, ...] | None:
        """Return what fills the slots of this message; None where the text is not of it."""
        if len(self.literals) == 1:
            return () if text == self.literals[0] else None
        first, *inner, last = self.literals
        at, end = len(first), len(text) - len(last)
        if at >= end or not (text.startswith(first) and text.endswith(last)):
            return None
        found: list[str] = []
        for piece in inner:
            here = text.find(piece, at + 1, end)
            if here < 0 or text.find(piece, here + 1, end) >= 0:
                return None
            found.append(text[at:here])
            at = here + len(piece)
        found.append(text[at:end])
        return tuple(found) if all(slot.strip() for slot in found) else None


@dataclass(frozen=True, kw_only=True)
class Template:
    """The messages of a prompt with slots where they vary; at least one slot, and `LEAST_CONSTANT` constant letters."""

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        constant = sum(len("".join(piece.split())) for part in self.parts for piece in part.literals)
        slots = self.slot_count
        empty = any(not piece for part in self.parts for piece in part.literals[1:-1])
        if constant < LEAST_CONSTANT or slots < 1 or empty or not all(part.literals for part in self.parts):
            raise ValueError(
                f"A template needs a slot and {LEAST_CONSTANT} constant characters, and this has {slots} slots and "
                f"{constant} characters."
            )

    def slots(self, messages: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
        """Return what fills the slots, in order; None where the messages are not of this template."""
        if len(messages) != len(self.parts):
            return None
        found: list[str] = []
        for part, message in zip(self.parts, messages, strict=True):
            text = text_of(message)
            slots = None if text is None or message.get("role") != part.role else part.slots(text)
            if slots is None:
                return None
            found.extend(slots)
        return tuple(found)

    def filled(self, texts: Sequence[str]) -> list[dict[str, str]]:
        """Return the messages of a prompt of this template with these texts in its slots, in order.

        Raises:
            ValueError: there are more slots than texts, or fewer.
        """
        if len(texts) != self.slot_count:
            raise ValueError(f"This template has {self.slot_count} slots, and {len(texts)} texts were given.")
        left, messages = iter(texts), list[dict[str, str]]()
        for part in self.parts:
            content = part.literals[0] + "".join(next(left) + piece for piece in part.literals[1:])
            messages.append({"role": part.role, "content": content})
        return messages

    @property
    def slot_count(self) -> int:
        """How many slots its messages have together."""
        return sum(len(part.literals) - 1 for part in self.parts)

    @property
    def skeleton(self) -> str:
        """The template as a text, its slots numbered in braces."""
        lines: list[str] = []
        number = 0
        for part in self.parts:
            text = part.literals[0]
            for piece in part.literals[1:]:
                number += 1
                text += f"{{{number}}}{piece}"
            lines.append(f"{part.role}: {text}")
        return "\n".join(lines)

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits that name this template."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()[:12]

    def to_json(self) -> list[list[Any]]:
        """Return the template as lists, for a file."""
        return [[part.role, [*part.literals]] for part in self.parts]

    @classmethod
    def from_json(cls, held: Any) -> Template:
        """Return a template of what `to_json` gave.

        Raises:
            ValueError: it is none.
        """
        parts: list[Part] = []
        for role, literals in held:
            if not (isinstance(role, str) and isinstance(literals, list) and all(isinstance(x, str) for x in literals)):
                raise ValueError("A part of a template is a role and its constant pieces.")
            parts.append(Part(role=role, literals=tuple(literals)))
        return cls(parts=tuple(parts))


def text_of(message: Mapping[str, Any]) -> str | None:
    """Return a message's text; None where it holds more than a role and a text, such as a picture or a call."""
    if any(value is not None for name, value in message.items() if name not in {"role", "content"}):
        return None
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)) and len(content) == 1 and isinstance(content[0], Mapping):
        only: Mapping[str, Any] = content[0]
        text = only.get("text")
        return text if only.get("type") == "text" and set(only) == {"type", "text"} and isinstance(text, str) else None
    return None

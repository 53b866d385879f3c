"""What of a conversation is looked at: the last user turn, after the one before it where it says little by itself.

System prompts and tool results are not read for what is asked; they count as context. Nor are sentences that only
ask to spend more (demands.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from greenai.classify.demands import without_demands
from greenai.classify.words import View
from greenai.errors import InvalidRequest
from greenai.values import Message, text_of

Prompt: TypeAlias = "str | Sequence[Message]"

LONG_CHARS = 600  # from here on the words of a text drown an instruction before or after it
INSTRUCTION_CHARS = 200
SHORT_CHARS = 40  # "and for Berlin?" says little without the turn before it
WINDOW_CHARS = 300  # looked at by rules from either end of a turn: a question stands there, and rules are slow

_FIRST = re.compile(r"[^\n]+?(?:[.:?!](?=\s)|(?=\n))")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The text that is judged, and what stands around it.

    Attributes:
        text: the last user turn, after the one before it where it is short.
        own: the last user turn alone.
        turns: how many user turns there are.
        context_chars: characters of everything else.
        has_results: whether a tool has answered.
        attachments: whether a picture, a sound or a file belongs to the last user turn.
    """

    text: str
    own: str
    turns: int
    context_chars: int
    has_results: bool
    attachments: bool

    @property
    def instructions(self) -> tuple[str, ...]:
        """What may be an instruction around a long text: its first and its last sentence or line, if short."""
        own = self.own.strip()
        if len(own) < LONG_CHARS:
            return ()
        head, tail = _FIRST.match(own[:INSTRUCTION_CHARS]), own[-INSTRUCTION_CHARS:].rpartition("\n")
        return tuple(part for part in (head[0] if head else "", tail[2] if tail[1] else "") if part.strip())


def asked(prompt: Prompt) -> Asked:
    """Return what a text, or openai's messages, ask for.

    Raises:
        InvalidRequest: it is neither.
    """
    if isinstance(prompt, str):
        prompt = without_demands(prompt)
        return Asked(text=prompt, own=prompt, turns=1, context_chars=0, has_results=False, attachments=False)
    if not _is_conversation(prompt):
        raise InvalidRequest(
            f"assess takes a text or a list of chat messages, and {type(prompt).__name__} was given. "
            'Pass "..." or [{"role": "user", "content": "..."}].'
        )
    users = [m for m in prompt if m.get("role") == "user"]
    own = without_demands(text_of(users[-1].get("content"))) if users else ""
    before = without_demands(text_of(users[-2].get("content"))) if len(users) > 1 else ""
    total = sum(len(text_of(m.get("content"))) for m in prompt)
    return Asked(
        text=f"{before}\n{own}" if before and len(own) < SHORT_CHARS else own,
        own=own,
        turns=len(users),
        context_chars=total - len(own),
        has_results=any(m.get("role") in ("tool", "function") for m in prompt),
        attachments=bool(users) and _attached(users[-1].get("content")),
    )


def _is_conversation(given: object) -> bool:
    return isinstance(given, (list, tuple)) and all(isinstance(m, Mapping) for m in given)


def _attached(content: object) -> bool:
    if not isinstance(content, (list, tuple)):
        return False
    return any(isinstance(part, Mapping) and part.get("type") != "text" for part in content)


def ruled(asked: Asked) -> View:
    """Return the last user turn as the rules of timely.py see it."""
    chars, text = len(asked.own), asked.own
    if chars > 2 * WINDOW_CHARS:
        text = f"{text[:WINDOW_CHARS]}\n{text[-WINDOW_CHARS:]}"
    text = text.lower().replace("\u2019", "'")
    words = tuple(_WORD.findall(text))
    return View(
        text=text, words=words, known=frozenset(words), chars=chars, context_chars=asked.context_chars,
        has_results=asked.has_results,
    )  # fmt: skip

"""The form of a request without its content: what stays the same where a text, a time or an id changes.

Only numbers made by `hash` leave this module. They differ from process to process, and no text can be had from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenai.values import text_of

if TYPE_CHECKING:
    from greenai.values import Message

__all__ = ["Masked", "form_of", "masked", "prefix_of"]

HEAD_CHARS = 200
BEFORE_CHARS = 500
PREFIX_CHARS = 1000
MASKED_CHARS = 2000
MOST_TOKENS = 64
HEAD_WORDS = 3

_SEPARATOR = re.compile(r"[:\n\"“”«»`<{]")
# Digits alike, and every kind of space a space. Of bytes, since that takes a tenth of the time that text takes.
_DIGITS, _SPACES = b"0123456789", b"\n\t\r,;()[]{}\"'<>"
_FLAT = bytes.maketrans(_DIGITS + _SPACES, b"0" * len(_DIGITS) + b" " * len(_SPACES))
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:?\d\d.*"  # ISO 8601
    r"|\d{1,2}:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?"
    r"|\d{1,2}:\d\d(Z|[+-]\d\d:?\d\d)?"
    r"|1[5-9]\d{8}(\d{3})?(\.\d+)?"  # seconds or milliseconds since 1970
)
_ID = re.compile(
    r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}"  # days, which a question may be about
    r"|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?=\D*\d)[0-9a-fA-F]{12,}|\d{8,}"
    r"|[A-Za-z]{2,12}[-_#](?=\D*\d)[0-9A-Za-z]{6,}"
)


@dataclass(frozen=True, slots=True)
class Masked:
    """A request without its times and ids: `rest`, `times` and `ids` are equal where these are."""

    rest: int
    times: int
    ids: int

    @property
    def varies(self) -> bool:
        """Whether there is a time or an id in it at all."""
        return self.times != 0 or self.ids != 0


def form_of(messages: Sequence[Message]) -> int:
    """Return the form: what stands before the last message, and how that begins, up to a colon, a quote or a line.

    Where nothing of that kind is there, the first three words are its beginning.
    """
    *before, last = messages
    text = text_of(last.get("content"))[:HEAD_CHARS]
    found = _SEPARATOR.search(text)
    head = text[: found.start()] if found else " ".join(text.split(None, HEAD_WORDS)[:HEAD_WORDS])
    context = tuple((m.get("role"), _flat(text_of(m.get("content"))[:BEFORE_CHARS])) for m in before)
    return hash((context, last.get("role"), _flat(head.casefold())))


def _flat(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(_FLAT)


def masked(messages: Sequence[Message]) -> Masked:
    """Return the whole request without its times and ids; of very long texts only the beginning is looked through."""
    times: list[str] = []
    ids: list[str] = []
    rest = tuple((m.get("role"), _rest(text_of(m.get("content")), times, ids)) for m in messages)
    return Masked(hash(rest), hash(tuple(times)) if times else 0, hash(tuple(ids)) if ids else 0)


def prefix_of(messages: Sequence[Message]) -> Masked | None:
    """Return the same of the first 1,000 characters, where providers' caches begin; None of a shorter prompt."""
    if not messages:
        return None
    text = text_of(messages[0].get("content"))
    if len(text) < PREFIX_CHARS:
        return None
    times: list[str] = []
    ids: list[str] = []
    rest = _rest(text[:PREFIX_CHARS], times, ids)
    return Masked(hash(rest), hash(tuple(times)) if times else 0, hash(tuple(ids)) if ids else 0)


def _rest(text: str, times: list[str], ids: list[str]) -> tuple[str, ...]:
    """Return the text in pieces, times and ids left out and added to the lists."""
    looked = text[:MASKED_CHARS]
    flat = looked.encode("latin-1", "replace").translate(_FLAT)  # a byte for each character: places stay
    at = flat.find(b"0")
    if at < 0:
        return (text,)
    pieces: list[str] = []
    done = 0
    for _ in range(MOST_TOKENS):
        start = flat.rfind(b" ", 0, at) + 1
        end = flat.find(b" ", at)
        end = len(looked) if end < 0 else end
        token = looked[start:end].rstrip(".!?:")
        kind = times if _TIME.fullmatch(token) else ids if _ID.fullmatch(token) else None
        if kind is not None:
            kind.append(token)
            pieces.append(text[done:start])
            done = start + len(token)
        at = flat.find(b"0", end)
        if at < 0:
            break
    pieces.append(text[done:])
    return tuple(pieces)

"""Reasoning that a server left in the text of an answer, between tags. Nothing is ever taken out of the text."""

from __future__ import annotations

import re

__all__ = ["shown", "thinks"]

# A block that opens the text, as servers without a reasoning parser leave it. A closing tag further on may as well be
# prose about tags. Chat templates that switch reasoning off write an empty block, which is no reasoning.
_OPENING = re.compile(r"\s*<(?P<tag>(?:mm:)?(?:think|thinking|reasoning))>\s*")


def thinks(text: str) -> bool:
    """Say whether the text of an answer begins with reasoning, as servers without a reasoning parser send it."""
    found = _OPENING.match(text)
    if found is None or found.end() == len(text):
        return False
    tag = found["tag"]
    return not any(text.startswith(f"</{name}>", found.end()) for name in (tag, f"mm:{tag}", tag.removeprefix("mm:")))


def shown(text: str) -> bool:
    """Say whether a text holds such a tag: an answer to it may repeat that."""
    return _TAG.search(text) is not None


_TAG = re.compile(r"</?(?:mm:)?(?:think|thinking|reasoning)\b", re.IGNORECASE)

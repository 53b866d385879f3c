"""Reasoning that a server left in the text of an answer, between tags. Nothing is ever taken out of the text."""

from __future__ import annotations

import re

__all__ = ["thinks"]

# A block that opens the text, or one whose opening tag stood in the prompt: its closing tag then has a line to itself.
# Chat templates that switch reasoning off write an empty block, which is no reasoning.
_OPENED = re.compile(r"\s*<(?:mm:)?(think|thinking|reasoning)>(?P<thought>.*?)(?:</(?:mm:)?\1>|\Z)", re.DOTALL)
_CLOSED = re.compile(r"(?P<thought>.*?)^\s*</(?:mm:)?(?:think|thinking|reasoning)>\s*$", re.DOTALL | re.MULTILINE)


def thinks(text: str) -> bool:
    """Say whether the text of an answer begins with reasoning, as servers without a reasoning parser send it."""
    if "think" not in text and "reasoning>" not in text:
        return False
    found = _OPENED.match(text) or _CLOSED.match(text)
    return found is not None and bool(found["thought"].strip())

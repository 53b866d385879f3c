"""What a request needs, judged before anything is spent: rules over its words, which say that they are rules.

It decides probabilities and a task; what follows from them (a route, a cached answer's time to live) is decided
elsewhere. No probability here is calibrated: they are stated guesses, ordered with care, that a learned
classifier replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from greenai.classify.rules import View, judge
from greenai.values import Assessment, Message, text_of

__all__ = ["VERSION", "Classifier"]

VERSION = "rules-1"

WINDOW_CHARS = 2000  # looked at from either end of the last user turn, so that time does not grow with the prompt


class Classifier:
    """Judges requests by rules. It holds no state and may be shared between threads.

    `VERSION` names the rules; a cached answer is only valid for the version that it was decided under.
    """

    VERSION: ClassVar[str] = VERSION

    def assess(self, messages: Sequence[Message] | str) -> Assessment:
        """Return what the last user turn asks for, given how much stands around it.

        Args:
            messages: openai's messages, or the text of one user message.
        """
        return judge(_view(messages), method=VERSION)


def _view(messages: Sequence[Message] | str) -> View:
    if isinstance(messages, str):
        return _clipped(messages, 0, has_results=False)
    last, around, has_results = "", 0, False
    for message in messages:
        around += len(last)
        text = _text_in(message)
        if message.get("role") == "user":
            last = text
        else:
            around += len(text)
            has_results = has_results or message.get("role") in ("tool", "function")
    return _clipped(last, around, has_results=has_results)


def _text_in(message: Mapping[str, object]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else text_of(content)


def _clipped(text: str, around: int, *, has_results: bool) -> View:
    chars = len(text)
    if chars > 2 * WINDOW_CHARS:
        text = f"{text[:WINDOW_CHARS]}\n{text[-WINDOW_CHARS:]}"
    return View(text=text, chars=chars, context_chars=around, has_results=has_results)

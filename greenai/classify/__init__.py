"""What a request needs, judged before anything is spent: rules over its words, which say that they are rules.

It decides probabilities and a task; what follows from them (a route, a cached answer's time to live) is decided
elsewhere. No probability here is calibrated: they are stated guesses, ordered with care.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from greenai.classify.rules import judge
from greenai.classify.words import View
from greenai.values import Assessment, Message, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["VERSION", "Classifier"]

VERSION = "rules-1"

WINDOW_CHARS = 2000  # looked at from either end of the last user turn, so that time does not grow with the prompt

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


class Classifier:
    """Judges requests by rules. It holds no state and may be shared between threads.

    `VERSION` names the rules; a cached answer is only valid for the version that it was decided under.
    """

    VERSION: ClassVar[str] = VERSION

    def assess(self, messages: Sequence[Message] | str) -> Assessment:
        """Return what the last user turn asks for, given how much stands around it.

        The task is one of calculation, chat, classify, code, extract, fact, live, maths, other, puzzle, rewrite,
        summarise, translate and write. `live` is a question for data that no model has: weather, prices, the latest
        of something; records, random things and actions are `volatile` too, but no `live` task.

        Args:
            messages: openai's messages, or the text of one user message.
        """
        return judge(_view(messages), method=VERSION)


def _view(messages: Sequence[Message] | str) -> View:
    if isinstance(messages, str):
        return _clipped(messages, 0, has_results=False)
    last, around, has_results = "", 0, False
    for message in messages:
        text = text_of(message.get("content"))
        if message.get("role") == "user":
            around, last = around + len(last), text
        else:
            around += len(text)
            has_results = has_results or message.get("role") in ("tool", "function")
    return _clipped(last, around, has_results=has_results)


def _clipped(text: str, around: int, *, has_results: bool) -> View:
    chars = len(text)
    if chars > 2 * WINDOW_CHARS:
        text = f"{text[:WINDOW_CHARS]}\n{text[-WINDOW_CHARS:]}"
    text = text.lower().replace("’", "'")  # noqa: RUF001 (the apostrophe that phones and word processors type)
    words = tuple(_WORD.findall(text))
    return View(
        text=text, words=words, known=frozenset(words), chars=chars, context_chars=around, has_results=has_results
    )

"""The built-in answerers and the order they are asked in: what is quick to refuse first."""

from __future__ import annotations

from collections.abc import Callable

from greenai.answerers import bases, calc, clock, compare, conversions, counting, date_questions, formats, sorting, sums
from greenai.answerers.wording import Answered, Clock, Question, local_now, question_of

VERSION = "tools-1"

BUILT_IN: tuple[tuple[str, Callable[[Question], Answered | None]], ...] = (
    ("calc", calc.answer),
    ("sums", sums.answer),
    ("compare", compare.answer),
    ("units", conversions.answer),
    ("clock", clock.answer),
    ("dates", date_questions.answer),
    ("bases", bases.answer),
    ("counting", counting.answer),
    ("sorting", sorting.answer),
    ("formats", formats.answer),
)
"""Name and function of each built-in answerer, in the order they are asked: None where one is not sure."""


def built_in(text: str, clock: Clock = local_now) -> tuple[str, Answered] | None:
    """Return the name of the first built-in answerer that is sure of `text`, with its answer, or None."""
    question = question_of(text, clock)
    for name, answerer in BUILT_IN:
        answered = answerer(question)
        if answered is not None:
            return name, answered
    return None

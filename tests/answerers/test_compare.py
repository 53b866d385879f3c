"""Comparison of numbers: the whole question, and nothing that could mean a version or an interval."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import compare
from greenai.answerers.wording import question_of

ANSWERED = {
    "Which is larger, 9.11 or 9.9?": ("9.9", "9.9 > 9.11"),
    "9.11 vs 9.9, which one is larger?": ("9.9", "9.9 > 9.11"),
    "Is 9.11 bigger than 9.9?": ("No: 9.11 < 9.9.", "9.11 < 9.9"),
    "is 3 less than 4": ("Yes: 3 < 4.", "3 < 4"),
    "Which is bigger, 3/4 or 5/8?": ("3/4", "3/4 > 5/8"),
    "What's the largest of 3, 9, and 7?": ("9", "9 > 7 > 3"),
    "max(3, 5, 9)": ("9", "9 > 5 > 3"),
    "Tell me which of these numbers is the smallest: 4, -2, 0": ("-2", "-2 < 0 < 4"),
    "What is greater, one million or 999,999?": ("one million", "one million > 999,999"),
    "Which is smaller: 50% or 40%?": ("40%", "40% < 50%"),
    "Which is larger: 0.50 or 0.5 (as numbers)?": ("Neither: 0.50 and 0.5 are equal.", "0.50 = 0.5"),
    "Among 3 and 5 and 7, what's the biggest number?": ("7", "7 > 5 > 3"),
    "Between 1.5 and 1.25, tell me which is lower": ("1.25", "1.25 < 1.5"),
    "Which number between 2.5 and 2.25 is greater (considering both as decimals)?": ("2.5", "2.5 > 2.25"),
    "I have two numbers, 9.8 and 9.11. Which is bigger?": ("9.8", "9.8 > 9.11"),
    "Please compare 3.9 and 3.11 and tell me which is larger.": ("3.9", "3.9 > 3.11"),
    "Considering 9.8 and 9.11 as decimals, which one has a larger value?": ("9.8", "9.8 > 9.11"),
    "Is 9.11 or 9.8 bigger?": ("9.8", "9.8 > 9.11"),
    "The larger of 4 and 5 is?": ("5", "5 > 4"),
}

REFUSED = [
    "Which is larger, 9.11 or 9.9, as version numbers?",
    "Which is larger, 9.11 or 9.9 (versions)?",
    "Which is the largest number between 1 and 10?",
    "which number is greater 1,5 or 1,7",
    "which is larger, 5 or 6 apples",
    "which is bigger, 3.11 or 3.9 and why?",
    "how much larger is 5 than 3",
    "Which is larger, Texas or Alaska?",
    "Which is larger, 50% or 0.4?",
    "which is bigger, 1.2.3 or 1.3",
    "which is the largest of 3, 3, 1",
    "what is larger than 5",
    "larger",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_comparison_is_answered(text: str, expected: tuple[str, str]) -> None:
    found = compare.answer(question_of(text))
    assert found is not None
    assert (found.text, found.working) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert compare.answer(question_of(text)) is None


NUMBERS = st.decimals(-1000, 1000, places=3).map(lambda d: f"{d:f}")
FRAMES = st.sampled_from(
    [
        "Which is {}: {}?",
        "which number is {}, {}",
        "Find the {} number: {}.",
        "What is the {} of {}?",
        "{1} - which is {0}?",
    ]
)


@given(
    numbers=st.lists(NUMBERS, min_size=2, max_size=6, unique_by=Decimal),
    word=st.sampled_from(["larger", "greatest", "smaller", "lowest"]),
    frame=FRAMES,
    last=st.sampled_from([", ", " and ", " or ", ", or "]),
)
@settings(max_examples=300, deadline=None)
def test_answer_is_that_of_decimals(numbers: list[str], word: str, frame: str, last: str) -> None:
    listed = ", ".join(numbers[:-1]) + last + numbers[-1]
    found = compare.answer(question_of(frame.format(word, listed)))
    assert found is not None
    pick = max if word in ("larger", "greatest") else min
    assert Decimal(found.text) == pick(map(Decimal, numbers))

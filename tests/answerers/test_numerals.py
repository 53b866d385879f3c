"""Numbers in digits and in words: every whole number is read back from how it is spelled, and nothing else is."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.answerers.numerals import decimal_text, integer_words, number, spelled

READ = {
    "three hundred and five": 305,
    "twenty-one": 21,
    "a hundred": 100,
    "twelve hundred": 1200,
    "two dozen": 24,
    "1.5 million": 1_500_000,
    "half a million": 500_000,
    "1,234.5": Fraction("1234.5"),
    "-20": -20,
    "minus five": -5,
    "1e3": 1000,
    "3/4": Fraction(3, 4),
    "3 1/2": Fraction(7, 2),
    "2½": Fraction(5, 2),
    "two and a half": Fraction(5, 2),
    "three quarters": Fraction(3, 4),
    "a quarter": Fraction(1, 4),
    "three point one four": Fraction("3.14"),
}

NONE = [
    "", "-", "- -", "a", "five and hundred", "two hundred hundred", "hundred and", "007", "1,23", "1.2.3", "3/0", "two point",
    "point", "five six", "a hundred and a half", "1e99", "4/3 5", "nine thousand thousand", "one hundred one thousand and",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_number_is_read(text: str, value: Fraction) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", NONE)
def test_everything_else_is_none(text: str) -> None:
    assert number(text) is None


@given(st.integers(0, 10**15 - 1))
def test_spelled_numbers_are_read_back(value: int) -> None:
    assert integer_words(spelled(value)) == value
    assert number(re.sub("hundred (?!thousand|[a-z]*illion)", "hundred and ", spelled(value))) == value
    assert number(f"{value:,}") == value


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_decimals_are_near_and_say_whether_they_are_exact(top: int, bottom: int) -> None:
    value = Fraction(top, bottom)
    text, exact = decimal_text(value, 6)
    assert (Fraction(text) == value) is exact
    assert abs(Fraction(text) - value) <= abs(value) / 10**5


@given(st.text(alphabet="0123456789,./- e½abdefhilmnorstuvwxy", max_size=25))
def test_any_text_is_a_number_or_none(text: str) -> None:
    value = number(text)
    assert value is None or isinstance(value, Fraction)

"""Arithmetic in sentences, against Python's own, and silent where a sentence says more."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import sums
from greenai.answerers.calc import calculate
from greenai.answerers.wording import question_of

ANSWERED = {
    "What is the average of 54, 23, 43, 12, and 442?": ("114.8", "(54 + 23 + 43 + 12 + 442) / 5 = 114.8"),
    "average of twenty five and ten": ("17.5", "(25 + 10) / 2 = 17.5"),
    "what is the median of 3, 9, 1": ("3", "the middle of 1, 3, 9 = 3"),
    "what's the sum of 3, 4 and 5": ("12", "3 + 4 + 5 = 12"),
    "multiply 3, 4 and 5": ("60", "3 * 4 * 5 = 60"),
    "what is the greatest common divisor of 12 and 18": ("6", "gcd(12, 18) = 6"),
    "lcm of 4 and 6": ("12", "lcm(4, 6) = 12"),
    "What is an 18 percent tip on 20 dollars?": ("$3.60", "18% of $20 = $3.60"),
    "what is 85% of $1,500": ("$1275", "85% of $1500 = $1275"),
    "15% off $35": ("$29.75", "$35 - 15% of $35 = $29.75"),
    "increase 50 by 20%": ("60", "50 + 20% of 50 = 60"),
    "80 decreased by 25 percent": ("60", "80 - 25% of 80 = 60"),
    "What percent is 30 of 240?": ("12.5%", "30 / 240 * 100 = 12.5"),
    "30 is what percentage of 90": ("about 33.33333333%", "30 / 90 * 100 ≈ 33.33333333"),
    "what percent of 240 is 30": ("12.5%", "30 / 240 * 100 = 12.5"),
    "20% of what number is 50": ("250", "50 / 20% = 250"),
    "what is the percentage change from 50 to 75": ("50% increase", "(75 - 50) / 50 * 100 = 50"),
    "percent decrease from 80 to 60": ("25% decrease", "(60 - 80) / 80 * 100 = -25"),
    "what is 3/4 of 18": ("13.5", "3/4 * 18 = 13.5"),
    "half of 250": ("125", "1/2 * 250 = 125"),
    "Is 126 divisible by 8?": ("No, 126 is not divisible by 8.", "126 = 15 * 8 + 6"),
    "is 128 a multiple of 8": ("Yes, 128 is divisible by 8.", "128 = 16 * 8"),
    "how many times can 3 go into 1253": ("417 times, with a remainder of 2", "1253 = 417 * 3 + 2"),
    "what is the remainder when 17 is divided by 5": ("2", "17 = 3 * 5 + 2"),
    "what is the cube root of 27": ("3", "3 * 3 * 3 = 27"),
    "what is 8 factorial": ("40320", "8! = 40320"),
    "Is 97 prime?": ("Yes, 97 is prime.", "no number from 2 to 9 divides 97"),
    "is 91 a prime number": ("No, 91 is not prime.", "91 = 7 * 13"),
    "is 7 odd": ("Yes, 7 is odd.", "7 = 2 * 3 + 1"),
}

REFUSED = [
    "average of 1,5 and 2,5",
    "what is the average rainfall in may",
    "what is the average of my grades",
    "what is the sum of all fears",
    "20% of people",
    "percent increase from 80 to 60",
    "what percent of people are tall",
    "one of three",
    "is he odd",
    "is 2.5 even",
    "cube root of 28",
    "how many times can 0 go into 5",
    "if something is 15% off $35, how much is it",
    "$5 + $3",
    "the product of 3 and love",
    "200 increased by 10",
    "two of us",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_sentence_is_answered(text: str, expected: tuple[str, str]) -> None:
    found = sums.answer(question_of(text))
    assert found is not None
    assert (found.text, found.working) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert sums.answer(question_of(text)) is None


@pytest.mark.parametrize(
    ("text", "value"),
    {
        "square root of 1 million": "1000",
        "20% of a thousand": "200",
        "1.5 million divided by 3": "500000",
        "two hundred five plus three": "208",
        "3 to the 6th power": "729",
        "subtract sixty from two hundred and forty four": "184",
        "-2500^-1": "-0.0004",
        "what is the solution to sixty times thirty": "1800",
    }.items(),
)
def test_numbers_in_words_are_calculated_with(text: str, value: str) -> None:
    assert calculate(text) == value


@pytest.mark.parametrize("text", ["what is 1/2 million", "calculate 3^2 million", "one hundred two hundred + 1"])
def test_numbers_in_words_with_two_readings_are_refused(text: str) -> None:
    assert calculate(text) is None


NUMBERS = st.lists(st.integers(-500, 5000), min_size=2, max_size=8)


@given(numbers=NUMBERS, what=st.sampled_from(["average", "median", "sum"]), comma=st.sampled_from([", ", " "]))
@settings(max_examples=200, deadline=None)
def test_lists_agree_with_python(numbers: list[int], what: str, comma: str) -> None:
    found = sums.answer(question_of(f"what is the {what} of {comma.join(map(str, numbers))}?"))
    assert found is not None
    values = [Fraction(n) for n in numbers]
    expected = {"average": statistics.mean, "median": statistics.median, "sum": sum}[what](values)
    assert float(found.text.removeprefix("about ").partition(" (")[0]) == pytest.approx(float(expected), rel=1e-9)


@given(value=st.integers(0, 5000), divisor=st.integers(1, 99))
@settings(max_examples=200, deadline=None)
def test_primes_and_divisors_agree_with_python(value: int, divisor: int) -> None:
    prime = sums.answer(question_of(f"is {value} prime"))
    divisible = sums.answer(question_of(f"is {value} divisible by {divisor}?"))
    assert prime is not None
    assert divisible is not None
    assert prime.text.startswith("Yes") is (value > 1 and all(value % n for n in range(2, math.isqrt(value) + 1)))
    assert divisible.text.startswith("Yes") is (value % divisor == 0)

"""Numbers in other bases and Roman numerals: read back, and silent where the base is not said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import bases
from greenai.answerers.wording import question_of

ANSWERED = {
    "Convert 255 to hex": ("FF", "255 in decimal = FF in hexadecimal"),
    "what is 0xff in decimal?": ("255", "0xff in hexadecimal = 255 in decimal"),
    "10 in binary": ("1010", "10 in decimal = 1010 in binary"),
    "convert 1010 from binary to decimal": ("10", "1010 in binary = 10 in decimal"),
    "what is the decimal equivalent of binary 1101": ("13", "1101 in binary = 13 in decimal"),
    "how do you write twelve in binary": ("1100", "twelve in decimal = 1100 in binary"),
    "what is 777 octal in decimal": ("511", "777 in octal = 511 in decimal"),
    "2024 in Roman numerals": ("MMXXIV", "2024 = MMXXIV"),
    "what number is the roman numeral XIV": ("14", "XIV = 14"),
    "what is MCMXC in numbers?": ("1990", "MCMXC = 1990"),
}

REFUSED = [
    "what is 1010 in decimal",
    "convert 1010 to hex",
    "convert ff to decimal",
    "convert 129 from octal to decimal",
    "hex to decimal",
    "the roman numeral IIII",
    "5000 in roman numerals",
    "what is binary",
    "binary search in python",
    "what is hex editing in short",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_base_is_answered(text: str, expected: tuple[str, str]) -> None:
    found = bases.answer(question_of(text))
    assert found is not None
    assert (found.text, found.working) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert bases.answer(question_of(text)) is None


@given(st.integers(0, 10**12))
@settings(max_examples=200, deadline=None)
def test_bases_agree_with_python(value: int) -> None:
    for name, form in (("binary", "b"), ("octal", "o"), ("hexadecimal", "X")):
        there = bases.answer(question_of(f"convert the decimal number {value} to {name}"))
        back = bases.answer(question_of(f"what is {name} {value:{form}} in decimal?"))
        assert there is not None
        assert back is not None
        assert (there.text, back.text) == (f"{value:{form}}", str(value))


@pytest.mark.parametrize("value", range(1, 4000, 7))
def test_roman_numerals_go_both_ways(value: int) -> None:
    there = bases.answer(question_of(f"what is {value} in roman numerals"))
    assert there is not None
    back = bases.answer(question_of(f"what number does the roman numeral {there.text} represent"))
    assert back is not None
    assert back.text == str(value)

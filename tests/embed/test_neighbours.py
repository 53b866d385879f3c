"""Words a letter away: found as by comparing with every word, and only where one alone is meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.embed.neighbours import LETTERS, Neighbours, index, is_swapped, without_one

WORDS = ["boat", "cloud", "ether", "goat", "größe", "python", "the", "weather", "weathers"]


def neighbours(words: list[str]) -> Neighbours:
    return Neighbours({word: number for number, word in enumerate(words)}, words, *index(words))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("pyhton", "python"),  # swapped
        ("pythn", "python"),  # left out
        ("pythoon", "python"),  # added
        ("pythom", "python"),  # another letter
        ("clou", "cloud"),
        ("coat", None),  # boat or goat
        ("zzzzzz", None),
        ("teh", None),  # too short
        ("grösse", None),  # not ASCII
    ],
)
def test_one_neighbour_is_the_word_meant(word: str, meant: str | None) -> None:
    found = neighbours(WORDS).of(word)
    assert (None if found is None else WORDS[found]) == meant


def test_swapped_letters_come_before_another_letter() -> None:
    words = ["form", "farm", "from"]
    assert neighbours(words).of("fomr") == 0


def one_letter_apart(word: str, other: str) -> bool:
    if word == other:
        return False
    if abs(len(word) - len(other)) == 1:
        return min(word, other, key=len) in without_one(max(word, other, key=len))
    return len(word) == len(other) and (
        is_swapped(word, other) or sum(a != b for a, b in zip(word, other, strict=True)) == 1
    )


@given(
    st.lists(st.text("abc", min_size=4, max_size=7), min_size=1, max_size=12, unique=True),
    st.text("abc", min_size=4, max_size=7),
)
def test_as_comparing_with_every_word(words: list[str], word: str) -> None:
    found = neighbours(words).of(word)
    near = [w for w in words if one_letter_apart(word, w)]
    if len(near) <= 1:
        assert found == (words.index(near[0]) if near else None)
    elif found is not None:
        assert words[found] in near


def test_lengths_that_are_looked_up() -> None:
    assert (LETTERS.start, LETTERS.stop) == (4, 15)

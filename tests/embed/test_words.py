"""Words and their numbers: what is one word, what a stranger's pieces are, and what long texts are cut to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.embed.words import MAX_CHARS, MAX_CORRECTED, MAX_STRANGERS, PIECES, clipped, ids_of, shaped, tokens


def nobody(word: str) -> None:
    """Know no neighbour of any word."""


VOCABULARY = {word: number for number, word in enumerate(("0", "00", "000", "a", "cat", "the", ","))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat, a CAT", ["the", "cat", ",", "a", "cat"]),
        ("it\u2019s 3.50!", ["it's", "3", ".", "50", "!"]),
        ("naïve Größe", ["naïve", "größe"]),
        ("snake_case", ["snake", "case"]),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(("word", "shape"), [("7", "0"), ("42", "00"), ("1234567", "00000"), ("cat", "cat")])
def test_numbers_are_known_by_their_digits(word: str, shape: str) -> None:
    assert shaped(word) == shape


def test_numbers_and_strangers() -> None:
    found = ids_of(["the", "42", "zorb", "0", "99999999"], VOCABULARY, nobody)
    assert found.sequence == [5, 1, -1, 0, -1]
    assert (found.strangers, found.numerals) == (1, 3)
    assert len(found.pieces) == len("<zorb>") - 2
    assert all(len(VOCABULARY) <= piece < len(VOCABULARY) + PIECES for piece in found.pieces)


def test_misspelt_word_shares_most_pieces_with_the_right_one() -> None:
    right, wrong = set(ids_of(["weather"], {}, nobody).pieces), set(ids_of(["weathr"], {}, nobody).pieces)
    assert len(right & wrong) >= 4


def test_script_without_spaces_counts_letter_by_letter() -> None:
    assert len(ids_of(["天気予報"], {}, nobody).pieces) == 4


def test_strangers_beyond_the_limit_have_no_pieces() -> None:
    found = ids_of(["zz"] * (MAX_STRANGERS + 50), {}, nobody)
    assert found.strangers == MAX_STRANGERS + 50
    assert len(found.pieces) == 2 * MAX_STRANGERS


def test_long_text_is_read_at_its_ends() -> None:
    text = "b" * 10_000 + "E"
    assert len(clipped(text)) == 2 * MAX_CHARS + 1
    assert clipped(text).endswith("e")


@given(st.text())
def test_any_text_has_numbers(text: str) -> None:
    words = tokens(text)
    found = ids_of(words, VOCABULARY, nobody)
    assert len(found.sequence) == len(words)
    assert found.numerals == sum(word[0] in "0123456789" for word in words)
    assert found.strangers == sum(shaped(word) not in VOCABULARY and word[0] not in "0123456789" for word in words)


def test_misspelt_word_counts_as_the_word_that_was_meant() -> None:
    found = ids_of(["teh", "cat"], VOCABULARY, {"teh": 5}.get)
    assert (found.sequence, found.pieces, found.strangers) == ([5, 4], [], 0)


def test_only_the_first_strangers_are_looked_up() -> None:
    asked: list[str] = []
    ids_of([f"q{letter}z" for letter in "abcdefgh"], VOCABULARY, asked.append)
    assert len(asked) == MAX_CORRECTED

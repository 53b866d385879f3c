"""Counting in a text that is set apart: against Python's own, and silent where it is not clear what to count."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import counting
from greenai.answerers.wording import question_of

ANSWERED = {
    "How many r's are in strawberry?": ("3", "r is at 3, 8, 9"),
    "How many times does the letter s appear in Mississippi?": ("4", "s is at 3, 4, 6, 7"),
    "how many i's in team": ("0", "i is nowhere in it"),
    "How many Es are in 'Eel'?": ("2 (upper and lower case counted alike)", "E is at 1, 2"),
    'how many letters are in the word "banana"': ("6", "letters: b a n a n a"),
    "count the vowels in 'rhythmic'": ("1 (y counted as a consonant)", "vowels: i"),
    'how many characters does "hello world" have?': (
        "11 characters (10 without spaces)",
        "counted in 'hello world'",
    ),
    "How many words are in the sentence 'The quick brown fox'?": (
        "4",
        "words between spaces, from 'The quick brown' to 'fox'",
    ),
    "how many words are in the following text: The fox jumps.": (
        "3",
        "words between spaces, from 'The fox jumps.' to 'jumps.'",
    ),
}

REFUSED = [
    "how many times does ss appear in mississippi",
    "how many times does is appear in mississippi",
    "how many times does rs occur in 'strawberry'",
    "how many ss are in the word mississippi",
    "how many is are in 'mississippi'",
    "how many letters in the alphabet",
    "how many letters are in your name",
    "how many words in English",
    "how many words in 'well-known fact'",
    "How many words are in this sentence?",
    "how many g's in kg",
    "how many k's in million",
    "how many c in cat",
    "how many e's are in 'café'",
    "How many a's are in 'it's a trap'?",
    "how many times does the letter carrier come",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_count_is_answered(text: str, expected: tuple[str, str]) -> None:
    found = counting.answer(question_of(text))
    assert found is not None
    assert (found.text, found.working) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert counting.answer(question_of(text)) is None


@given(
    text=st.text(alphabet=string.ascii_letters + " ", min_size=1, max_size=80).filter(str.strip),
    letter=st.sampled_from(string.ascii_lowercase),
)
@settings(max_examples=200, deadline=None)
def test_counts_are_pythons(text: str, letter: str) -> None:
    letters = counting.answer(question_of(f'How many times does the letter {letter} appear in the text "{text}"?'))
    words = counting.answer(question_of(f'How many words are in "{text}"?'))
    assert letters is not None
    assert words is not None
    assert int(letters.text.split()[0]) == text.lower().count(letter)
    assert int(words.text) == len(text.split())

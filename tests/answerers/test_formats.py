"""JSON validity by two parsers, and regular expressions that are quick on every text."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import formats
from greenai.answerers.wording import question_of

ANSWERED = {
    'Is this valid JSON: {"a": 1}': ("Yes, it is valid JSON.", "read as an object by two parsers"),
    'Is the following valid JSON?\n```json\n{"a": [1, 2}\n```': (
        "No, it is not valid JSON: Expecting ',' delimiter at line 1, column 12.",
        "Expecting ',' delimiter at line 1, column 12; two parsers refuse it",
    ),
    'is {"a": NaN} valid json?': (
        "No, it is not valid JSON: NaN is no JSON value.",
        "NaN is no JSON value; two parsers refuse it",
    ),
    "[1, 2] is this valid JSON?": ("Yes, it is valid JSON.", "read as an array by two parsers"),
    "Does the regex '^a+b$' match 'aaab'?": ("Yes, it matches the whole text.", "'aaab' from 0 to 4"),
    "does the regex /a+/ match 'baac'": (
        "It matches a part of the text ('aa' from 1 to 3), and not the whole.",
        "'aa' from 1 to 3",
    ),
    "does the string 'abc' match the regex '[0-9]+'": ("No, it matches no part of the text.", "no match in 'abc'"),
}

REFUSED = [
    'is this valid JSON: {"a": 1} I think so',
    'is this valid JSON: {"a": 1, "a": 2}',  # parsers differ
    "is JSON valid YAML?",
    "what is valid JSON",
    "does the regex '(a+)+$' match 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'",
    r"does the regex '(a)\1' match 'aa'",
    "does the regex '(' match 'a'",
    "does the pattern match the data",
    "Write a regex that matches 'abc'",
    f"is this valid json: {'[' * 60}{']' * 60}",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_check_is_answered(text: str, expected: tuple[str, str]) -> None:
    found = formats.answer(question_of(text))
    assert found is not None
    assert (found.text, found.working) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert formats.answer(question_of(text)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4) | st.dictionaries(st.text(max_size=5), JSON, max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_json_writes_is_valid(value: object) -> None:
    found = formats.answer(question_of(f"Is this valid JSON? {json.dumps(value)}"))
    assert found is not None
    assert found.text == "Yes, it is valid JSON."


@given(st.text(alphabet="ab+*?|(){}[]^$.\\d,12", max_size=20))
@settings(max_examples=500, deadline=None)
def test_a_pattern_that_is_run_is_quick(pattern: str) -> None:
    if not formats.is_fast(pattern):
        return
    try:
        compiled = re.compile(pattern)
    except re.error:
        return
    started = time.perf_counter()
    compiled.search("a" * formats.MOST_SUBJECT + "!")
    assert time.perf_counter() - started < 2

"""When two answers say the same: letters, numbers with units, JSON by value, labels; nothing else is compared."""

from __future__ import annotations

import pytest

from greenai.audit.matching import Form, form_of, same


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ("B", "letter"), ("(C)", "letter"), ("**D**", "letter"), ("A.", "letter"),
        ("43.2", "number"), ("1,234 km", "number"), ("$5", "number"), ("~12%", "number"), ("-0.5.", "number"),
        ('{"a": 1}', "json"), ("```json\n[1, 2]\n```", "json"),
        ("spam", None), ("The sea is salty, as rivers carry salt.", None), ("```python\nprint(1)\n```", None), ("", None),
        ("43.2 or 44", None), ("K", None), ("1.2.3", None),
    ],
)  # fmt: skip
def test_the_logged_answer_says_as_what_it_can_be_compared(answer: str, form: Form | None) -> None:
    assert form_of(answer, is_label=False) == form


def test_a_short_answer_that_the_log_repeats_is_a_label() -> None:
    assert form_of(" Spam ", is_label=True) == "label"
    assert form_of("spam\nand why", is_label=True) is None
    assert form_of("x" * 81, is_label=True) is None


@pytest.mark.parametrize(
    ("form", "logged", "other", "equal"),
    [
        ("letter", "B", "The answer is B.", True),
        ("letter", "B", "B) the second", True),
        ("letter", "B", "A. Because B is wrong", False),
        ("letter", "B", "I do not know.", False),
        ("letter", "A", "A cat, I would say", False),
        ("number", "43.2", "18% of 240 is 43.2", True),
        ("number", "43.2", "43.20", True),
        ("number", "43.2", "43.18", True),
        ("number", "43.2", "43", False),
        ("number", "43", "43.4", False),
        ("number", "1,234", "It is 1234.", True),
        ("number", "1.5 km", "1500 m", True),
        ("number", "1.5 km", "1.5", False),
        ("number", "1.5", "1.5 km", True),
        ("number", "2 hours", "120 minutes", True),
        ("number", "2 hours", "2 minutes", False),
        ("number", "5 apples", "5 apples", True),
        ("number", "$5", "5 dollars", True),
        ("number", "3,5", "3.5", True),
        ("number", "7", "none", False),
        ("json", '{"a": 1, "b": ["x"]}', '```json\n{"b": ["X "], "a": 1.0}\n```', True),
        ("json", '{"a": 1}', '{"a": true}', False),
        ("json", '{"a": null}', "no json", False),
        ("json", "[1, 2]", "[2, 1]", False),
        ("label", "Spam", '"spam".', True),
        ("label", "spam", "not spam", False),
    ],
)
def test_what_says_the_same(form: Form, logged: str, other: str, equal: bool) -> None:
    assert same(form, logged, other) is equal

"""Sorting lists that stand in the question, in the order that it names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import sorting
from greenai.answerers.wording import question_of

ANSWERED = {
    "Sort these numbers: 5, 3, 9": ("3, 5, 9", "3 items, smallest to largest"),
    "sort 5 3 9 in descending order": ("9 5 3", "3 items, largest to smallest"),
    "sort [3, 1, 2]": ("1, 2, 3", "3 items, smallest to largest"),
    "arrange 0.5, 0.05, 0.45 from smallest to largest": ("0.05, 0.45, 0.5", "3 items, smallest to largest"),
    "put 5, 2, 8 in order from lowest to highest": ("2, 5, 8", "3 items, smallest to largest"),
    "rank 3/4, 1/2 and 2/3 from largest to smallest": ("3/4, 2/3, 1/2", "3 items, largest to smallest"),
    "Sort these numbers in ascending order:\n5\n-3\n9": ("-3\n5\n9", "3 items, smallest to largest"),
    "Alphabetize: pear, apple, Fig": ("apple, Fig, pear", "3 items, a to z, capitals like small letters"),
    "Put these in alphabetical order: lion, ant and bee": (
        "ant, bee, lion",
        "3 items, a to z, capitals like small letters",
    ),
    "Sort these planets alphabetically: Mars, Venus": ("Mars, Venus", "2 items, a to z, capitals like small letters"),
}

REFUSED = [
    "sort these words: pear, apple",
    "sort these planets: Mars, Venus",
    "sort these planets by size: Mars, Venus",
    "rank these movies: 3, 4",
    "sort a list in python",
    "order pizza and wine",
    "sort 1,234, 5, 6",
    "list 5 fruits",
    "sort these numbers: 5, apple, 9",
    "Sort these alphabetically: New York, Paris",
    "Write code to sort these numbers: 5, 3, 9",
]


@pytest.mark.parametrize(("text", "expected"), ANSWERED.items())
def test_list_is_sorted(text: str, expected: tuple[str, str]) -> None:
    found = sorting.answer(question_of(text))
    assert found is not None
    assert (found.text, found.working) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_everything_else_is_refused(text: str) -> None:
    assert sorting.answer(question_of(text)) is None


@given(
    numbers=st.lists(st.integers(-999, 999), min_size=2, max_size=40),
    down=st.booleans(),
    joiner=st.sampled_from([", ", "\n", " ", "; "]),
)
@settings(max_examples=200, deadline=None)
def test_order_is_pythons(numbers: list[int], down: bool, joiner: str) -> None:
    order = "descending" if down else "ascending"
    found = sorting.answer(question_of(f"Sort these numbers in {order} order: {joiner.join(map(str, numbers))}"))
    assert found is not None
    assert found.text == joiner.join(map(str, sorted(numbers, reverse=down)))

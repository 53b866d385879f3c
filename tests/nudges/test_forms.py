"""The form of a request, and requests without their times and ids."""

from __future__ import annotations

import pytest
from advised_calls import user

from greenai.nudges.forms import PREFIX_CHARS, form_of, masked, prefix_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Sort this: a parcel", "sort this: another thing", True),
        ('Translate "dog" to French', 'Translate "cat" to French', True),
        ("Name the capital of France", "Name the capital of Italy", True),
        ("Line 1 of 20:\nabc", "Line 2 of 20:\nxyz", True),
        ("Sort this: a parcel", "Rank this: a parcel", False),
        ("Name the capital of France", "Name a capital of France", False),
    ],
)
def test_the_form_is_how_a_request_begins(one: str, other: str, same: bool) -> None:
    assert (form_of(user(one)) == form_of(user(other))) is same


def test_another_system_prompt_is_another_form() -> None:
    assert form_of(user("Sort this: a", "You sort.")) != form_of(user("Sort this: a", "You rank."))
    assert form_of(user("Sort this: a", "Day 1.")) == form_of(user("Sort this: a", "Day 2."))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Now: 2026-11-21T14:05:09Z. Open?", "Now: 2026-11-22T09:00:00Z. Open?"),
        ("It is 14:05, are you open?", "It is 9:30, are you open?"),
        ("At 1795270000 are you open?", "At 1795279999.5 are you open?"),
    ],
)
def test_times_leave_the_rest_alike(one: str, other: str) -> None:
    first, second = masked(user(one)), masked(user(other))
    assert first.rest == second.rest
    assert first.times != second.times
    assert first.ids == second.ids == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Request 3f2504e0-4f89-11d3-9a0c-0305e82c3301: open?", "Request 7d444840-9dc0-11d1-b245-5ffdce74fad2: open?"),
        ("Trace deadbeef00112233 (open?)", "Trace 0123456789abcdef (open?)"),
        ("Ticket ORD-00123a, open?", "Ticket ORD-99887b, open?"),
        ("On 2026-11-21, open?", "On 2026-11-22, open?"),
    ],
)
def test_ids_leave_the_rest_alike(one: str, other: str) -> None:
    first, second = masked(user(one)), masked(user(other))
    assert first.rest == second.rest
    assert first.ids != second.ids
    assert first.times == second.times == 0


@pytest.mark.parametrize("one", ["What is 18% of 240?", "What is 2 + 2?", "Name 3 rivers in Area 51.", "no number"])
def test_numbers_that_are_part_of_the_question_stay(one: str) -> None:
    found = masked(user(one))
    assert not found.varies
    assert found.rest != masked(user(one.replace("2", "7").replace("3", "5").replace("no", "a"))).rest


def test_only_what_varies_is_taken_out_and_any_script_keeps_its_place() -> None:
    one, other = masked(user("営業時間は。 14:05 です。")), masked(user("営業時間は。 15:10 です。"))
    assert one.rest == other.rest != masked(user("定休日は。 14:05 です。")).rest


def test_the_beginning_of_a_long_prompt() -> None:
    text = "x" * PREFIX_CHARS
    assert prefix_of(user("Now: 14:05. short")) is None
    assert prefix_of([]) is None
    one, other = prefix_of(user(f"Now: 14:05. {text} a")), prefix_of(user(f"Now: 14:06. {text} b"))
    assert one is not None
    assert other is not None
    assert one.rest == other.rest
    assert one.times != other.times


def test_a_surrogate_half_costs_nobody_the_answer() -> None:
    assert isinstance(form_of(user("\ud83d: 1")), int)
    assert not masked(user("\ud83d 12 \ud83d")).varies

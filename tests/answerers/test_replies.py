"""Whether a reply is one of a task model's labels, or names one, or is something new."""

from __future__ import annotations

import pytest

from greenai.answerers.replies import alike, novelty, written

LABELS = ("play_music", "book flight", "No", "C++", "Rückgabe")


@pytest.mark.parametrize(
    ("reply", "novel"),
    [
        ("play_music", False), (" `Play_Music`. ", False), ("BOOK  FLIGHT", False), ("c++", False),
        ("The intent is: play_music.", False), ("Label: book flight", False), ("book-flight", False),
        ("rückgabe (sicher)", False), ("no, none of them", False),
        ("order_pizza", True), ("none of them", True), ("play_musical", True), ("book a flight", True),
        ("nobody knows", True), ("", True), ("...", True),
    ],
)  # fmt: skip
def test_a_reply_is_new_where_it_neither_is_nor_names_a_label(reply: str, *, novel: bool) -> None:
    assert novelty(reply, LABELS)[0] is novel


def test_what_is_new_is_told_where_it_may_be_a_label() -> None:
    assert novelty(' "Order_Pizza".', LABELS) == (True, "order_pizza")
    assert novelty("x" * 61, LABELS) == (True, None)
    assert novelty("...", LABELS) == (True, None)
    assert novelty("play_music", LABELS) == (False, None)


def test_without_labels_all_is_new() -> None:
    assert novelty("yes", ()) == (True, "yes")


def test_answers_are_compared_without_case_quotes_and_the_last_full_stop() -> None:
    assert written(' "Refund".\n') == "refund"
    assert alike("Refund", "refund.")
    assert not alike("Refund", "refunds")
    assert alike("75", "78", 5.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("***", "*", False), ("A*", "A", False), ("+", "-", False), ("...", "", False), ("*", "*", True),
        ("**Refund**", "refund", True), ("`Refund`.", "refund", True), ('"refund."', "Refund", True),
        ('**"Refund"**', "refund", True),
    ],
)  # fmt: skip
def test_signs_that_are_the_answer_are_kept(one, other, same):
    assert alike(one, other) is same

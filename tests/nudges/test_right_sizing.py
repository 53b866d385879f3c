"""Answers that are always one of few labels."""

from __future__ import annotations

from advised_calls import seen

from greenai.nudges.messages import say
from greenai.nudges.right_sizing import ANSWERS, RightSizing

LABELS = ("Refund.", "delivery", "refund", "other", "delivery")


def test_few_labels_are_pointed_out_with_their_counts() -> None:
    advisor = RightSizing()
    found = [advisor(seen(f"Sort this: {n}", reply=LABELS[n % 5])) for n in range(ANSWERS)]
    assert found[:-1] == [None] * (ANSWERS - 1)
    assert found[-1] is not None
    assert found[-1].data == {"count": 30, "labels": 3, "counts": "12, 12, 6", "model": "openai/gpt-5.4-nano"}
    assert say(found[-1].id, found[-1].data) == (
        "The last 30 answers to calls of one form were one of 3 short texts (12, 12, 6). A task model can give them: "
        'client.task("...", examples={label: [texts, ...], ...}).'
    )


def test_answers_that_are_no_labels_are_left_alone() -> None:
    advisor = RightSizing()
    many = [seen(f"Sort this: {n}", reply=f"label {n % 12}") for n in range(60)]
    one = [seen(f"Rank this: {n}", reply="fine") for n in range(60)]
    texts = [seen(f"Tell of: {n}", reply=f"This is a long answer about the thing {n % 3}.") for n in range(60)]
    broken = [seen(f"Grade: {n}", reply="good" if n % 25 else "It is good, and here is\nwhy.") for n in range(60)]
    assert not any(advisor(call) for call in (*many, *one, *texts, *broken))


def test_forms_and_projects_are_counted_apart() -> None:
    advisor = RightSizing()
    calls = [seen(f"Sort this: {n}", reply=LABELS[n % 5], options={"project": f"p{n % 2}"}) for n in range(ANSWERS)]
    assert not any(advisor(call) for call in calls)

"""Words that make two questions different though their vectors are near."""

from __future__ import annotations

import pytest

from greenai.answerers.matching import Route, Routes
from greenai.answerers.sameness import difference, opposite

DIFFERENT = [
    ("How do I install version 12?", "How do I install version 34?"),
    ("What happens if I pay 10 days late?", "What happens if I pay 90 days late?"),
    ("What does plan 5 cost?", "What does plan 9 cost?"),
    ("What does plan B cost?", "What does plan C cost?"),
    ("What does a type I licence cost?", "What does a type II licence cost?"),
    ("Which version of C++ do you support?", "Which version of C# do you support?"),
    ("What is the fee in $?", "What is the fee in €?"),
    ("What is the daily dose for adults?", "What is the daily dose for children?"),
    ("What is the daily dose of the syrup?", "What is the daily dose of the syrup for children?"),
    ("How do I enable two-factor login?", "Can I disable two-factor login?"),
    ("How do I go from Pro to Basic?", "How do I go from Basic to Pro?"),
    ("How do I go from Pro to Basic?", "How do I go to Pro from Basic?"),
    ("Can I cancel before delivery?", "Can I cancel after delivery?"),
    ("How do I turn off the alarm on my phone?", "How do I turn on the alarm on my phone?"),
]
NARROWER = [
    ("What is your phone number?", "What is my phone number?"),
    ("What is your phone number?", "What is the phone number of the town hall?"),
    ("What is your phone number?", "What is a phone number?"),
    ("What is your phone number?", "How do phone numbers work?"),
    ("What are your opening hours?", "What are the opening hours of the museum?"),
    ("What are your opening hours?", "What are the bank's opening hours?"),
    ("Do you ship to Canada?", "Do they ship to Canada?"),
    ("Do you ship to Canada?", "Does the post office ship to Canada?"),
    ("How long does delivery take?", "How long does pizza delivery take?"),
    ("How long does delivery take?", "What is delivery?"),
    ("Do you offer gift cards?", "What is a gift card?"),
]
SAME = [
    ("How do I return an item?", "how can I return an item please"),
    ("How do I reset my password?", "Hello, I need help to reset my password"),
    ("What happens if I pay ten days late?", "What happens if I pay 10 days late"),
    ("Does the plan for 1,000 letters cost more?", "does the plan for 1000 letters cost more"),
    ("How do I change my e-mail address?", "How can I change my email address"),
    ("Can I cancel it?", "Can it be cancelled?"),
    ("What is your phone number?", "phone number please"),
    ("What is your phone number?", "Can I have your phone number?"),
    ("What are your opening hours?", "What are the opening hours?"),
    ("What are your opening hours?", "your usual opening hours"),
    ("How long does delivery take?", "How long does the delivery usually take?"),
    ("Do you offer gift cards?", "gift cards"),
]


def answers(question: str, example: str) -> bool:
    match = Routes([Route(name="faq", examples=(example,), threshold=0.5, strict=True)]).best(question)
    return match is not None and match.fires


@pytest.mark.parametrize(("example", "question"), DIFFERENT)
def test_another_question_is_told_apart_both_ways(example: str, question: str) -> None:
    for one, other in ((question, example), (example, question)):
        assert difference(one, other) or opposite(one, other)
        assert not answers(one, other)


@pytest.mark.parametrize(("example", "question"), SAME)
def test_the_same_question_is_taken_for_the_same(example: str, question: str) -> None:
    assert (difference(question, example), opposite(question, example)) == (None, None)


@pytest.mark.parametrize(("example", "question"), NARROWER)
def test_a_question_about_something_narrower_is_not_the_one_of_a_pair(example: str, question: str) -> None:
    assert answers(example, example)
    assert not answers(question, example)


def test_the_reason_is_told() -> None:
    assert difference("plan 9", "plan 5") == 'its numbers are not those of "plan 5"'
    assert difference("ship to Chile", "ship to Canada") == 'it says "chile" where "ship to Canada" says "canada"'
    assert difference("Basic or Pro", "Pro or Basic") == 'its words stand in another order than in "Pro or Basic"'
    assert difference("dose", "longest daily dose") == 'it says less than half of "longest daily dose"'
    assert difference("Do they ship?", "Do you ship?") == 'it asks about "they", and "Do you ship?" does not'
    assert difference("dose for children", "dose") == 'only one of it and "dose" says "children"'
    assert opposite("switch it off", "switch it on") == ("off", "on")
    assert opposite("switch it off", "switch it on", {"off"}) is None
    assert opposite("a valid card", "an invalid card") == ("valid", "invalid")


def test_of_pairs_with_the_same_vector_the_one_that_is_meant_answers() -> None:
    questions = tuple(f"How do I install version {n}?" for n in (12, 34, 56))
    routes = Routes([Route(name="faq", examples=questions, threshold=0.7, strict=True)])
    for question in questions:
        match = routes.best(question)
        assert match is not None
        assert (match.fires, match.example) == (True, question)

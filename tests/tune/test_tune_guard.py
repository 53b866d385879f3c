from __future__ import annotations

import math

import pytest

from greenai.tune.guard import Agreement, Forced, Guard, compare

REFERENCE = Forced(tops=[1, 2, 3, 4], logprobs=[-1.0, -2.0, -0.5, -0.5])


def test_the_reference_agrees_with_itself() -> None:
    found = compare(REFERENCE, REFERENCE)
    assert found == Agreement(tokens=1.0, perplexity=1.0, places=4)
    assert str(found) == "100% of 4 tokens agree, perplexity x 1"
    assert Guard().refuses(found) is None


def test_perplexity_is_that_of_the_text_against_the_references() -> None:
    found = compare(REFERENCE, Forced(tops=[1, 2, 3, 9], logprobs=[-1.0, -2.0, -0.5, -0.9]))
    assert found.tokens == 0.75
    assert found.perplexity == pytest.approx(math.exp(0.1))


def test_what_agrees_too_little_is_refused_with_the_numbers() -> None:
    assert Guard().refuses(Agreement(tokens=0.5, perplexity=1.0, places=88)) == (
        "50% of 88 tokens agree with the reference, under the limit of 85%"
    )
    assert Guard().refuses(Agreement(tokens=1.0, perplexity=1.25, places=88)) == (
        "its perplexity is 1.25 times the reference's, over the limit of 1.1"
    )


@pytest.mark.parametrize("odd", [math.nan, -math.inf])
def test_probabilities_that_are_no_numbers_are_refused(odd: float) -> None:
    found = compare(REFERENCE, Forced(tops=[1, 2, 3, 4], logprobs=[odd, -2.0, -0.5, -0.5]))
    assert Guard().refuses(found) is not None


def test_texts_of_other_lengths_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"^3 places cannot be compared with 4\.$"):
        compare(REFERENCE, Forced(tops=[1, 2, 3], logprobs=[0.0, 0.0, 0.0]))

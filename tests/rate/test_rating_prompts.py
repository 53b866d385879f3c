"""The prompts: the lengths that are stated, the same everywhere, a version for every change."""

from __future__ import annotations

import statistics

from greenai.rate import prompts as made


def test_every_text_and_length_is_of_the_version_that_is_named() -> None:
    assert made.digest() == made.HASH


def test_the_lengths_are_those_of_the_public_set_in_sum() -> None:
    assert (len(made.lengths()), sum(made.lengths())) == (1000, 369_139)
    assert min(made.lengths()) >= made.SHORTEST
    assert max(made.lengths()) <= made.LONGEST


def test_fewer_prompts_have_nearly_the_same_mean_length() -> None:
    whole = statistics.fmean(made.lengths())
    for count in (50, 100, 500):
        assert abs(statistics.fmean(made.lengths()[:count]) / whole - 1) < 0.05


def test_texts_differ_and_have_words_enough_to_be_cut() -> None:
    found = made.prompts(300)
    assert len({prompt.text for prompt in found}) == 300
    assert all(len(prompt.text.split()) >= prompt.tokens for prompt in found)
    assert not any("{" in prompt.text for prompt in found)


def test_a_text_is_cut_by_words_where_nobody_tokenizes() -> None:
    prompt = made.prompts(2)[1]
    assert len(prompt.words(1.3).split()) == round(prompt.tokens / 1.3)
    assert prompt.text.startswith(prompt.words(1.3))

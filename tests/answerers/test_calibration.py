"""Scores of questions for routes: the nearest example and the centre, details counting little, own words counting full."""

from __future__ import annotations

import numpy as np
import pytest

from greenai.answerers.calibration import LEAST, STRICT, Space, Texts, calibrated, encoded

EXAMPLES = ["where is my parcel", "track my order", "when does my package arrive", "opening hours", "when do you open"]


def space(*, strict: bool = False) -> Space:
    return Space(encoded(EXAMPLES), [3, 2], [strict, False])


def test_own_words_score_full_and_others_the_mean_of_nearest_and_centre() -> None:
    similarities, scores = space().of_one(encoded(["Where is my parcel?"]))
    assert scores[0] == pytest.approx(1.0)
    assert similarities[0] == pytest.approx(1.0, abs=1e-5)
    similarities, scores = space().of_one(encoded(["where did my parcel go"]))
    assert scores[0] < similarities[:3].max()
    assert space(strict=True).of_one(encoded(["where did my parcel go"]))[1][0] == pytest.approx(similarities[:3].max())


def test_one_text_scores_as_among_many() -> None:
    texts = encoded(["where is order 17", "when do you open on sunday", "a poem"])
    for strict in (False, True):
        made = space(strict=strict)
        nearest, scores = made.scores(texts)
        for n in range(3):
            one = made.of_one(Texts(whole=texts.whole[n : n + 1], bare=texts.bare[n : n + 1]))
            assert one[1] == pytest.approx(scores[n], abs=1e-5)
            assert max(one[0][:3]) == pytest.approx(nearest[n, 0], abs=1e-5)


def test_an_example_left_out_is_judged_by_the_others_alone() -> None:
    scores = space().left_out(np.array([0]))
    rest = Space(encoded(EXAMPLES[1:]), [2, 2], [False, False])
    assert scores[0] == pytest.approx(rest.of_one(encoded(EXAMPLES[:1]))[1], abs=1e-5)


def test_details_count_little() -> None:
    texts = encoded(["where is order 48213", "where is order 9"])
    assert texts.bare[0] @ texts.bare[1] > texts.whole[0] @ texts.whole[1]
    same = encoded(["where is my parcel"])
    assert same.bare is same.whole


def test_limits_of_one_route_and_of_too_few_examples() -> None:
    limits = calibrated(space(), [None, None])
    assert limits.lead == 0.0
    assert limits.thresholds[0] >= LEAST
    assert limits.thresholds[1] >= STRICT

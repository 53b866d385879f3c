"""The thresholds keep the promise about what the large model means, on scores whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from greenai.distil.numeric import at_least, at_most
from greenai.distil.threshold import Judged, Slips, judge, risk, slips, thresholds

pytest.importorskip("scipy")

NONE = Slips(share=0.0, low=0.0, high=0.0, source="surest")


def scene(count, classes, slip, seed, *, hard=0.12):
    """Scores, what the large model means, and what it said: some rows are hard, and the head is often wrong there."""
    draw = np.random.default_rng(seed)
    meant = draw.integers(0, classes, count)
    ease = np.where(draw.random(count) < hard, draw.uniform(0, 0.5, count), draw.uniform(0.5, 1.0, count))
    scores = draw.normal(0, 0.05, (count, classes))
    rows = np.arange(count)
    other = (meant + draw.integers(1, classes, count)) % classes
    wrong = draw.random(count) < np.clip(0.6 - ease, 0, None)
    scores[rows, np.where(wrong, other, meant)] += 0.1 + ease
    scores[rows, np.where(wrong, meant, other)] += 0.12
    said = meant.copy()
    slipped = draw.random(count) < slip
    said[slipped] = (meant[slipped] + draw.integers(1, classes, slipped.sum())) % classes
    return scores, meant, said


def test_the_bounds_are_clopper_and_pearsons():
    assert at_most(0, 100, 0.95) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert at_least(100, 100, 0.95) == pytest.approx(0.05 ** (1 / 100))
    assert (at_least(0, 9, 0.95), at_most(9, 9, 0.95)) == (0.0, 1.0)
    assert at_most(3, 50, 0.95) == pytest.approx(1 - at_least(47, 50, 0.95))


@pytest.mark.parametrize("classes", [4, 20, 100])
def test_the_large_models_slips_are_found_where_the_head_is_surest(classes):
    covered = 0
    for seed in range(20):
        scores, _, said = scene(3000, classes, 0.05, seed)
        found = slips(judge(scores, said), [str(n) for n in range(3000)], said.tolist())
        assert found.source == "surest"
        covered += found.low <= 0.05
        assert found.share == pytest.approx(0.05, abs=0.02)
    assert covered >= 18, "what is subtracted is more than the slips in 5% of the cases at most"


@pytest.mark.parametrize("classes", [4, 20, 100])
def test_the_promise_is_kept_about_what_is_meant(classes):
    kept, coverage, silent = 0, [], 0
    for seed in range(20):
        scores, _, said = scene(3000, classes, 0.05, seed)
        judged = judge(scores, said)
        found = thresholds(judged, slips(judged, [str(n) for n in range(3000)], said.tolist()), 0.98)
        if found is None:
            silent += 1
            continue
        fresh, meant, _ = scene(8_000, classes, 0.05, 1000 + seed)
        later = judge(fresh, meant)
        answered = (later.lead >= found.lead) & (later.score >= found.score)
        kept += (later.rank[answered] == 0).mean() >= 0.98
        coverage.append(answered.mean())
    assert silent <= 2, "with so few pairs chance may leave nothing proven"
    assert kept >= 18 - silent
    assert np.mean(coverage) >= 0.8


@pytest.mark.parametrize(("count", "answered"), [(148, None), (149, 149), (240, 240)])
def test_so_few_pairs_as_could_prove_the_promise_prove_it_where_all_agree(count, answered):
    lead, zeros = np.linspace(0.1, 0.9, count), np.zeros(count, np.int64)
    judged = Judged(first=zeros, score=np.ones(count), lead=lead, rank=zeros, classes=4)
    found = thresholds(judged, NONE, 0.98)
    assert (found and len(found.answered(judged).rank)) == answered


@pytest.mark.parametrize("count", [240, 500, 3000])
@pytest.mark.parametrize("place", ["likeliest", "any", "unlikeliest"])
def test_a_promise_that_is_just_broken_is_proven_in_one_log_of_twenty_at_most(count, place):
    """Whichever label the head says wrongly, and wherever the walk begins."""
    proven, classes = 0, 10
    lowest = {"likeliest": 1, "any": 1, "unlikeliest": classes - 1}[place]
    for seed in range(400):
        draw = np.random.default_rng(seed)
        wrong = draw.random(count) < 0.0201
        rank = wrong * draw.integers(lowest, 2 if place == "likeliest" else classes, count)
        zeros = np.zeros(count, np.int64)
        judged = Judged(first=zeros, score=np.ones(count), lead=draw.random(count), rank=rank, classes=classes)
        proven += thresholds(judged, replace(NONE, source="repeats"), 0.98) is not None
    assert proven <= 28  # of 400 draws that are each right with 95%, more are so in 3 of 100 such tests


def test_of_so_few_pairs_no_disagreement_is_taken_for_a_slip():
    lead, rank = np.linspace(0.9, 0.1, 240), np.zeros(240, np.int64)
    rank[::40] = 9
    judged = Judged(first=rank, score=np.ones(240), lead=lead, rank=rank, classes=10)
    assert thresholds(judged, Slips(share=0.05, low=0.05, high=0.05, source="repeats"), 0.98) is None


@pytest.mark.parametrize("classes", [4, 20])
def test_the_promise_is_kept_where_pairs_are_few(classes):
    fresh, meant, _ = scene(8_000, classes, 0.0, 1000)
    later, silent = judge(fresh, meant), 0
    for seed in range(20):
        scores, _, said = scene(240, classes, 0.0, seed)
        found = thresholds(judge(scores, said), NONE, 0.98)
        if found is None:
            silent += 1
            continue
        answered = (later.lead >= found.lead) & (later.score >= found.score)
        assert (later.rank[answered] == 0).mean() >= 0.98
    assert silent <= 5


def test_without_the_correction_nothing_could_be_answered():
    scores, _, said = scene(3000, 4, 0.05, 1)
    judged = judge(scores, said)
    assert thresholds(judged, NONE, 0.98) is None
    assert (judged.rank[judged.lead >= np.quantile(judged.lead, 0.7)] == 0).mean() < 0.97


def test_a_large_model_that_consistently_means_another_label_is_not_corrected_away():
    scores, meant, _ = scene(4000, 20, 0.0, 1)
    draw = np.random.default_rng(2)
    said = np.where((meant == 3) | (draw.random(4000) < 0.06), scores.argsort(axis=1)[:, -2], meant)
    judged = judge(scores, said)
    found = slips(judged, [str(n) for n in range(4000)], said.tolist())
    assert found.low < 0.01
    assert risk(judged, found) > 0.06
    assert thresholds(judged, found, 0.98) is None


def test_prompts_that_were_asked_twice_tell_the_inconsistency_themselves():
    draw = np.random.default_rng(3)
    texts = [f"text {n}" for n in range(1500)] * 2
    meant = draw.integers(0, 10, 1500)
    said = np.tile(meant, 2)
    slipped = draw.random(3000) < 0.05
    said[slipped] = (said[slipped] + 1) % 10
    found = slips(judge(np.eye(10)[said], said), texts, said.tolist())
    assert found.source == "repeats"
    assert found.low <= 0.05 <= found.high
    steady = slips(judge(np.eye(10)[said], said), texts, np.tile(meant, 2).tolist())
    assert (steady.share, steady.low) == (0.0, 0.0)


def test_what_few_repeats_refute_is_no_slip():
    """The head is sure and disagrees with 4% of the log; but of 150 prompts that were asked twice, none differs."""
    draw = np.random.default_rng(4)
    meant = draw.integers(0, 2, 3000)
    scores = np.eye(2)[np.where(draw.random(3000) < 0.04, 1 - meant, meant)] * draw.uniform(0.5, 1, (3000, 1))
    texts, labels = [f"text {n}" for n in range(3000)], meant.tolist()
    judged = judge(scores, meant)
    assert slips(judged, texts, labels).share == pytest.approx(0.04, abs=0.01)
    found = slips(judged, [*texts, *texts[:150]], [*labels, *labels[:150]])
    assert (found.source, found.share, found.low) == ("repeats", 0.0, 0.0)
    assert found.high == pytest.approx(at_most(0, 150, 0.95) / 2)
    assert slips(judged, [*texts, *texts[:20]], [*labels, *labels[:20]]).source == "surest"
    assert thresholds(judged, found, 0.98) is None


def test_of_two_labels_that_score_alike_the_one_that_is_said_agrees():
    judged = judge(np.array([[0.5, 0.5, 0.1], [0.5, 0.5, 0.1]]), np.array([0, 1]))
    assert (judged.first.tolist(), judged.rank.tolist()) == ([0, 0], [0, 1])


def test_nothing_answered_and_nothing_agreed_is_no_promise():
    nothing = np.zeros(0)
    empty = Judged(first=nothing.astype(int), score=nothing, lead=nothing, rank=nothing.astype(int), classes=3)
    assert risk(empty, NONE) == 1.0
    assert thresholds(empty, NONE, 0.9) is None

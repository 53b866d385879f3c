"""Labels that play strangers: what a head without them says, and the lead that keeps the promise beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from greenai.answerers.guard import Familiar
from greenai.distil.strangers import Strangers, guard, left, left_out, strangers
from greenai.distil.threshold import Judged, Slips, Thresholds, judge

NO_SLIPS = Slips(share=0.0, low=0.0, high=0.0, source="repeats")
ALL = Thresholds(lead=0.0, score=0.0, bound=0.01)


def ridge(rng: np.random.Generator, labels: Any, classes: int) -> tuple[Any, Any]:
    """Return the similarities of some points, and what is to be learnt."""
    points = rng.normal(size=(len(labels), 3)) + labels[:, None]
    like = np.exp(-((points[:, None] - points[None]) ** 2).sum(2) / 4).astype(np.float32)
    wanted = np.full((len(labels), classes), -1 / classes, np.float32)
    wanted[np.arange(len(labels)), labels] += 1
    return like, wanted


def test_the_closed_form_is_what_a_head_without_the_label_says() -> None:
    labels = np.array([0, 1, 2] * 10, np.int64)
    like, wanted = ridge(np.random.default_rng(1), labels, 3)
    inverse = np.linalg.inv(like + 0.5 * np.eye(30, dtype=np.float32))
    found = left_out(inverse, inverse @ wanted, wanted, labels)
    for label in range(3):
        out, rest = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        head = np.linalg.solve(like[np.ix_(rest, rest)] + 0.5 * np.eye(len(rest)), wanted[rest])
        assert found[out] == pytest.approx(like[np.ix_(out, rest)] @ head, abs=1e-4)


def test_what_the_head_holds_to_be_of_another_label_is_no_stranger() -> None:
    labels = np.array([0, 0, 1, 2], np.int64)
    scores = np.array([[0.9, 0.0, 0.1], [0.1, 0.2, 0.9], [0.1, 0.8, 0.0], [0.0, 0.1, 0.7]], np.float32)
    without = np.array([[-0.1, 0.3, 0.1], [0.0, 0.0, 0.9], [0.5, 0.0, 0.1], [0.2, 0.2, 0.0]], np.float32)
    found = strangers(
        judge(without, labels), np.arange(4.0, dtype=np.float32), judge(scores, labels), labels, 2
    )  # the third label is "another answer"
    assert found.labels.tolist() == [0, 1]
    assert found.score == pytest.approx([0.3, 0.5])
    assert found.lead == pytest.approx([0.2, 0.4])
    assert found.watched.tolist() == [0, 2]
    assert found.answered(0.2, 0.3) == pytest.approx([0.0, 1.0])


def log(rng: np.random.Generator, count: int = 4000, wrong: float = 0.01) -> Judged:
    """Return a log of which the head is the surer the more it is right."""
    lead = rng.random(count).astype(np.float32)
    rank = (rng.random(count) < wrong * 2 * (1 - lead)).astype(np.int64)
    return Judged(first=np.zeros(count, np.int64), score=lead, lead=lead, rank=rank, classes=4)


def likes(labels: int, lead: float) -> Strangers:
    """Return strangers of some labels, of which each leads by less than the given share."""
    numbers = np.repeat(np.arange(labels), 100)
    leads = np.tile(np.linspace(0, lead, 100), labels).astype(np.float32)
    return Strangers(labels=numbers, score=leads, lead=leads, watched=leads)


def test_the_lead_keeps_the_promise_while_one_prompt_in_five_is_a_stranger() -> None:
    judged = log(np.random.default_rng(2))
    found = guard(judged, judged.score, likes(8, 0.6), NO_SLIPS, ALL, promise=0.98, known=4)
    assert 0.5 < found["lead"] < 0.6  # where hardly a stranger is answered
    kept = judged.lead >= found["lead"]
    right = 0.8 * (kept & (judged.rank == 0)).mean()
    strange = 0.2 * likes(8, 0.6).answered(0.0, found["lead"]).mean()
    assert right / (0.8 * kept.mean() + strange) >= 0.97
    assert guard(judged, judged.score, likes(8, 0.1), NO_SLIPS, ALL, promise=0.98, known=4)["lead"] < 0.12
    assert found["answered"] == 1.0


def test_what_is_left_to_the_ladder_is_counted_by_whether_it_has_a_label() -> None:
    lead = np.array([0.9, 0.1, 0.1, 0.9, -1.0], np.float32)
    score = np.array([0.9, 0.9, 0.9, 0.1, 0.9], np.float32)
    labels = np.array([0, 1, 2, 2, 2], np.int64)  # the third is "another answer"
    told = Judged(first=labels, score=score, lead=lead, rank=labels, classes=3)
    assert left(told, labels, Thresholds(lead=0.2, score=0.3, bound=0.01), 2) == (1, 3)


def test_one_label_in_four_may_be_worse() -> None:
    judged, near, far = log(np.random.default_rng(3)), likes(1, 1.5), likes(7, 0.1)
    mixed = Strangers(
        labels=np.concatenate([near.labels, far.labels + 1]),
        score=np.concatenate([near.score, far.score]),
        lead=np.concatenate([near.lead, far.lead]),
        watched=np.concatenate([near.lead, far.lead]),
    )
    assert guard(judged, judged.score, mixed, NO_SLIPS, ALL, promise=0.98, known=4)["lead"] < 0.12


def test_no_lead_is_told_as_none_and_answers_nothing() -> None:
    judged = log(np.random.default_rng(4))
    found = guard(judged, judged.score, likes(8, 5.0), NO_SLIPS, ALL, promise=0.98, known=4)
    assert found["lead"] is None
    familiar = Familiar.of({"guard": found, "slips": {"share": 0.05}, "promise": 0.98})
    assert familiar is not None
    assert familiar.lead == float("inf")
    assert familiar.allowed == pytest.approx(1 - 0.98 * 0.95)
    assert familiar.worse == pytest.approx(1 - 0.95 * 0.95)
    assert sum(familiar.known) == pytest.approx(1.0)
    assert sum(familiar.strangers) == pytest.approx(1.0)
    assert familiar.strangers[-1] > familiar.known[-1]

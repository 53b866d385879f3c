"""The first look answers where both looks would have said the same, and the promise holds for all that is answered."""

from __future__ import annotations

import numpy as np
import pytest
from distil_logs import TEMPLATE, asked, logged

from greenai.answerers import distilled, kernel
from greenai.distil import file, pairs, train
from greenai.distil.early import Early, exit_of, joined
from greenai.distil.threshold import Judged, Slips, judge, thresholds

pytest.importorskip("scipy")

NONE = Slips(share=0.0, low=0.0, high=0.0, source="surest")


def rows(first, lead, rank, score=None):
    made = [np.array(part) for part in (first, lead, rank, np.ones(len(lead)) if score is None else score)]
    return Judged(first=made[0], lead=made[1], rank=made[2], score=made[3], classes=3)


def looks(count, seed, *, worse=0.0):
    """Scores at the first look and at both, what is meant: hard rows are told by both looks better than by the first."""
    draw = np.random.default_rng(seed)
    meant = draw.integers(0, 5, count)
    at = np.arange(count)
    ease = draw.uniform(0.0, 1.0, count)
    both, first = draw.normal(0, 0.05, (2, count, 5))
    other = (meant + draw.integers(1, 5, count)) % 5
    both[at, np.where(draw.random(count) < 0.5 - 3 * ease, other, meant)] += 0.1 + ease
    first[at, np.where(draw.random(count) < 0.6 - 1.5 * ease + worse, other, meant)] += 0.1 + ease
    return first, both, meant


def test_it_answers_as_far_as_both_would_have_said_the_same():
    lead = np.linspace(1, 0.001, 1000)
    both = rows(np.zeros(1000, int), lead, np.zeros(1000, int))
    said = np.where(np.arange(1000) < 700, 0, 1)  # the last three hundred say another label
    first = rows(said, lead, said)
    found = exit_of(first, both, np.ones(1000, bool), 0.9)
    assert found is not None
    # Ten of the promise's hundred in a thousand are left: seven others among 707 rows are 1%.
    assert (first.lead >= found.lead).sum() == 707
    assert exit_of(first, both, np.zeros(1000, bool), 0.9) is None, "both looks would have answered nothing"


def test_what_both_would_have_left_alone_counts_as_otherwise():
    lead = np.linspace(1, 0.001, 1000)
    both = rows(np.zeros(1000, int), lead, np.zeros(1000, int))
    answered = np.arange(1000) < 500
    found = exit_of(both, both, answered, 0.9)
    assert found is not None
    assert (both.lead >= found.lead).sum() == 505


def test_what_is_unlike_all_that_is_known_is_left_to_the_second_look():
    lead, score = np.linspace(1, 0.001, 1000), np.full(1000, 0.9)
    score[::20] = 0.1
    both = rows(np.zeros(1000, int), lead, np.zeros(1000, int), score)
    found = exit_of(both, both, np.ones(1000, bool), 0.9)
    assert found == Early(lead=pytest.approx(0.001), score=pytest.approx(0.9))
    soon = found.answers(both)
    assert not soon[::20].any()
    assert soon.sum() == 950
    told = joined(both, both, found, lead=0.5, score=0.3)
    assert told.lead[1] == pytest.approx(both.lead[1] - 0.001 + 0.5), "as far above the threshold"
    assert told.lead[0] == both.lead[0]
    assert (told.score[1], told.score[0]) == (pytest.approx(0.3), 0.1)


@pytest.mark.parametrize("worse", [0.0, 0.3])
def test_the_promise_is_kept_by_both_looks_together(worse):
    kept, early = 0, []
    for seed in range(20):
        first, both, meant = looks(3000, seed, worse=worse)
        found = thresholds(judge(both, meant), NONE, 0.95, first=judge(first, meant))
        assert found is not None
        later, whole, truth = looks(8000, 1000 + seed, worse=worse)
        answered = found.answered(found.joined(judge(whole, truth), judge(later, truth)))
        kept += (answered.rank == 0).mean() >= 0.95
        assert found.early is not None
        early.append(found.early.answers(judge(later, truth)).mean())
    assert kept >= 18
    assert np.mean(early) >= 0.4 if worse == 0 else np.mean(early) <= 0.5, "a worse first look answers less"


def test_a_first_look_that_is_always_sure_and_often_wrong_answers_nothing():
    _, both, meant = looks(3000, 1)
    draw = np.random.default_rng(2)
    first = draw.normal(0, 0.05, (3000, 5)) + 9 * np.eye(5)[draw.integers(0, 5, 3000)]
    found = thresholds(judge(both, meant), NONE, 0.95, first=judge(first, meant))
    alone = thresholds(judge(both, meant), NONE, 0.95)
    assert found is not None
    assert alone is not None
    assert found.lead == alone.lead
    assert found.early is None or found.early.answers(judge(first, meant)).sum() <= 20


def test_another_answer_is_never_said():
    scores = np.eye(3)[[0, 1, 2, 2]]
    judged = judge(scores, np.array([0, 1, 2, 2])).answering(2)
    assert judged.lead.tolist() == [1, 1, -1, -1]
    many = judge(np.tile(scores, (300, 1)), np.tile([0, 1, 2, 2], 300)).answering(2)
    found = thresholds(many, NONE, 0.9, first=many)
    assert found is not None
    assert found.early is not None
    assert found.early.answers(many).sum() == 600
    assert len(found.answered(found.joined(many, many)).rank) == 600
    assert len(found.answered(many).rank) == 600


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    made = train.train(pairs.collect(logged(450), TEMPLATE), name="mail", promise=0.9, teacher="large")
    assert 0 < made.tested.early <= made.tested.answered
    assert made.held.header["tested"]["early"] == made.tested.early
    path = tmp_path_factory.mktemp("made") / "mail.greenai"
    file.write(made, path)
    return distilled.read(path)


def test_where_the_first_look_is_sure_minilm_is_not_asked(model, monkeypatch):
    prompts = [asked(call.messages[1]["content"].removeprefix("Mail: ").removesuffix("\nKind:")) for call in logged(60)]
    second = []
    see = kernel.see
    monkeypatch.setattr(kernel, "see", lambda text, skimmed: second.append(text) or see(text, skimmed))
    said = [model.explain(prompt) for prompt in prompts]
    assert len(second) < 40
    for one in said:
        assert isinstance(one, distilled.Abstained) or 1 >= one.confidence >= model.threshold
    monkeypatch.setattr(model.says, "_early", None)
    alone = [model.answer(prompt) for prompt in prompts]
    assert len(second) >= 60
    both = [(a.text, b.text) for a, b in zip(said, alone, strict=True) if isinstance(a, distilled.Said) and b]
    assert len(both) >= 40
    assert sum(a != b for a, b in both) <= 1


def test_the_file_counts_what_of_the_log_is_left_to_the_ladder(model):
    known, novel = model.header["guard"]["left"]
    assert 0 < known + novel < model.header["learnt"] / 2
    assert model.guard.left == (known, novel)


def test_under_guard_both_looks_answer_and_the_same_is_watched(model):
    texts = [call.messages[1]["content"].removeprefix("Mail: ").removesuffix("\nKind:") for call in logged(60)]
    soon = [model.explain(asked(text)).told for text in texts]
    guarded = [model.explain(asked(text), guarded=True).told for text in texts]
    seen = [kernel.see(text) for text in texts]
    head = model.says._head
    for one, other, text in zip(soon, guarded, seen, strict=True):
        both = distilled.tell(head.both(head.first(text), text))
        assert (other.label, other.score, other.lead) == (both.label, both.score, both.lead)
        assert other.watched == one.watched
    assert sum(one != other for one, other in zip(soon, guarded, strict=True)) > 20

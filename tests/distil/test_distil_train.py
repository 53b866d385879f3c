"""A task model is made of a small log, keeps its promise, and goes through its file unchanged."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from distil_logs import SAYINGS, TEMPLATE, asked, logged

from greenai.answerers import distilled
from greenai.distil import file, pairs, train
from greenai.errors import InvalidRequest

pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def trained():
    return train.train(pairs.collect(logged(450), TEMPLATE), name="mail", promise=0.9, teacher="large")


def test_what_it_learnt_is_what_the_large_model_means(trained, tmp_path):
    digest = file.write(trained, tmp_path / "mail.greenai")
    model = distilled.read(tmp_path / "mail.greenai")
    assert (model.name, model.version, model.teacher) == ("mail", digest[:12], "large")
    assert set(model.labels) == set(SAYINGS)
    texts = [(call.messages[1]["content"], call.answer) for call in logged(60, slips=0, seed=9)]
    said = [(model.answer([asked("")[0], {"role": "user", "content": text}]), label) for text, label in texts]
    answered = [(one.text, label) for one, label in said if one is not None]
    assert len(answered) >= 40
    assert all(got == label for got, label in answered)


def test_the_promise_is_held_on_what_came_last_though_the_log_is_wrong_in_parts(trained):
    tested = trained.tested
    assert tested.pairs == 90
    assert tested.coverage >= 0.75
    assert tested.agreement < 0.99, "the slips of the log count against the raw figure"
    assert tested.corrected >= 0.95
    assert trained.held.header["bound"] <= 0.1
    assert 0 < trained.slips.low < trained.slips.high < 0.2
    assert trained.slips.source == "surest"


def test_the_same_log_makes_the_same_file_so_that_making_it_again_keeps_its_counts(trained, tmp_path):
    again = train.train(pairs.collect(logged(450), TEMPLATE), name="mail", promise=0.9, teacher="large")
    assert again.fit_s != trained.fit_s
    assert file.write(again, tmp_path / "again.greenai") == file.write(trained, tmp_path / "mail.greenai")


def test_what_it_never_saw_is_left_to_the_ladder(trained):
    told = trained.model.explain(asked("explain quantum chromodynamics to a physicist"))
    assert isinstance(told, distilled.Abstained)
    assert told.why in {"unlike", "unsure"}


def test_it_answers_as_its_head_did_in_training(trained, tmp_path):
    file.write(trained, tmp_path / "mail.greenai")
    model = distilled.read(tmp_path / "mail.greenai")
    for text in ("where is my tent", "thanks for the mirror", "I want my money back"):
        assert model.explain(asked(text)) == trained.model.explain(asked(text))


def test_a_log_whose_labels_have_nothing_to_do_with_its_texts_is_refused():
    with pytest.raises(train.NotWorthIt, match=r"^No threshold keeps the promise of 98\.0%: over all texts the log"):
        train.train(pairs.collect(logged(450, slips=0.67), TEMPLATE), name="mail")


def test_a_log_that_ends_otherwise_than_it_began_is_refused():
    """From a day on the large model says thanks where it said refund; the threshold knows only the days before."""
    calls = [
        replace(call, answer="thanks") if at >= 400 and call.answer == "refund" else call
        for at, call in enumerate(logged(500, slips=0))
    ]
    with pytest.raises(train.NotWorthIt) as refused:
        train.train(pairs.collect(calls, TEMPLATE), name="mail", promise=0.9)
    assert re.sub(r"[\d.]+%", "N%", re.sub(r"answered \d+", "answered N", str(refused.value))) == (
        "The promise of N% is not kept: of the 100 latest texts it answered N, and N% (at most N%) of these as the log "
        "says, where it comes to N%. What came last is unlike what came before: the large model, its prompt or the "
        "texts have changed, or many texts are nearly the same. Name only logs since then, or leave it to the ladder."
    )


def test_a_rare_label_that_is_never_said_is_told():
    """One text in thirty is answered "fraud", and nothing in it says why: always saying the rest keeps the promise."""
    draw = random.Random(2)
    calls = [replace(call, answer="fraud") if draw.random() < 1 / 30 else call for call in logged(450, slips=0)]
    made = train.train(pairs.collect(calls, TEMPLATE), name="mail", promise=0.9)
    (label,) = made.held.header["overlooked"]
    agreed, count = made.held.header["overlooked"][label]
    assert (label, agreed) == ("fraud", 0)
    assert 5 <= count <= sum(call.answer == "fraud" for call in calls)
    good = train.train(pairs.collect(logged(450, slips=0), TEMPLATE), name="mail", promise=0.9)
    assert good.held.header["overlooked"] == {}


def test_too_few_pairs_are_refused_with_the_numbers():
    with pytest.raises(train.NotWorthIt) as refused:
        train.train(pairs.collect(logged(100), TEMPLATE), name="mail")
    assert str(refused.value) == (
        "80 different texts to learn and 20 new ones to test on are too few to prove a promise: 300 are needed at "
        "least. Collect more calls of this template; what is repeated is answered by the cache already."
    )


def test_one_label_is_no_task():
    calls = [call for call in logged(450, slips=0) if call.answer == "refund"]
    with pytest.raises(train.NotWorthIt, match="have 1 labels that recur, and a task model needs two"):
        train.train(pairs.collect(calls, TEMPLATE), name="mail")


@pytest.mark.parametrize("promise", [0.2, 1.0, 98])
def test_a_promise_is_a_share(promise):
    with pytest.raises(InvalidRequest, match=r"A promise lies between 0\.5 and 1"):
        train.train(pairs.collect(logged(300), TEMPLATE), name="mail", promise=promise)


def test_progress_is_told_and_an_interruption_ends_it():
    steps = []
    train.train(
        pairs.collect(logged(450), TEMPLATE), name="m", promise=0.9, progress=lambda step, share: steps.append(step)
    )
    assert [*dict.fromkeys(steps)] == ["reading the texts", "comparing the texts", "fitting"]

    def interrupted(_step, _share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train(pairs.collect(logged(450), TEMPLATE), name="mail", progress=interrupted)

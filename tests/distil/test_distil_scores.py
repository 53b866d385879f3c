"""A task model whose answers are numbers on a scale: made of a small log, and read from its file."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from distil_logs import ENDINGS, TEMPLATE, THINGS, asked, logged

from greenai.answerers import distilled, replies, task_file
from greenai.answerers.scores import ScoreHead, number_of, within
from greenai.answerers.task_file import TaskFileRefused
from greenai.distil import file, kinds, pairs, scores, train
from greenai.errors import InvalidRequest

pytest.importorskip("scipy")

MOODS = {"I hate the": 5, "I dislike the": 25, "I do not mind the": 50, "I like the": 75, "I love the": 95}


def rated(count=420, seed=0, noise=2):
    """So many opinions, each with its number from 0 to 100, which differs by the thing and by chance."""
    draw = random.Random(seed)
    every = [(mood, thing, ending) for mood in MOODS for thing in THINGS for ending in ENDINGS]
    for mood, thing, ending in draw.sample(every, count):
        yield f"{mood} {thing}{ending}", MOODS[mood] + THINGS.index(thing) % 3 - 1 + draw.randint(-noise, noise)


def calls(count=420, form="{}%", noise=2):
    (first,) = logged(1)
    for at, (text, number) in enumerate(rated(count, noise=noise)):
        yield replace(first, created=float(at), messages=tuple(asked(text)), answer=form.format(number))


@pytest.fixture(scope="module")
def trained():
    return kinds.made(pairs.collect(calls(), TEMPLATE), name="mood", promise=0.9, tolerance=10.0, teacher="large")


def test_the_same_log_makes_the_same_file(trained, tmp_path):
    again = kinds.made(pairs.collect(calls(), TEMPLATE), name="mood", promise=0.9, tolerance=10.0, teacher="large")
    assert file.write(again, tmp_path / "again.greenai") == file.write(trained, tmp_path / "mood.greenai")


def test_it_says_a_number_within_the_tolerance(trained, tmp_path):
    file.write(trained, tmp_path / "mood.greenai")
    model = distilled.read(tmp_path / "mood.greenai")
    assert (model.kind, model.tolerance, model.labels) == ("score", 10.0, ())
    said = [(model.answer(asked(text)), number) for text, number in rated(60, seed=3)]
    answered = [(one.text, number) for one, number in said if one is not None]
    assert len(answered) >= 30
    assert all(text.endswith("%") and text[:-1].isdigit() for text, _ in answered)
    agree = sum(within(text, f"{number}%", 10.0) for text, number in answered)
    assert agree >= 0.9 * len(answered)
    assert len({text for text, _ in answered}) > 5
    assert model.explain(asked("I love the tent")) == trained.model.explain(asked("I love the tent"))


def test_the_promise_is_tested_on_what_came_last(trained):
    assert trained.tested.coverage >= 0.3
    assert trained.tested.agreement >= 0.9
    assert trained.model.threshold >= 0.5
    assert trained.held.header["assumption"].startswith("none: agreement is that with the log's own numbers")


def test_a_comparison_knows_the_tolerance():
    assert replies.alike("75%", "80%", 5.0)
    assert not replies.alike("75%", "81%", 5.0)
    assert not replies.alike("75%", "I cannot say", 5.0)
    assert not replies.alike("75%", "80%")


def test_numbers_are_read_as_they_are_written():
    assert number_of(" 7.50/10 ") is None
    assert number_of("Score: -7.50 %") == (-7.5, 2, "Score: ", " %")
    assert number_of("none") is None


def test_what_cannot_be_learnt_is_refused_with_the_numbers():
    texts = tuple(text for text, _ in rated(400))
    draw = random.Random(1)
    chance = pairs.Pairs(template=TEMPLATE, texts=texts, answers=tuple(f"{draw.randrange(101)}" for _ in texts))
    with pytest.raises(train.NotWorthIt) as refused:
        kinds.made(chance, name="mood", tolerance=5.0)
    assert re.sub(r"\d+\.\d%", "N%", str(refused.value)) == (
        "No threshold keeps the promise of N%: over all texts N% of the numbers agree with the log within 5, and of N% "
        "of the texts the interval is as narrow. Collect more calls of this template, promise less, give a larger "
        "--tolerance, or leave it to the ladder."
    )
    with pytest.raises(
        train.NotWorthIt,
        match=r"are numbers on a scale: say by how much they may differ, such as with --tolerance 5\.$",
    ):
        kinds.made(chance, name="mood")
    words = pairs.Pairs(template=TEMPLATE, texts=texts, answers=("much",) * len(texts))
    with pytest.raises(train.NotWorthIt, match=r"^0\.0% of 400 answers are numbers that are written alike, and 90%"):
        kinds.made(words, name="mood", tolerance=5.0)
    with pytest.raises(InvalidRequest, match=r"^A tolerance is above 0, and -1 was given\."):
        kinds.made(chance, name="mood", tolerance=-1.0)


def test_answers_that_are_no_numbers_count_in_the_promise(trained):
    """One answer in twelve is none, whatever its text: of all the log's answers 98% cannot agree."""
    draw = random.Random(4)
    some = tuple((text, "N/A" if draw.random() < 1 / 12 else f"{number}%") for text, number in rated())
    partly = pairs.Pairs(
        template=TEMPLATE, texts=tuple(text for text, _ in some), answers=tuple(answer for _, answer in some)
    )
    made = kinds.made(partly, name="mood", promise=0.8, tolerance=10.0)
    assert made.tested.pairs == trained.tested.pairs, "none is left out of the test"
    assert made.tested.agreement < 0.97
    assert 0.05 < made.held.header["bound"] < 0.2
    with pytest.raises(train.NotWorthIt, match=r"^No threshold keeps the promise of 98\.0%"):
        kinds.made(partly, name="mood", promise=0.98, tolerance=10.0)


@pytest.mark.parametrize(
    ("answers", "number", "wanted"),
    [
        (["7", "7.5", "8"] * 40, 7.0, "7"),
        (["7", "7.5", "8"] * 40, 7.5, "7.5"),
        (["7.0", "7.5", "8.0"] * 40, 7.0, "7.0"),
        ([*(["70", "75", "80"] * 40), "71.2345"], 71.0, "71"),
        (["$7", "$8", "$-9"] * 40, 10.0, "$10"),
    ],
)
def test_a_number_is_written_as_the_log_writes_it(trained, answers, number, wanted):
    scale = scores._scale(answers)
    least, most = scale.decimals
    told = {"least_decimals": least, "decimals": most, "around": [*scale.around]}
    assert ScoreHead(trained.held.arrays, {**trained.held.header, **told}).written(number) == wanted
    old = {**trained.held.header, "decimals": 1}  # a file of a greenai that wrote all decimals
    del old["least_decimals"]
    assert ScoreHead(trained.held.arrays, old).written(7.0) == "7.0%"


@pytest.mark.parametrize(
    ("said", "reply", "same"),
    [
        ("75 mg", "75 g", False), ("$75", "€75", False), ("75", "\N{MINUS SIGN}75", False), ("75%", "75", True),
        ("75%", "Score: 75%", True), ("75", "75.", True), ("75", "**75**", True), ("-75", "\N{MINUS SIGN}75", True),
        ("75 MW", "75 mW", False),
    ],
)  # fmt: skip
def test_numbers_of_two_units_do_not_agree(said, reply, same):
    assert within(said, reply, 1.0) is same


def test_a_tolerance_at_which_one_number_agrees_with_all_is_refused():
    texts, draw = tuple(text for text, _ in rated(400)), random.Random(1)
    shares = pairs.Pairs(
        template=TEMPLATE, texts=texts, answers=("0.000", "1.000", *(f"{draw.random():.3f}" for _ in texts[2:]))
    )
    with pytest.raises(train.NotWorthIt) as refused:
        kinds.made(shares, name="mood", tolerance=0.5)
    assert str(refused.value) == (
        "The log's numbers lie between 0 and 1: one in the middle would agree with all of them within 0.5. Give a "
        "smaller --tolerance."
    )


@pytest.mark.parametrize(
    ("answers", "tolerance"),
    [(["0", "100"], "5"), (["0.00", "1.00"], "0.05"), (["0", "5000"], "200"), (["3", "3"], "1"), (["none"], "1")],
)
def test_a_tolerance_to_begin_with_goes_by_the_range(answers, tolerance):
    assert scores.suggested(answers) == tolerance


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"tolerance": 0}, "not all of its numbers are finite"), ({"around": [1]}, "not enough values")],
)
def test_what_does_not_fit_together_is_refused(trained, tmp_path, changed, why):
    task_file.save(tmp_path / "mood", {**trained.held.header, **changed}, trained.held.arrays)
    with pytest.raises(TaskFileRefused, match=f"^mood is no task model that can be used: .*{why}"):
        distilled.read(tmp_path / "mood")


def test_a_number_just_below_nought_is_written_without_a_sign(trained):
    told = {"mean": 0.0, "deviation": 1.0, "lowest": -5.0, "highest": 5.0, "decimals": 0}
    head = ScoreHead(trained.held.arrays, {**trained.held.header, **told})
    (number,) = head.number(np.array([[1.0, -0.3, 0.1]], np.float32))
    assert f"{number:.0f}" == "0"

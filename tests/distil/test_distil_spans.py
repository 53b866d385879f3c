"""A task model whose answers are copied out of the text: made of a small log, and read from its file."""

from __future__ import annotations

import json
import random
import zlib

import numpy as np
import pytest
from copied_logs import TEMPLATE, asked, logged, pairs_of

from greenai.answerers import distilled, task_file
from greenai.answerers import spans as answering
from greenai.answerers.skeleton import Part, Template
from greenai.answerers.task_file import TaskFileRefused
from greenai.distil import file, kinds, pairs, spans, train

pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def trained():
    return kinds.made(pairs.collect(logged(), TEMPLATE), name="order", promise=0.95, teacher="large")


def test_it_copies_what_the_large_model_means(trained, tmp_path):
    digest = file.write(trained, tmp_path / "order.greenai")
    model = distilled.read(tmp_path / "order.greenai")
    assert (model.name, model.version, model.kind, model.labels) == ("order", digest[:12], "span", ("none",))
    said = [(model.answer(asked(text)), answer) for text, answer in pairs_of(100, seed=7, slips=0)]
    answered = [(one.text, answer) for one, answer in said if one is not None]
    assert len(answered) >= 75
    assert all(got == answer for got, answer in answered)
    assert {answer == "none" for _, answer in answered} == {True, False}
    assert model.explain(asked("where is order B-55555 that I made on the 3 May")) == trained.model.explain(
        asked("where is order B-55555 that I made on the 3 May")
    )


def test_the_same_log_makes_the_same_file(trained, tmp_path):
    again = kinds.made(pairs.collect(logged(), TEMPLATE), name="order", promise=0.95, teacher="large")
    assert file.write(again, tmp_path / "again.greenai") == file.write(trained, tmp_path / "order.greenai")


def test_the_file_holds_none_of_the_log(trained, tmp_path):
    file.write(trained, tmp_path / "order.greenai")
    held = task_file.load(tmp_path / "order.greenai")
    assert {*held.arrays} == {"weights"}
    told = json.dumps(dict(held.header))
    assert not any(text in told for text, _ in pairs_of(500))
    assert "B-" not in told


def test_the_promise_is_tested_on_what_came_last(trained):
    tested = trained.tested
    assert tested.pairs >= 90
    assert tested.coverage >= 0.7
    assert tested.corrected >= 0.97
    assert trained.held.header["bound"] <= 0.05


def test_what_it_cannot_answer_is_left_to_the_ladder(trained):
    model = trained.model
    assert model.explain(asked("!")).why in {"unlike", "unsure"}
    assert model.explain(asked("x" * 5000)).why == "slot"
    assert model.explain(asked("word " * 301)).why == "slot"
    assert model.explain(asked("order B-55555")[1:]).why == "other template"
    assert model.answer(asked("quantum chromodynamics binds quarks by gluons of 8 colours")) is None


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        (str.lower, ("lower", ("", ""))),
        (lambda answer: f'{{"order": "{answer}"}}', ("as it stands", ('{"', '"}'))),
        (lambda answer: answer.replace("-", ""), ("letters and digits", ("", ""))),
        (lambda answer: f"{answer}.", ("as it stands", ("", "."))),
    ],
)
def test_the_logs_own_way_of_writing_is_kept(form, wanted):
    some = [(text, form(answer)) for text, answer in pairs_of(300, slips=0)]
    found = spans.copied([text for text, _ in some], [answer for _, answer in some])
    if wanted[1][0]:
        wanted = (wanted[0], ('{"order": "', '"}'))
    assert (found.form, found.around) == wanted
    assert found.share == 1.0


FILMS = ["Red", "Night", "Road", "River", "Silent", "House", "Storm", "Winter", "Golden", "Moon", "Last", "Summer"]
FILM = Template(parts=(Part(role="user", literals=("Which film is meant? As JSON. Text: ", "")),))


def film(draw, quoted):
    name = " ".join(draw.sample(FILMS, draw.randint(1, 3)))
    said = draw.choice(["I want to see {} tonight", "is {} good", "who made {} in 1999", "play {} please"])
    return said.format(f'"{name}"' if quoted else name), json.dumps({"title": name})


def test_quotes_around_a_copy_are_left_out_where_the_log_leaves_them_out():
    """With them, a name within JSON would be none: {"title": ""Red Night""}."""
    draw = random.Random(0)
    texts, answers = zip(*(film(draw, quoted=at % 2) for at in range(500)), strict=True)
    made = kinds.made(pairs.Pairs(template=FILM, texts=texts, answers=answers), name="film", promise=0.9, kind="span")
    assert made.tested.coverage >= 0.8
    said = [(made.model.answer([{"role": "user", "content": f"{FILM.parts[0].literals[0]}{text}"}]), answer)
            for text, answer in (film(draw, quoted=True) for _ in range(60))]  # fmt: skip
    answered = [(one.text, answer) for one, answer in said if one is not None]
    assert len(answered) >= 40
    assert all(text == answer for text, answer in answered)


@pytest.mark.parametrize("copy", ['"Red Night"', "a\\b", "two\nlines", ".", '"'])
def test_what_would_end_or_escape_a_string_is_no_answer_within_quotes(trained, copy):
    told = {**trained.held.header, "around": ['{"title": "', '"}']}
    head = answering.SpanHead(trained.held.arrays, told)
    assert head.whole(copy) is None
    assert (head.whole("Red Night"), head.whole("none")) == ('{"title": "Red Night"}', "none")


def test_kinds_are_told_apart():
    texts, answers = zip(*pairs_of(300), strict=True)
    assert kinds.kind_of(texts, answers) == "span"
    assert kinds.kind_of(texts, [text[:1] for text in texts]) == "label"
    assert kinds.kind_of(texts, [f"about {at * 7919}" for at in range(300)]) == "label"


def test_answers_that_are_no_copies_are_refused_with_the_numbers():
    calls = [*logged(400, form=lambda answer: f"{zlib.crc32(answer.encode())}x" if answer != "none" else answer)]
    with pytest.raises(train.NotWorthIt) as refused:
        kinds.made(pairs.collect(calls, TEMPLATE), name="order", kind="span")
    share = sum(call.answer == "none" for call in calls) / 400
    assert str(refused.value) == (
        f"{share:.1%} of 400 answers stand word by word in their texts or recur, and 80% are needed. Choose another "
        "template, or leave this one to the ladder."
    )


def test_too_few_are_refused():
    with pytest.raises(train.NotWorthIt, match=r"are too few to prove a promise: 300 are needed"):
        kinds.made(pairs.collect(logged(100), TEMPLATE), name="order")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"form": "rot13"}, "it writes answers 'rot13' of"),
        ({"labels": []}, "its arrays have the shapes"),
        ({"kind": "spam"}, "it is of the kind 'spam', and known here are label, span"),
        ({"span_tokens": 0}, "of 0 tokens, which is unknown here"),
        ({"around": ["one"]}, "not enough values"),
    ],
)
def test_what_does_not_fit_together_is_refused(trained, tmp_path, changed, why):
    task_file.save(tmp_path / "order", {**trained.held.header, **changed}, trained.held.arrays)
    with pytest.raises(TaskFileRefused, match=f"^order is no task model that can be used: .*{why}"):
        distilled.read(tmp_path / "order")


def test_numbers_that_are_none_and_features_of_another_version_are_refused(trained, tmp_path):
    weights = np.array(trained.held.arrays["weights"])
    weights[0, 0] = np.inf
    task_file.save(tmp_path / "order", trained.held.header, {"weights": weights})
    with pytest.raises(TaskFileRefused, match="not all of its numbers are finite"):
        distilled.read(tmp_path / "order")
    task_file.save(tmp_path / "order", {**trained.held.header, "encoder": "spans-0"}, trained.held.arrays)
    with pytest.raises(TaskFileRefused, match="was made with the vectors spans-0, and here are spans-1"):
        distilled.read(tmp_path / "order")

"""Templates are found in a log of several features, and told from what is none."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from distil_logs import SYSTEM, TEMPLATE, asked, logged, templates_of, written

from greenai.audit import ingest as ingesting
from greenai.audit.exact import parts_of
from greenai.audit.run import Options, audit
from greenai.audit.values import Logged
from greenai.distil import pairs
from greenai.distil.templates import reading


@pytest.fixture
def found_in(tmp_path):
    return lambda calls, **told: templates_of(calls, tmp_path / "calls.jsonl", **told)


def call(messages, answer, **more):
    return Logged(where="x:1", messages=tuple(messages), answer=answer, finish_reason="stop", model="large", **more)


def scored(count):
    draw = random.Random(1)
    for at in range(count):
        words = " ".join(draw.choices(["good", "bad", "fine", "poor", "great", "awful", "plain"], k=5))
        prompt = f"Rate the review from 1 to 5.\nTitle: {words} {at}\nReview: it was {words}, really\nStars:"
        yield call([{"role": "user", "content": prompt}], str(draw.randint(1, 5)), input_tokens=40, output_tokens=1)


def chatted(count):
    for at in range(count):
        yield call(
            [{"role": "user", "content": f"Tell me a story about number {at}"}], f"Once there were {at * 7 + 3} bees."
        )


def test_the_templates_of_a_log_are_found(found_in):
    found = found_in([*logged(500), *scored(400), *chatted(400)])
    good = [one for one in found if one.why_not is None]
    assert {one.template.skeleton for one in good} == {
        f"system: {SYSTEM}\nuser: Mail: {{1}}\nKind:",
        "user: Rate the review from 1 to 5.\nTitle: {1}\nReview: it was {2}, really\nStars:",
    }
    assert good[0].template.skeleton.startswith("user: Rate"), "the most tokens first"
    assert sorted(one.calls for one in good) == [400, 500]
    assert {label for label, _ in good[1].labels} == {"refund", "delivery", "thanks"}
    story = next(one for one in found if one.why_not is not None)
    assert story.template.skeleton == "user: Tell me a story about number {1}"
    assert story.why_not == "its answers are no labels: 0% of them recur at least 5 times, and 90% are needed"


def test_many_numbers_want_a_tolerance_and_few_are_labels(found_in):
    draw = random.Random(2)
    calls = [replace(one, answer=f"{draw.random():.3f}") for one in scored(400)]
    (found,) = found_in(calls)
    assert (found.kind, found.why_not, found.tolerance, found.share) == ("score", None, "0.05", 1.0)
    assert [(one.kind, one.tolerance) for one in found_in(scored(400))] == [("label", None)]


def test_a_template_found_is_the_one_that_was_written(found_in):
    found = found_in(logged(400))
    assert [one.template for one in found] == [TEMPLATE]


def test_templates_without_a_system_prompt_are_found_side_by_side(found_in):
    mails = [
        call(
            [{"role": "user", "content": f"Which department is it for? Mail: {one.messages[1]['content']}"}], one.answer
        )
        for one in logged(400)
    ]
    found = found_in([*mails, *scored(400)])
    assert [one.why_not for one in found] == [None, None]
    assert [one.template.skeleton for one in found] == [
        "user: Rate the review from 1 to 5.\nTitle: {1}\nReview: it was {2}, really\nStars:",
        "user: Which department is it for? Mail: Mail: {1}\nKind:",
    ]
    assert [one.calls for one in found] == [400, 400]


def test_few_calls_are_no_template(found_in):
    assert found_in(logged(200)) == ()
    assert len(found_in(logged(200), least=100)) == 1


def test_nothing_constant_is_no_template(found_in):
    assert found_in(call([{"role": "user", "content": f"{at} {at * 7}"}], "yes") for at in range(400)) == ()


def test_a_number_in_the_system_prompt_is_a_slot(found_in):
    calls = [
        call(
            [{"role": "system", "content": f"Today is day {at % 28}. {SYSTEM}"}, *asked(f"mail number {at}")[1:]],
            "refund",
        )
        for at in range(400)
    ]
    (found,) = found_in(calls)
    assert found.template.skeleton.startswith("system: Today is day {1}. You sort")
    assert found.why_not == "it is always answered the same"


def test_conversations_tools_and_cut_answers_are_left_out(found_in):
    turns = [*asked("a"), {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert found_in([call([*turns, *turns], "x")] * 400) == ()
    tools = [call(asked(f"mail {at}"), "refund", arguments={"tools": ["f"]}) for at in range(400)]
    assert found_in(tools) == ()


def test_what_tells_the_answer_is_no_template_of_its_own(found_in):
    kinds = {"buy": "I want to buy a {}", "sell": "I would like to sell my {}", "ask": "Is there a {} left"}
    plain = [
        call(
            [{"role": "system", "content": SYSTEM}, {"role": "user", "content": kinds[kind].format(f"thing {at}")}],
            kind,
        )
        for at in range(200)
        for kind in kinds
    ]
    (found,) = found_in(plain)
    assert (found.template.skeleton, found.why_not) == (f"system: {SYSTEM}\nuser: {{1}}", None)
    other = [
        call([{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"{begins} it {at}?"}], "yn"[at % 2])
        for at in range(400)
        for begins in ("Is this a question? Here is", "Would somebody be angry? Here is")
    ]
    assert len(found_in(other)) == 2, "what does not tell the answer is a template"


def test_a_name_before_what_is_asked_parts_no_task(found_in):
    names = ("Ada", "Bo", "Cem", "Dora", "Eve", "Finn")
    calls = [
        call(
            [{"role": "system", "content": SYSTEM},
             {"role": "user", "content": f"Hi, this is {names[at % 6]}. {one.messages[1]['content']}"}],
            one.answer,
        )
        for at, one in enumerate(logged(600))
    ]  # fmt: skip
    (found,) = found_in(calls)
    assert (found.calls, found.why_not) == (600, None)
    assert {label for label, _ in found.labels} == {"refund", "delivery", "thanks"}


def test_numbers_and_ids_are_those_of_the_audit(tmp_path):
    path = written([*logged(500), *scored(400), *chatted(450)], tmp_path / "calls.jsonl")
    audited = audit([path], Options()).finding
    with reading([path]) as log:
        found = log.templates()
    assert {(f"#{one.number}", one.id) for one in found} == {
        (group.name.partition(" ")[0], group.id) for group in audited.templates
    }
    assert [one.number for one in sorted(found, key=lambda one: -one.calls)] == [1, 2, 3]
    lines = [line for change in audited.changes for line in change.lines if change.place == "shell"]
    mails = next(one for one in found if one.labels and "refund" in dict(one.labels))
    assert lines == [f"greenai distil {path} --template {mails.id}"], "the stars cannot be told from the reviews"


def test_rows_that_an_audit_kept_are_not_read_again(tmp_path, monkeypatch):
    path, folder = written(logged(400), tmp_path / "calls.jsonl"), tmp_path / "work"
    audit([path], Options(folder=folder))
    monkeypatch.setattr(ingesting, "row", None)
    with reading([path], folder=folder) as log:
        (found,) = log.templates()
        assert (found.template, len(log.pairs(found).texts)) == (TEMPLATE, 400)


@pytest.mark.parametrize(
    ("texts", "pieces"),
    [
        (["same"], ("same",)),
        (["Say: a b.", "Say: c.", "Say: d e f."], ("Say: ", ".")),
        (["a 1", "b 2"], ("", "")),
        (["x: a\nPlace: b", "x: c d\nPlace: e f", "x: g\nPlace: h"], ("x: ", "\nPlace: ", "")),
    ],
)
def test_pieces(texts, pieces):
    assert parts_of(texts) == pieces


def test_pairs_are_in_the_order_of_time_and_say_what_was_left_out():
    calls = [*logged(20)]
    cut = call(asked("cut"), "ref").__class__(
        where="x", messages=tuple(asked("cut")), answer="ref", finish_reason="length"
    )
    other = call([{"role": "user", "content": "hello"}], "refund")
    found = pairs.collect([*reversed(calls), cut, other], TEMPLATE)
    assert found.left_out == {"other template": 1, "no whole answer": 1}
    assert found.created == tuple(one.created for one in calls)


def test_labels_are_spelt_as_most_often_and_rare_ones_are_another_answer():
    said = ["Refund"] * 6 + ["refund."] * 3 + ["thanks"] * 5 + ["it depends"]
    found = pairs.labelled(pairs.Pairs(template=TEMPLATE, texts=tuple(map(str, range(len(said)))), answers=tuple(said)))
    assert (found.labels, found.classes) == (("Refund", "thanks"), 3)
    assert found.numbers == (0,) * 9 + (1,) * 5 + (2,)


def test_labels_of_one_spelling_are_two_where_the_texts_tell_them_apart():
    unit = {"refund": "mW", "delivery": "MW", "thanks": "none"}
    some = [(one.messages[1]["content"], unit[one.answer]) for one in logged(300, slips=0)]
    texts, answers = zip(*some, strict=True)
    found = pairs.labelled(pairs.Pairs(template=TEMPLATE, texts=texts, answers=answers))
    assert set(found.labels) == {"mW", "MW", "none"}
    assert [found.labels[number] for number in found.numbers] == [*answers]


def test_a_label_that_is_written_in_two_ways_by_chance_is_one():
    draw = random.Random(3)
    some = [(one.messages[1]["content"], one.answer) for one in logged(300, slips=0)]
    written_so = [answer.title() if draw.random() < 0.3 + 0.3 * ("please" in text) else answer for text, answer in some]
    found = pairs.labelled(
        pairs.Pairs(template=TEMPLATE, texts=tuple(text for text, _ in some), answers=tuple(written_so))
    )
    assert sorted(map(str.casefold, found.labels)) == ["delivery", "refund", "thanks"]


def test_only_answers_of_the_large_model_to_plain_calls_are_learnt(tmp_path):
    """Neither what the task model answered itself, nor a smaller model, nor JSON where words are asked for."""
    calls = [
        *logged(200),
        *(replace(one, model="greenai/distilled:mail@25c7037250c6") for one in logged(250, seed=1)),
        *(replace(one, model="small") for one in logged(30, seed=2)),
        *(replace(one, model="router/large", arguments={"response_format": {"type": "json_object"}}, answer="{}")
          for one in logged(20, seed=3)),
    ]  # fmt: skip
    with reading([written(calls, tmp_path / "calls.jsonl")]) as log:
        (found,) = log.templates()
        learnt = log.pairs(found)
    assert (found.models[0], found.why_not) == ("large", None)
    assert not any(name.startswith("greenai/") for name in found.models)
    assert learnt.left_out == {"of other models": 280, "asked for tools or a form of the answer": 20}
    assert sorted(learnt.texts) == sorted(one.messages[1]["content"][6:-6] for one in logged(200))


def test_calls_that_spell_out_defaults_are_distilled(found_in):
    spelt = {"n": 1, "response_format": {"type": "text"}}
    (found,) = found_in([replace(one, arguments=spelt) for one in logged(400)])
    assert found.why_not is None


def test_calls_that_ask_for_a_form_are_not_distilled(found_in):
    calls = [replace(one, arguments={"response_format": {"type": "json_object"}}) for one in logged(400)]
    (found,) = found_in(calls)
    assert found.why_not == (
        "100% of its calls ask for tools or a form of the answer, such as response_format, and no task model answers "
        "those"
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("openai/gpt-5.5", "gpt-5.5-2026-04-23", True), ("azure/gpt-5.5", "gpt-5.5", True), ("Large", "x/large", True),
        ("gpt-5.5", "gpt-5.4-mini", False), ("claude-3", "claude-3-5", False), ("large", "larger", False),
    ],
)  # fmt: skip
def test_a_model_is_the_same_by_any_of_its_names(one, other, same):
    assert pairs.same_model(one, other) is same

"""Templates are found in a log of several features, and told from what is none."""

from __future__ import annotations

import random

import pytest
from distil_logs import SYSTEM, TEMPLATE, asked, logged

from greenai.audit.values import Logged
from greenai.distil import pairs, templates


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
        yield call([{"role": "user", "content": f"Tell me a story about number {at}"}], f"Once there were {at} bees.")


def test_the_templates_of_a_log_are_found():
    found = templates.find([*logged(500), *scored(400), *chatted(400)])
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


def test_a_template_found_is_the_one_that_was_written():
    found = templates.find(logged(400))
    assert [one.template for one in found] == [TEMPLATE]


def test_templates_without_a_system_prompt_are_found_side_by_side():
    mails = [
        call(
            [{"role": "user", "content": f"Which department is it for? Mail: {one.messages[1]['content']}"}], one.answer
        )
        for one in logged(400)
    ]
    found = templates.find([*mails, *scored(400)])
    assert [one.why_not for one in found] == [None, None]
    assert [one.template.skeleton for one in found] == [
        "user: Rate the review from 1 to 5.\nTitle: {1}\nReview: it was {2}, really\nStars:",
        "user: Which department is it for? Mail: Mail: {1}\nKind:",
    ]
    assert [one.calls for one in found] == [400, 400]


def test_few_calls_are_no_template():
    assert templates.find(logged(200)) == ()
    assert len(templates.find(logged(200), least=100)) == 1


def test_nothing_constant_is_no_template():
    assert templates.find(call([{"role": "user", "content": f"{at} {at * 7}"}], "yes") for at in range(400)) == ()


def test_a_number_in_the_system_prompt_is_a_slot():
    calls = [
        call(
            [{"role": "system", "content": f"Today is day {at % 28}. {SYSTEM}"}, *asked(f"mail number {at}")[1:]],
            "refund",
        )
        for at in range(400)
    ]
    (found,) = templates.find(calls)
    assert found.template.skeleton.startswith("system: Today is day {1}. You sort")
    assert found.why_not == "it is always answered the same"


def test_conversations_tools_and_cut_answers_are_left_out():
    turns = [*asked("a"), {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert templates.find([call([*turns, *turns], "x")] * 400) == ()
    tools = [call(asked(f"mail {at}"), "refund", arguments={"tools": ["f"]}) for at in range(400)]
    assert templates.find(tools) == ()


def test_many_beginnings_stay_within_bounds(monkeypatch):
    monkeypatch.setattr(templates, "MOST_FAMILIES", 50)
    noise = [
        call([{"role": "user", "content": f"{w} {w} {w} what?"}], "yes") for w in map("w{}x".format, "abcdefgh" * 40)
    ]
    odd = [call([{"role": "user", "content": f"q{'z' * at} is rare"}], "yes") for at in range(300)]
    found = templates.find([*logged(400), *noise, *odd])
    assert TEMPLATE in [one.template for one in found]


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
    assert templates.parts_of(texts) == pieces


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

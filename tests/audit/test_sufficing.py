"""What would have sufficed for a call: repeats by the cache's own rules, tools that are sure, labels, probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit_logs import LARGE, SMALL, call, reads

from greenai.audit.columns import columns
from greenai.audit.labels import LEAST, labels_of
from greenai.audit.sufficing import Judged, closed, judge, near_repeats, repeats, requested
from greenai.audit.values import Logged
from greenai.classify import Classifier

DAY = 86_400.0


def judged(log: list[Logged]) -> Judged:
    return judge(columns(log), range(len(log)), reads(log), Classifier.load())


def test_a_repeat_comes_after_an_answer_that_is_still_kept() -> None:
    log = [call("a", at=0), call("a", at=50), call("a", at=120), call("b", at=130)]
    assert repeats(columns(log), 100).tolist() == [False, True, False, False]


def test_the_order_of_the_log_is_not_that_of_time() -> None:
    log = [call("a", at=50), call("a", at=0)]
    assert repeats(columns(log), 100).tolist() == [True, False]


@pytest.mark.parametrize("told", [{"ok": False}, {"finish_reason": "length"}, {"tool_calls": True}])
def test_what_is_no_whole_answer_is_not_given_again(told: dict[str, object]) -> None:
    log = [call("a", at=0, **told), call("a", at=1), call("a", at=2)]
    assert repeats(columns(log), 100).tolist() == [False, False, True]


def test_without_times_answers_are_kept_for_all_of_the_log() -> None:
    assert repeats(columns([call("a", created=None), call("a", created=None)]), 1).tolist() == [False, True]


def test_lifetimes_are_the_caches_own() -> None:
    static, daily = "What is the capital of France?", "Tell me about Paul and his plans"
    log = [call(text, at=at) for text in (static, daily) for at in (0, 5 * DAY)]
    assert judged(log).repeat.tolist() == [False, True, False, False]


def test_an_answer_that_was_sampled_is_a_repeat_only_for_who_lets_it_be() -> None:
    log = [call("Tell me about trees and birds and their names", at=at, arguments={}) for at in (0, 1)]
    found = judged(log)
    assert (found.repeat.tolist(), found.sampled.tolist()) == ([False, False], [False, True])


def test_a_tool_computes_what_it_is_sure_of() -> None:
    found = judged(
        [call("What is 18% of 240?"), call("What is love?"), call("What is 18% of 240?", system="Be brief.")]
    )
    assert found.deterministic.tolist() == [True, False, False]


def test_live_data_are_looked_up() -> None:
    found = judged([call("will it rain in Oslo tomorrow"), call("Write a poem about the sea")])
    assert found.lookup[0] > 0.7
    assert found.lookup[1] < 0.05


def test_probabilities_hold_for_large_models_and_for_calls_that_reasoned() -> None:
    found = judged([call("Prove it."), call("Prove it.", model=SMALL), call("Prove it!", reasoning_tokens=20)])
    assert found.shrinks.tolist() == [True, False, True]
    assert found.large[0] > 0
    assert found.large[1] == 0
    assert (found.reasoning > 0).tolist() == [False, False, True]


def test_a_pair_is_the_model_that_answered_and_the_smaller_one() -> None:
    found = judged(
        [call("Prove it."), call("Prove it.", model=SMALL), call("Prove it!", model="anthropic/claude-opus-4-8")]
    )
    asked = [None if number < 0 else found.pairs[number] for number in found.pair.tolist()]
    assert [pair and pair.small for pair in asked] == [SMALL, None, "anthropic/claude-haiku-4-5"]


def test_routing_gives_a_model_that_fails_nothing_and_it_is_tried_on_what_reads_easily() -> None:
    easy, hard = call("Say hello to Anna."), call("Prove that every group of prime order is cyclic, in ZF.")
    log = [easy, hard, call("What is 18% of 240?")]
    for small, routed in (("openai/gpt-4.1-nano", [True]), ("local/smollm2-135m", [False])):
        found = judge(columns(log), range(3), reads(log), Classifier.load(), ladder=(small, LARGE))
        assert found.routed(0.16)[:1].tolist() == routed
        assert found.tried(0.16).tolist() == [*(found.gain <= 0.16).tolist()[:2], False]
        assert found.tried(0.16)[0]


def test_a_template_has_labels_if_nearly_all_its_answers_are_a_few() -> None:
    few = [call(f"mail {n}", system="Label it.", answer=("spam", "Ham.", "ham")[n % 3]) for n in range(LEAST)]
    many = [call(f"mail {n}", system="Answer it.", answer=f"answer {n}") for n in range(LEAST)]
    one = [call(f"mail {n}", system="Say it.", answer="spam") for n in range(LEAST)]
    again = [call(f"mail {n % 50}", system="Ask it.", answer=("spam", "ham")[n % 2]) for n in range(LEAST)]
    found = labels_of(columns([*few, *many, *one, *again]))
    assert {code: [count for _, count in labels.counts] for code, labels in found.items()} == {
        0: [200, 100], 1: [], 2: [LEAST], 3: [150, 150],
    }  # fmt: skip
    assert [labels.why_not for labels in found.values()] == [
        None,
        "its answers are no labels: 0% of them recur at least 5 times, and 90% are needed",
        "it is always answered the same",
        "50 different prompts are too few to prove a promise: 300 are needed",
    ]
    assert not labels_of(columns(few[:-1]))


def test_labels_of_prompts_that_share_nothing_are_no_task() -> None:
    about = ("win a free prize and money now", "the meeting of the team about the report")
    asked = [f"{about[n // 3 % 2]} {n}" for n in range(LEAST)]
    answers = [("spam", "ham")[n // 3 % 2] for n in range(LEAST)]
    of_one = [call(text, system="Label the mail.", answer=said) for text, said in zip(asked, answers, strict=True)]
    assert (judged(of_one).task == 0).all()
    mixed = [replace(one, messages=({"role": "user", "content": asked[n]},)) for n, one in enumerate(of_one)]
    calls = columns(mixed, template=lambda _: "all")
    assert not judge(calls, range(len(mixed)), reads(mixed), Classifier.load()).tasks


def test_labels_have_to_be_told_from_the_texts() -> None:
    about = ("win a free prize and money now", "the meeting of the team about the report")
    told = closed({f"{about[n // 3 % 2]} {n}": ("spam", "ham")[n // 3 % 2] for n in range(60)})
    letters = closed({f"Which number follows {n}?": "ABCD"[n * n % 7 % 4] for n in range(60)})
    assert told is not None
    assert letters is not None
    assert told > 0.9 > 0.25 > letters
    assert closed({f"Which number follows {n}?": "ABCD"[n % 4] for n in range(20)}) is None


def test_texts_that_are_gone_are_left_out() -> None:
    log = [call("a"), call("b")]
    found = judge(columns(log), [0, 1], lambda _: [None, log[1]], Classifier.load())
    assert found.rows.tolist() == [1]
    assert np.shape(found.large) == (1,)


def test_a_logged_call_is_the_request_that_it_was() -> None:
    request = requested(call("hello", arguments={"temperature": 0.5}))
    assert (request.last_user_text, request.entry, request.is_plain) == ("hello", "create", True)
    assert request.arguments == {"temperature": 0.5}


def test_near_repeats_are_tried_on_plain_questions_that_were_not_asked_before() -> None:
    log = [call("What is a tree?"), call("What is a tree?"), call("x" * 600), call("a", tool_calls=True)]
    found = near_repeats(log)
    assert (found.calls, found.hits) == (4, 0) if found.looked else (0, 0)
    assert found.tried == (1 if found.looked else 0)

"""Asking for labels: errors and cut answers are counted, none is fatal, and what is learnt holds whole answers only."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import httpx
import openai
import pytest
from distil_logs import TEMPLATE, asked, logged

from greenai.audit.values import Logged
from greenai.distil import asking
from greenai.distil.kept import Kept
from greenai.distil.pairs import collect
from greenai.errors import EngineError, InvalidRequest, MissingKey
from greenai.testing import FakeProvider, FakeReply, offline

LIMITED = openai.RateLimitError(
    "slow down", response=httpx.Response(429, request=httpx.Request("POST", "https://x")), body=None
)
ONE = [Logged(where="log:1", messages=tuple(asked("late")), answer=None, model="gpt-5.5", ok=False)]


def pairs_of(count=10, *, unanswered=0, **arguments):
    calls = [*logged(count=count + unanswered)]
    return collect(
        [
            Logged(
                where=call.where, created=call.created, messages=call.messages, finish_reason="stop", arguments=arguments,
                answer=None if at < unanswered else call.answer, model="gpt-5.5",
            )
            for at, call in enumerate(calls)
        ],
        TEMPLATE,
    )  # fmt: skip


def ask(pairs, count, provider, tmp_path, *, budget="1 kWh", models=("gpt-5.5",)):
    with closing(Kept(tmp_path / "labels.jsonl")) as kept, offline(provider) as client:
        plan = asking.planned(pairs, count, "openai/gpt-5.5", kept, models=models)
        return plan, asking.asked(plan, client, budget, kept), asking.merged(plan, kept)


def test_what_is_no_whole_answer_is_counted_and_not_learnt(tmp_path) -> None:
    provider = FakeProvider(
        LIMITED, FakeReply(text="ref", finish_reason="length"), FakeReply(finish_reason="content_filter"),
        FakeReply(text=" "), default="refund",
    )  # fmt: skip
    pairs = pairs_of(unanswered=6)
    plan, found, merged = ask(pairs, 6, provider, tmp_path)
    assert (len(plan.prompts), plan.first) == (6, 6)
    assert found.failed == {"RateLimitError": 1, "cut off": 1, "refused": 1, "empty": 1}
    assert (found.asked, found.stopped) == (6, None)
    assert len(merged.texts) == len(pairs.texts) + 2
    assert merged.left_out["no whole answer"] == 4
    # The one that failed is asked again, and not those that would come to the same.
    provider = FakeProvider(default="refund")
    plan, found, merged = ask(pairs, 6, provider, tmp_path)
    assert (found.asked, len(provider.calls), len(merged.texts)) == (1, 1, len(pairs.texts) + 3)
    assert found.spent.calls >= 6


def test_a_teacher_that_does_not_answer_ends_it_and_what_there_is_counts(tmp_path) -> None:
    _, found, merged = ask(pairs_of(), 9, FakeProvider("refund", default=LIMITED), tmp_path)
    assert found.asked == 1 + asking.FAILURES
    assert found.stopped == "openai/gpt-5.5 gave no whole answer 5 times in a row (RateLimitError)."
    assert len(merged.texts) == 11


def test_what_greenai_refuses_at_first_is_raised_and_later_counted(tmp_path) -> None:
    with pytest.raises(MissingKey):
        ask(pairs_of(), 3, FakeProvider(MissingKey("no key"), default="refund"), tmp_path)
    _, found, _ = ask(pairs_of(), 3, FakeProvider("refund", EngineError("gone"), default="refund"), tmp_path)
    assert found.failed == {"EngineError": 1}
    assert found.asked == 3


def test_an_answer_is_limited_where_a_model_does_not_think(tmp_path) -> None:
    provider = FakeProvider(default="refund")
    ask(pairs_of(), 1, provider, tmp_path)
    assert provider.calls[0].draft.arguments["max_completion_tokens"] == asking.MOST_TOKENS
    ask(pairs_of(reasoning_effort="high"), 1, provider, tmp_path)
    assert "max_completion_tokens" not in provider.calls[1].draft.arguments


def test_it_is_asked_as_the_log_asked_and_the_energy_has_an_interval(tmp_path) -> None:
    provider = FakeProvider(default="refund")
    plan, found, _ = ask(pairs_of(temperature=0), 3, provider, tmp_path)
    assert [call.draft.arguments["temperature"] for call in provider.calls] == [0, 0, 0]
    assert [call.draft.messages[0]["content"] for call in provider.calls] == [asked("")[0]["content"]] * 3
    assert 0 < found.reading.low_j < found.reading.energy_j < found.reading.high_j
    assert 0 < plan.expected.low_j < plan.expected.energy_j < plan.expected.high_j
    assert found.each.energy_j == pytest.approx(found.reading.energy_j / 3)


def test_the_logs_own_answers_of_another_model_are_not_asked_again(tmp_path) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask(pairs_of(), 3, FakeProvider(), tmp_path, models=("gpt-4o",))
    assert str(refused.value) == (
        "All prompts of the template were answered by gpt-4o, and openai/gpt-5.5 is another model: how often it says "
        "something else is not how often that one slips. Write --teacher gpt-4o, or leave --labels out."
    )
    assert asking.same_model("gpt-5.5", "openai/gpt-5.5")
    assert asking.same_model("house/own-1", "own-1")
    assert not asking.same_model("gpt-5.5", "openai/gpt-5.4-nano")


def test_a_prompt_that_was_answered_another_time_is_no_unanswered_one() -> None:
    (call,) = [*logged(count=1)]
    failed = Logged(where="log:0", created=1.0, messages=call.messages, answer=None, model="gpt-5.5", ok=False)
    assert collect([failed, call], TEMPLATE).unanswered == ()
    (once,) = collect([*ONE, *ONE], TEMPLATE).unanswered
    assert (once.slots, once.place) == (("late",), 0)


def test_what_another_model_failed_to_answer_can_be_asked_and_its_answers_are_left_out() -> None:
    first, second, third = logged(count=3)
    failed = replace(second, model="gpt-4o-mini", answer=None, ok=False, arguments={"temperature": 1})
    found = collect([first, failed, replace(third, model="gpt-4o-mini")], TEMPLATE, "large")
    assert len(found.texts) == len(found.unanswered) == 1
    assert found.arguments == {}
    assert found.left_out == {"of other models": 1, "no whole answer": 1}

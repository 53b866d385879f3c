"""A function whose client knows nothing of greenai: it is metered, booked, cached and adjusted all the same."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

import greenai
from greenai import BudgetExceeded, Client, OptInRequired, collecting, green
from greenai.integrations import decorated
from greenai.testing import offline
from tests.servers import completion_body

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


def completion(text: str = "Paris.", model: str = "gpt-5.5") -> ChatCompletion:
    return ChatCompletion.model_validate(completion_body(text, model=model))


class Recorded(list[dict[str, Any]]):
    """A function of an app's, with the arguments of each of its calls."""

    def __call__(
        self,
        messages: list[dict[str, Any]],
        model: str = "gpt-5.5",
        *,
        temperature: float | None = 0,
        reasoning_effort: str | None = None,
        max_tokens: int | None = None,
    ) -> ChatCompletion:
        self.append(
            {"model": model, "messages": messages, "reasoning_effort": reasoning_effort, "max_tokens": max_tokens}
        )
        return completion(model=model)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


# --- metering -----------------------------------------------------------------------------


def test_the_returned_usage_is_metered_and_the_receipt_hangs_on_the_response(recorded: Recorded) -> None:
    answered: Any = green(project="bot")(recorded)(QUESTION)
    receipt = answered.greenai
    assert (receipt.project, receipt.model, receipt.outcome) == ("bot", "openai/gpt-5.5", "large")
    assert (receipt.attempts[0].usage.input_tokens, receipt.attempts[0].usage.output_tokens) == (11, 5)
    assert receipt.energy.energy_j > 0
    assert greenai.last_receipt() is receipt


def test_it_is_booked_on_the_ledger_once(recorded: Recorded) -> None:
    receipt = green(recorded)(QUESTION).greenai  # type: ignore[attr-defined]
    row = decorated.session_of(None).resources.ledger.call(receipt.call_id)
    assert row is not None
    assert (row["project"], row["model"]) == ("default", "openai/gpt-5.5")


def test_a_local_model_that_the_function_asks_elsewhere_is_not_started_here() -> None:
    @green
    def asked(messages: list[dict[str, Any]], model: str = "local/smollm2-135m") -> ChatCompletion:
        return completion(model="smollm2-135m")  # as a gateway's answer names it

    receipt = asked(QUESTION).greenai  # type: ignore[attr-defined]
    assert (receipt.model, receipt.energy.method) == ("local/smollm2-135m", "physics-cpu-1")
    assert receipt.overhead.load_ms == 0


def test_a_function_without_a_model_is_metered_as_what_it_says_that_it_asked() -> None:
    @green
    async def reply(prompt: str) -> ChatCompletion:
        return completion(model="gpt-5.4-nano-2026-03-05")

    receipt = asyncio.run(reply("Hi there.")).greenai  # type: ignore[attr-defined]
    assert receipt.model == "openai/gpt-5.4-nano"
    assert receipt.energy.energy_j > 0


def test_text_is_counted() -> None:
    @green
    def reply(prompt: str, model: str = "gpt-5.5") -> str:
        return "Paris is the capital of France."

    assert reply("What is the capital of France?") == "Paris is the capital of France."
    receipt = reply.last_receipt()
    assert receipt is not None
    assert (receipt.model, receipt.attempts[0].usage.estimated) == ("openai/gpt-5.5", True)


def test_what_says_nothing_of_a_models_work_is_told_once_and_not_booked(caplog: pytest.LogCaptureFixture) -> None:
    @green
    def reply(prompt: str) -> object:
        return object()

    with caplog.at_level(logging.WARNING), collecting() as receipts:
        reply("Hi.")
        reply("Hi.")
    assert receipts == []
    assert reply.last_receipt() is None
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        (
            "it returns object, which says nothing of a model's work, so its calls have no receipt. Return the provider's "
            "response or its text, or call a client that passes greenai inside it: client = greenai.wrap(client)."
        )
    ]


def test_a_first_call_through_a_client_of_greenais_leaves_no_trace_of_its_own() -> None:
    seen: list[str] = []
    with offline() as client:

        @green
        def reply(prompt: str, model: str = "gpt-5.5") -> str:
            return client.ask(prompt, model=model).text

        class Watching:
            def finished(self, receipt: Any, _asked: Any) -> None:
                seen.append(receipt.model)

            def failed(self, error: BaseException, _asked: Any) -> None:
                seen.append(repr(error))

        remove = greenai.hooks.observe(Watching())
        try:
            reply("Tell me a story about a dragon.")
        finally:
            remove()
    assert len(seen) == 1
    assert not seen[0].startswith("function/")


# --- errors -------------------------------------------------------------------------------


def test_what_it_raises_is_what_its_caller_gets() -> None:
    raised = ValueError("of the app's own")

    @green
    def reply(prompt: str) -> str:
        raise raised

    with pytest.raises(ValueError, match="of the app's own") as caught:
        reply("Hi.")
    assert caught.value is raised
    assert reply.last_receipt() is None


@pytest.mark.parametrize("awaited", [False, True])
def test_a_stop_iteration_of_its_own_comes_through(*, awaited: bool) -> None:
    def stops(prompt: str) -> str:
        raise StopIteration(prompt)

    async def astops(prompt: str) -> str:
        raise StopAsyncIteration(prompt)

    if awaited:
        with pytest.raises(StopAsyncIteration):
            asyncio.run(green(astops)("Hi."))
    else:
        with pytest.raises(StopIteration):
            green(stops)("Hi.")


def test_a_spent_budget_refuses_before_it_runs(recorded: Recorded) -> None:
    reply = green(budget="0.001 mWh", when_spent="refuse")(recorded)
    with pytest.raises(BudgetExceeded, match=r"its budget of 0\.001 mWh"):
        reply(QUESTION)
    assert recorded == []


def test_a_client_inside_needs_the_budget_once(tmp_path: Path) -> None:
    settings = {"state_dir": str(tmp_path)}
    with Client(api_key="none", base_url="http://127.0.0.1:9/v1", max_retries=0, settings=settings) as client:

        @green(budget="1 call", when_spent="refuse", settings=settings)
        def reply(prompt: str) -> str:
            return client.ask(prompt, model="some-model").text

        for _ in range(2):
            with pytest.raises(openai.APIConnectionError):
                reply("Tell me a story about a dragon.")


def test_its_use_is_counted_in_its_budget(recorded: Recorded) -> None:
    receipt = green(budget="1000 Wh")(recorded)(QUESTION).greenai  # type: ignore[attr-defined]
    assert receipt.budget is not None
    assert receipt.budget.budget == "1000 Wh"
    assert receipt.budget.left < receipt.budget.limit


def test_a_missing_opt_in_refuses_before_it_runs(recorded: Recorded) -> None:
    reply = green(settings={"strict_opt_in": True, "without_opt_in": "refuse"})(recorded)
    with pytest.raises(OptInRequired):
        reply(QUESTION, reasoning_effort="high")
    assert recorded == []


def test_a_cancelled_call_is_cancelled() -> None:
    async def main() -> bool:
        begun = asyncio.Event()

        @green
        async def reply(prompt: str) -> str:
            begun.set()
            await asyncio.sleep(60)
            return prompt

        task = asyncio.create_task(reply("Hi."))
        await begun.wait()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    assert asyncio.run(main())


# --- adjusting ----------------------------------------------------------------------------


def test_reasoning_is_switched_off_where_it_has_an_argument_for_it_and_nobody_asked(recorded: Recorded) -> None:
    reply = green(recorded)
    reply(QUESTION)
    reply(QUESTION, reasoning_effort="high")
    green(opt_in="reasoning", reason="a test")(recorded)(QUESTION, reasoning_effort="low")
    assert [call["reasoning_effort"] for call in recorded] == ["none", "high", "low"]


def test_what_it_does_not_name_is_not_sent_and_not_told() -> None:
    seen: list[dict[str, Any]] = []

    @green
    def reply(messages: list[dict[str, Any]], model: str = "gpt-5.5", **options: Any) -> ChatCompletion:
        seen.append(options)
        return completion()

    receipt = reply(QUESTION).greenai  # type: ignore[attr-defined]
    assert seen == [{}]
    assert receipt.nudges == ()


def test_positional_arguments_stay_positional_ones() -> None:
    seen: list[tuple[Any, ...]] = []

    @green
    def reply(messages: list[dict[str, Any]], /, model: str, *rest: str, reasoning_effort: str | None = None) -> str:
        seen.append((model, rest, reasoning_effort))
        return "Paris."

    reply(QUESTION, "gpt-5.5", "a", "b")
    assert seen == [("gpt-5.5", ("a", "b"), "none")]


def test_another_model_answers_only_where_the_settings_name_a_ladder(recorded: Recorded) -> None:
    green(recorded)(QUESTION)
    ladder = {"ladder": ["openai/gpt-5.4-nano", "openai/gpt-5.5"]}
    receipt = green(settings=ladder)(recorded)(QUESTION).greenai  # type: ignore[attr-defined]
    assert [call["model"] for call in recorded] == ["gpt-5.5", "gpt-5.4-nano"]
    assert (receipt.model, receipt.requested_model) == ("openai/gpt-5.4-nano", "openai/gpt-5.5")


def test_models_of_other_providers_are_never_handed_to_it(recorded: Recorded) -> None:
    ladder = {"ladder": ["anthropic/claude-haiku-4-5", "openai/gpt-5.5"]}
    green(settings=ladder)(recorded)(QUESTION)
    assert [call["model"] for call in recorded] == ["gpt-5.5"]


def test_observing_changes_nothing(recorded: Recorded) -> None:
    green(settings={"observe": True})(recorded)(QUESTION)
    assert recorded == [{"model": "gpt-5.5", "messages": QUESTION, "reasoning_effort": None, "max_tokens": None}]


# --- the cache ----------------------------------------------------------------------------


def test_nothing_is_stored_where_nobody_asked(recorded: Recorded) -> None:
    reply = green(recorded)
    reply(QUESTION)
    reply(QUESTION)
    assert len(recorded) == 2


def test_an_equal_call_is_answered_from_the_cache_by_the_same_class(recorded: Recorded) -> None:
    reply = green(cache="auto")(recorded)
    first, second = reply(QUESTION), reply(messages=QUESTION)
    assert len(recorded) == 1
    assert type(second) is ChatCompletion
    assert second.choices[0].message.content == first.choices[0].message.content == "Paris."
    assert second.greenai.outcome == "cache"  # type: ignore[attr-defined]
    assert second.greenai.avoided is not None  # type: ignore[attr-defined]


def test_every_argument_counts_and_every_function_is_apart() -> None:
    calls: list[Any] = []

    @green(cache=True)
    def reply(prompt: str, style: str = "plain") -> dict[str, str]:
        calls.append(style)
        return {"text": prompt, "style": style}

    @green(cache=True)
    def other(prompt: str, style: str = "plain") -> dict[str, str]:
        calls.append("other")
        return {"text": prompt}

    question = "What is the capital of France?"
    assert [reply(question)["style"], reply(question, "plain")["style"], reply(question, "odd")["style"]] == [
        "plain",
        "plain",
        "odd",
    ]
    other(question)
    assert calls == ["plain", "odd", "other"]


def test_what_is_no_json_is_told_once_and_not_stored(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Any] = []

    @green(cache=True)
    def reply(prompt: str, where: object) -> str:
        calls.append(where)
        return "Paris."

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            reply("What is the capital of France?", object())
    assert len(calls) == 2
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "an argument is no JSON, so nothing is stored in the cache."
    ]


def test_the_cache_is_of_one_project() -> None:
    calls: list[int] = []

    def reply(prompt: str) -> str:
        calls.append(1)
        return "Paris."

    for project in ("one", "other", "one"):
        green(project=project, cache=True)(reply)("What is the capital of France?")
    assert len(calls) == 2


def test_async_functions_share_it() -> None:
    calls: list[int] = []

    @green(cache="auto")
    async def reply(prompt: str, temperature: float = 0) -> ChatCompletion:
        calls.append(1)
        return completion()

    async def main() -> list[str | None]:
        return [(await reply("What is the capital of France?")).choices[0].message.content for _ in range(2)]

    assert asyncio.run(main()) == ["Paris.", "Paris."]
    assert len(calls) == 1


def test_clients_inside_keep_their_own_cache_by_its_option() -> None:
    with offline() as client:

        @green(cache="off")
        def reply(prompt: str) -> str:
            return client.ask(prompt, temperature=0).greenai.outcome

        question = "Translate the word house into French."
        outcomes = [reply(question), reply(question), client.ask(question, temperature=0).greenai.outcome]
    assert "cache" not in outcomes


def test_an_openai_client_inside_is_the_apps_own_affair() -> None:
    bare = openai.OpenAI(api_key="key", base_url="http://127.0.0.1:9/v1", max_retries=0)

    @green
    def reply(prompt: str) -> ChatCompletion:
        return bare.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": prompt}])

    with bare, pytest.raises(openai.APIConnectionError):
        reply("Hi.")
    assert isinstance(decorated.session_of(None).resources.settings, greenai.Settings)
    assert Client is greenai.Client

"""Functions of the app as answerers: where they answer, what a receipt says, and what happens when they fail."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from greenai import AsyncClient, Client, InvalidRequest
from greenai.answerers.calibration import STRICT
from greenai.testing import FakeProvider, error, offline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = ["when do you open on sunday", "opening hours", "what time do you close"]
QUESTION = "When do you open on Sunday?"
HOURS = "We open at nine."


def messages(*before: tuple[str, str], question: str = QUESTION) -> Any:
    return [*({"role": role, "content": text} for role, text in before), {"role": "user", "content": question}]


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(default="A model said so.")


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Client]:
    with offline(provider) as opened:
        yield opened


def hours(client: Client | AsyncClient, said: Callable[[str], Any] = lambda _: HOURS, **options: Any) -> None:
    client.answerer(examples=EXAMPLES, name="hours", **options)(said)


# --- where it answers -----------------------------------------------------------------------


def test_function_answers_through_ask_and_says_why(client: Client, provider: FakeProvider) -> None:
    asked: list[str] = []

    @client.answerer(examples=EXAMPLES)
    def opening_hours(question: str) -> str:
        asked.append(question)
        return HOURS

    answer = client.ask(QUESTION)
    receipt = answer.greenai
    assert (answer.text, receipt.outcome, receipt.model) == (HOURS, "answerer", "greenai/registered:opening_hours")
    assert asked == [QUESTION]
    (check,) = receipt.decision.checks
    assert receipt.decision.reasons == (
        (
            'The question is like "when do you open on sunday" of registered:opening_hours: similarity 1.00 '
            f"(from {check.threshold:.2f} on)."
        ),
        "greenai/registered:opening_hours answered; no language model was asked.",
        "To have a model answer instead: client.with_options(substitute=False).",
    )
    assert (check.name, check.source) == (
        "similarity to registered:opening_hours",
        'example: "when do you open on sunday"',
    )
    assert check.value >= check.threshold
    assert provider.calls == []
    assert receipt.attempts == ()
    assert receipt.energy == receipt.overhead.energy
    assert opening_hours(QUESTION) == HOURS  # the decorator gives the function back


def test_function_answers_through_create_beside_a_system_prompt(client: Client, provider: FakeProvider) -> None:
    hours(client)
    response = client.chat.completions.create(model="gpt-5.5", messages=messages(("system", "You are a shop.")))
    assert response.choices[0].message.content == HOURS
    assert (response.model, response.greenai.outcome) == ("greenai/registered:hours", "answerer")
    assert provider.calls == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"messages": messages(("user", "Hello"), ("assistant", "Hello!"))},
        {"messages": messages(), "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"messages": messages(), "response_format": {"type": "json_object"}},
        {"messages": messages(), "n": 2},
        {"messages": messages(), "model": "gpt-5.5-2026-04-23"},
        {"messages": messages(), "greenai": {"substitute": False}},
        {"messages": messages(question="Write a poem about the sea")},
    ],
)
def test_model_answers_what_is_not_plainly_the_functions(
    client: Client, provider: FakeProvider, arguments: dict[str, Any]
) -> None:
    hours(client)
    response = client.chat.completions.create(**{"model": "gpt-5.5", **arguments})
    assert response.greenai.outcome in ("small", "large")
    assert provider.calls


def test_escalation_asks_a_model(client: Client, provider: FakeProvider) -> None:
    hours(client)
    again = client.escalate(client.ask(QUESTION))
    assert again.greenai.outcome in ("small", "large")
    assert len(provider.calls) == 1


@pytest.mark.parametrize("entry", ["ask", "create"])
def test_streams_carry_the_answer(client: Client, entry: str) -> None:
    hours(client)
    if entry == "ask":
        pieces = client.ask(QUESTION, stream=True)
        assert "".join(pieces) == HOURS
    else:
        pieces = client.chat.completions.create(model="gpt-5.5", messages=messages(), stream=True)  # type: ignore[assignment]
        assert "".join(c.choices[0].delta.content or "" for c in pieces if c.choices) == HOURS  # type: ignore[attr-defined]
    assert pieces.greenai is not None
    assert pieces.greenai.outcome == "answerer"


def test_copies_share_what_is_registered(client: Client) -> None:
    copy = client.with_options(quality="high")
    hours(copy)
    assert client.ask(QUESTION).text == HOURS


def test_explain_runs_nothing_and_says_what_would_answer(client: Client) -> None:
    ran: list[str] = []
    hours(client, lambda q: ran.append(q) or HOURS)  # type: ignore[func-returns-value]
    decision = client.explain(QUESTION)
    assert (decision.outcome, decision.route, ran) == ("answerer", (), [])
    assert decision.reasons == (
        (
            'The question is like "when do you open on sunday" of registered:hours: similarity 1.00 '
            f"(from {decision.checks[0].threshold:.2f} on). "
            "greenai/registered:hours would be asked first, and a model only where it has no answer."
        ),
    )


def test_observing_runs_nothing_and_says_what_would_have_answered(provider: FakeProvider) -> None:
    ran: list[str] = []
    with offline(provider, observe=True) as client:
        hours(client, lambda q: ran.append(q) or HOURS)  # type: ignore[func-returns-value]
        receipt = client.ask(QUESTION).greenai
    assert ran == []
    assert (receipt.outcome, receipt.decision.outcome, receipt.decision.observed) == ("large", "answerer", True)


# --- what it returns ------------------------------------------------------------------------


def test_none_lets_the_next_rung_try(client: Client, provider: FakeProvider) -> None:
    hours(client, lambda _: None)
    receipt = client.ask("What are your opening hours, roughly?").greenai
    assert "greenai/registered:hours was asked first and had no answer." in receipt.decision.reasons


def test_failure_never_costs_the_answer(
    client: Client, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(question: str) -> str:
        raise ConnectionError(question)

    client.answerer(examples=["cancel my plan", "end my membership", "stop my subscription"], name="plans")(broken)
    answer = client.ask("how do I end my membership")
    assert answer.text == "A model said so."
    assert answer.greenai.warnings == ("greenai/registered:plans failed (ConnectionError) and was passed over.",)
    assert caplog.messages == ["greenai/registered:plans failed (ConnectionError) and was passed over."]


@pytest.mark.parametrize("said", [3, b"text", ["a"]])
def test_what_is_no_text_counts_as_a_failure(client: Client, said: object) -> None:
    client.answerer(examples=["cancel my plan"], name="plans")(lambda _: said)  # type: ignore[arg-type,return-value]
    assert client.ask("Cancel my plan").greenai.warnings == (
        "greenai/registered:plans failed (InvalidRequest) and was passed over.",
    )


def test_a_function_that_declined_is_not_asked_again_when_a_sibling_is_denied(client: Client) -> None:
    ran: list[str] = []
    with offline(FakeProvider(error(403), "Told.")) as denied:
        denied.answerer(examples=["cancel my plan"])(ran.append)  # type: ignore[arg-type,func-returns-value]
        assert denied.ask("cancel my plan", model="gpt-5.5").text == "Told."
    assert len(ran) == 1


# --- async ----------------------------------------------------------------------------------


async def _slow(question: str) -> str:
    del question
    await asyncio.sleep(0.05)
    return HOURS


def test_async_function_is_awaited_by_both_clients(client: Client) -> None:
    hours(client, _slow)
    receipt = client.ask(QUESTION).greenai
    assert receipt.outcome == "answerer"
    assert receipt.overhead.duration_ms < 50  # waiting is not work

    async def both() -> tuple[str, str]:
        async with offline(client=AsyncClient) as other:
            hours(other, _slow)
            return (await other.ask(QUESTION)).text, client.ask(QUESTION).text  # the second: a loop is running here

    assert asyncio.run(both()) == (HOURS, HOURS)


def test_sync_function_does_not_hold_up_the_loop() -> None:
    threads: list[str] = []

    def blocking(question: str) -> str:
        del question
        threads.append(threading.current_thread().name)
        time.sleep(0.05)
        return HOURS

    async def run() -> list[str]:
        async with offline(client=AsyncClient) as client:
            hours(client, blocking)
            return [a.text for a in await asyncio.gather(*(client.ask(QUESTION) for _ in range(4)))]

    assert asyncio.run(run()) == [HOURS] * 4
    assert all(name.startswith("greenai") for name in threads)


def test_async_function_ends_with_the_calls_deadline(client: Client) -> None:
    async def hangs(question: str) -> str:
        del question
        await asyncio.sleep(30)
        return HOURS

    client.answerer(examples=["cancel my plan"], name="plans")(hangs)
    started = time.perf_counter()
    receipt = client.ask("cancel my plan", timeout=0.2).greenai
    assert time.perf_counter() - started < 5
    assert receipt.warnings == ("greenai/registered:plans failed (TimeoutError) and was passed over.",)


def test_cancelled_call_cancels_the_function() -> None:
    ended: list[str] = []

    async def hangs(question: str) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append(question)
            raise
        return HOURS

    async def run() -> None:
        async with offline(client=AsyncClient) as client:
            hours(client, hangs)
            task = asyncio.create_task(client.ask(QUESTION))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert ended == [QUESTION]


def test_a_cancelled_task_of_the_functions_own_is_a_failure_and_not_the_calls_end() -> None:
    async def inner(question: str) -> str:
        own = asyncio.ensure_future(asyncio.sleep(30))
        asyncio.get_running_loop().call_soon(own.cancel)
        await own
        return question

    def sync(question: str) -> str:
        raise asyncio.CancelledError(question)

    async def run() -> list[tuple[str, ...]]:
        async with offline(client=AsyncClient) as client:
            hours(client, inner)
            client.answerer(examples=["cancel my plan"], name="plans")(sync)
            return [(await client.ask(q)).greenai.warnings for q in (QUESTION, "cancel my plan")]

    assert asyncio.run(run()) == [
        ("greenai/registered:hours failed (CancelledError) and was passed over.",),
        ("greenai/registered:plans failed (CancelledError) and was passed over.",),
    ]


# --- cache ----------------------------------------------------------------------------------


def test_answers_are_not_stored_unless_the_function_says_that_they_last(client: Client) -> None:
    counts = {"now": 0, "ever": 0}

    def counting(name: str) -> Callable[[str], str]:
        def said(question: str) -> str:
            counts[name] += 1
            return question

        return said

    client.answerer(examples=["cancel my plan"], name="now")(counting("now"))
    client.answerer(examples=["who founded this company"], name="ever", volatile=False)(counting("ever"))
    outcomes = [client.ask(q).greenai.outcome for q in ("cancel my plan", "who founded this company") for _ in "12"]
    assert outcomes == ["answerer", "answerer", "answerer", "cache"]
    assert counts == {"now": 2, "ever": 1}


def test_what_a_model_said_before_a_function_was_registered_is_not_given_again(client: Client) -> None:
    assert client.ask("end my membership").greenai.outcome == "small"
    assert client.ask("end my membership").greenai.outcome in ("small", "cache")
    client.answerer(examples=["end my membership"])(lambda _: "It is ended.")
    assert client.ask("end my membership").text == "It is ended."


# --- registering ----------------------------------------------------------------------------


def test_mistakes_are_told(client: Client) -> None:
    hours(client)
    with pytest.raises(InvalidRequest) as taken:
        hours(client)
    assert str(taken.value) == ('An answerer with the name "hours" is registered already. Pass another: name="...".')
    for examples in ([], "weather", None, {"weather": 1}):
        with pytest.raises(InvalidRequest) as none:
            client.answerer(examples=examples)  # type: ignore[arg-type]
        assert str(none.value) == (
            "examples must be a list of texts, none of them empty: questions as users ask them, three or more."
        )
    with pytest.raises(InvalidRequest, match=r"^threshold='x' is no similarity. Pass a number from 0 to 1, or None.$"):
        hours(client, threshold="x")
    with pytest.raises(InvalidRequest) as share:
        hours(client, threshold=80)
    assert str(share.value) == "threshold=80 is no similarity. Pass a number from 0 to 1, or None."


def test_prepare_tells_the_thresholds(client: Client) -> None:
    assert client.prepare() == {}
    hours(client, threshold=0.9)
    client.answerer(examples=["cancel my plan"], name="plans")(lambda _: "")
    found = client.prepare()
    assert found["registered:hours"] == pytest.approx(0.9)
    assert found["registered:plans"] >= STRICT - 1e-6
    assert len(found) == 2


def test_nothing_registered_costs_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(client._session.resources.own, "is_due", forbidden)
    assert client.ask("Say hello to Ada.").text == "A model said so."

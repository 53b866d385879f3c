"""Live data without anything that knows them: what `ask` says, what `create` does, and what brings the facts along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from greenai import Client
from greenai.testing import FakeProvider, offline

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = "What is the weather in Paris today?"
LOOKUP = """This needs live data, which no model knows, so none was asked. Register a function that knows it:

@client.answerer(examples=["What is the weather in Paris today?"])
def look_up(question):
    return ...  # the text of the answer, or None

Or put the facts into the question; or have a model answer all the same: \
client.with_options(substitute=False).ask(...)."""


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(default="A model said so.")


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Client]:
    with offline(provider) as opened:
        yield opened


def test_ask_says_what_is_missing_and_how_to_register_it(client: Client, provider: FakeProvider) -> None:
    answer = client.ask(QUESTION)
    receipt = answer.greenai
    assert (answer.text, receipt.outcome, receipt.model) == (LOOKUP, "lookup_needed", "greenai/lookup")
    assert provider.calls == []
    assert receipt.avoided is None  # nothing was answered
    assert receipt.attempts == ()
    (check,) = receipt.decision.checks
    assert check.name == "live data"
    assert check.value >= check.threshold
    assert receipt.decision.reasons == (
        (
            f"The question asks for live data (probability {check.value:.2f}, from {check.threshold:.2f} on), which no "
            "model knows; none was asked."
        ),
        "To have a model answer instead: client.with_options(substitute=False).",
    )
    assert "".join(client.ask(QUESTION, stream=True)) == LOOKUP
    assert client.explain(QUESTION).outcome == "lookup_needed"


def test_a_long_question_is_quoted_in_short(client: Client) -> None:
    question = "What is the weather in Paris today, and the traffic on the ring road right now, and who said so?"
    assert f'(examples=["{question[:77]}..."])' in client.ask(question).text


def test_create_asks_the_model_and_flags_it(client: Client, provider: FakeProvider) -> None:
    response = client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": QUESTION}])
    assert len(provider.calls) == 1
    assert response.greenai.warnings == (
        "The question seems to ask for live data, which a model without a tool cannot know.",
    )


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        (QUESTION, {"web_search_options": {}}),
        (QUESTION, {"tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}]}),
        (QUESTION, {"greenai": {"substitute": False}}),
        (QUESTION, {"system": "Forecasts of today. Paris: 21 degrees at 12, 23 at 15, 19 at 18 o'clock."}),
        (f"{QUESTION} Monday 21 degrees, Tuesday 23, Wednesday 19.", {}),
        (f"{QUESTION}\nIt is warm and dry, says the radio.", {}),
        ("Write a poem about the weather today", {}),
        ("What is the capital of France?", {}),
    ],
)
def test_a_model_is_asked_where_the_facts_may_come_along(
    client: Client, provider: FakeProvider, question: str, arguments: dict[str, Any]
) -> None:
    assert client.ask(question, **arguments).text == "A model said so."
    assert len(provider.calls) == 1


def test_registered_answerer_knows_it(client: Client) -> None:
    client.answerer(examples=["what is the weather in paris today", "weather in rome", "will it rain today"])(
        lambda _: "Dry, 21 degrees."
    )
    answer = client.ask(QUESTION)
    assert (answer.text, answer.greenai.outcome) == ("Dry, 21 degrees.", "answerer")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "greenai/registered:weather was asked first and had no answer."),
        (ConnectionError("down"), "greenai/registered:weather failed (ConnectionError) and was passed over."),
    ],
)
def test_answerer_without_an_answer_leaves_the_question_open(
    client: Client, provider: FakeProvider, error: Exception | None, said: str
) -> None:
    def weather(question: str) -> str | None:
        del question
        if error is not None:
            raise error
        return None

    client.answerer(examples=["what is the weather in paris today"])(weather)
    answer = client.ask(QUESTION)
    assert answer.greenai.outcome == "lookup_needed"
    assert answer.text == f"{said} {LOOKUP}"
    assert provider.calls == []


def test_observing_asks_the_model_and_says_what_would_have_been_said(provider: FakeProvider) -> None:
    with offline(provider, observe=True) as client:
        receipt = client.ask(QUESTION).greenai
    assert (receipt.outcome, receipt.decision.outcome) == ("large", "lookup_needed")
    assert len(provider.calls) == 1


def test_the_clock_comes_first(client: Client) -> None:
    assert client.ask("What time is it?").greenai.outcome == "answerer"

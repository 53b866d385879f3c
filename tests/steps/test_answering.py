"""Before the route: live data without anything that knows them, and a classifier that fails."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from greenai import Client
from greenai.classify import Classifier
from greenai.testing import FakeProvider, offline

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = "What is the weather in Paris today?"
LOOKUP = (
    "This needs live data (such as the weather, prices, opening hours or the state of an order), "
    "which this assistant does not have."
)
HOW = """Register a function that knows it, or put the facts into the question:
@client.answerer(examples=["What is the weather in Paris today?"])
def look_up(question):
    return ...  # the text of the answer, or None"""


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(default="A model said so.")


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Client]:
    with offline(provider) as opened:
        yield opened


def test_ask_says_what_is_missing_and_the_receipt_how_to_register_it(client: Client, provider: FakeProvider) -> None:
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
        HOW,
        "To have a model answer instead: client.with_options(substitute=False).",
    )
    assert "".join(client.ask(QUESTION, stream=True)) == LOOKUP
    decision = client.explain(QUESTION)
    assert (decision.outcome, decision.reasons[1]) == ("lookup_needed", HOW)


def test_a_long_question_is_quoted_in_short(client: Client) -> None:
    question = "What is the weather in Paris today, and the traffic on the ring road right now, and who said so?"
    assert f'(examples=["{question[:77]}..."])' in client.ask(question).greenai.decision.reasons[1]


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
    assert (answer.greenai.outcome, answer.text) == ("lookup_needed", LOOKUP)
    assert said in (*answer.greenai.decision.reasons, *answer.greenai.warnings)
    assert answer.greenai.decision.reasons[-2:] == (
        "What is registered for it did not answer: mend it and ask again, or put the facts into the question.",
        "To have a model answer instead: client.with_options(substitute=False).",
    )
    assert provider.calls == []


def test_a_pinned_model_is_asked_and_flagged(client: Client, provider: FakeProvider) -> None:
    answer = client.ask(QUESTION, model="vllm/acme-7b")
    assert (answer.text, provider.models) == ("A model said so.", ["vllm/acme-7b"])
    assert "The question seems to ask for live data, which a model without a tool cannot know." in (
        answer.greenai.warnings
    )


@pytest.mark.parametrize("model", ["auto", "gpt-5.5"])
def test_a_ceiling_is_not_asked_for_live_data(client: Client, provider: FakeProvider, model: str) -> None:
    assert client.ask(QUESTION, model=model).text == LOOKUP
    assert provider.calls == []


@pytest.mark.parametrize(
    "text",
    [
        "Say hi to Ann now.",
        "Thank the customer for waiting today.",
        "Summarize: the weather in Paris is sunny today.",
        "My order has not arrived yet.",
    ],
)
def test_wishes_and_statements_need_no_live_data(client: Client, text: str) -> None:
    assert client.ask(text).text == "A model said so."


@pytest.mark.parametrize("text", ["What's the weather in Montreal?", "What are my pharmacy's hours?"])
def test_questions_for_live_data_need_them(client: Client, text: str) -> None:
    assert client.ask(text).text == LOOKUP


def test_observing_asks_the_model_and_says_what_would_have_been_said(provider: FakeProvider) -> None:
    with offline(provider, observe=True) as client:
        receipt = client.ask(QUESTION).greenai
    assert (receipt.outcome, receipt.decision.outcome) == ("large", "lookup_needed")
    assert len(provider.calls) == 1


def test_the_clock_comes_first(client: Client) -> None:
    assert client.ask("What time is it?").greenai.outcome == "answerer"


# --- ordinary prompts and live ones ---------------------------------------------------------

ORDINARY = (
    "hi there!",
    "Tell me a joke",
    "Tell me another joke",
    "Write a new poem about the sea",
    "Write a poem about today's weather",
    "Suggest a unique name for my cat",
    "Give me a random fun fact about octopuses",
    "Delete duplicates in a list in Python, how?",
    "Add a docstring to this function",
    "Call of Duty: who developed it?",
    "Book recommendations for a long train ride?",
    "Order these by length: fig, banana, apple",
    "Play on words: what is a pun?",
    "Open the discussion: is homework useful?",
    "Set theory: what is a power set?",
    "Schedule a study plan for learning French",
    "Remind me what a gerund is",
    "Send-off message for a colleague who retires",
    "Buy or rent: what are the arguments?",
    "Cancel culture: explain both sides",
    "Transfer learning, in two sentences",
    "Who wrote Hamlet?",
    "Who is the president of France?",
    "Prove that sqrt(2) is irrational",
    "Explain photosynthesis to a ten-year-old",
    "Explain what opening hours means in Spanish",
    "What should I cook tonight?",
    "How do weather forecasts work?",
    "What was the price of bread in 1920?",
    "How is inflation measured?",
    "Why do stock prices fall when interest rates rise?",
    "Draft an email asking to move tomorrow's meeting to Friday",
    "Translate 'the shop closes at nine today' to German",
    "Translate 'what is the weather today' to Spanish.",
    "Rewrite this more politely: send it now.",
    "What role does television play in today's society?",
    "What is a good score in bowling?",
    "How do I schedule a cron job at midnight?",
    "Write a regular expression that finds prices",
    "Write a SQL query for the latest order of each customer",
    "What is the boiling point of water at high altitude?",
    "Give me three ideas for a birthday party this weekend",
    "How many players are on a football team?",
    "What is the current in a circuit with 12 V and 4 ohms?",
    "How do traffic lights know when to change?",
    "What causes traffic jams?",
    "Which came first, the train or the bus?",
    "How do I check the current directory in bash?",
    "What is the best time of day to drink coffee?",
    "What is the population of Norway?",
)
LIVE = (
    "What is the weather in Paris today?",
    "what's the weather like",
    "Will it rain in Oslo tomorrow?",
    "What is the weather forecast for Madrid this weekend?",
    "What are the opening hours of the city library today?",
    "Is the pharmacy on Main Street open now?",
    "What is the price of bitcoin right now?",
    "What is the price of gold today?",
    "What is the petrol price at the moment?",
    "What is Tesla stock trading at?",
    "What is the exchange rate of the euro to the dollar today?",
    "What is the live score of the Arsenal match?",
    "How is the traffic on the M25 right now?",
    "Is flight BA 117 on time?",
    "Is the train to Leeds delayed at the moment?",
    "What are today's headlines?",
    "What is the temperature outside right now?",
    "Who won last night's game?",
    "What is the latest score in the cricket?",
)


@pytest.mark.parametrize("question", ORDINARY)
def test_an_ordinary_prompt_is_never_taken_for_live_data(client: Client, question: str) -> None:
    assert client.ask(question).greenai.outcome != "lookup_needed"


@pytest.mark.parametrize("question", LIVE)
def test_live_data_are_never_asked_of_a_model(client: Client, provider: FakeProvider, question: str) -> None:
    assert client.ask(question).greenai.outcome == "lookup_needed"
    assert provider.calls == []


# --- a classifier that fails ----------------------------------------------------------------

FAILED = "The classifier failed; the request is taken for one of which nothing is known."
UNKNOWN = "the classifier failed, so nothing is known of this request"


class Broken(Classifier):
    """Fails at every request."""

    def __init__(self, *, is_read: bool) -> None:
        super().__init__()
        self.read_already = is_read
        self.asked = 0

    @property
    def is_read(self) -> bool:
        return self.read_already

    @property
    def thresholds(self) -> Any:
        raise ArithmeticError("a threshold is no number")

    def assess(self, prompt: object) -> Any:
        self.asked += 1
        raise ArithmeticError("a weight is no number")


def with_broken(client: Client, *, is_read: bool = True) -> Broken:
    resources, broken = client._session.resources, Broken(is_read=is_read)
    resources.steps = replace(resources.steps, classifier=broken)
    return broken


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("is_read", [True, False])
def test_a_classifier_that_fails_costs_nobody_the_answer(
    client: Client, provider: FakeProvider, caplog: pytest.LogCaptureFixture, is_read: bool
) -> None:
    broken = with_broken(client, is_read=is_read)
    answer = client.ask(QUESTION)
    assert answer.text == "A model said so."
    assert UNKNOWN in answer.greenai.decision.reasons
    assert said(caplog) == [FAILED]
    client.ask(QUESTION)
    assert (broken.asked, len(provider.calls)) == (2, 2)  # nothing is known of it, so it is not stored either


def test_create_is_answered_without_a_classifier(
    client: Client, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with_broken(client)
    response = client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": QUESTION}])
    assert response.choices[0].message.content == "A model said so."
    assert UNKNOWN in response.greenai.decision.reasons
    assert response.greenai.warnings == ()
    assert (said(caplog), len(provider.calls)) == ([FAILED], 1)


def test_observing_and_what_may_not_be_substituted_need_no_classifier(
    provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with offline(provider, observe=True) as client:
        with_broken(client)
        observed = client.ask(QUESTION).greenai
    assert (observed.model, observed.decision.observed) == ("openai/gpt-5.5", True)
    with offline(provider) as client:
        with_broken(client)
        exact = client.with_options(substitute=False).ask(QUESTION).greenai
    assert UNKNOWN in observed.decision.reasons
    assert UNKNOWN in exact.decision.reasons
    assert said(caplog) == [FAILED, FAILED]
    assert len(provider.calls) == 2


def test_a_built_in_tool_needs_no_classifier(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    broken = with_broken(client)
    assert client.ask("What is 18% of 240?").text == "43.2"
    assert (broken.asked, said(caplog)) == (0, [])

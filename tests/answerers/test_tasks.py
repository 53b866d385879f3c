"""Task models: a head fitted from examples, a request that hands over its text, and what abstaining means."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from greenai import AsyncClient, Client, InvalidRequest, Task
from greenai.answerers.heads import PROMISED_ERROR, UNPROVEN, Head
from greenai.answerers.tasks import further, split_request
from greenai.errors import RequestTooLarge
from greenai.testing import FakeProvider, offline

if TYPE_CHECKING:
    from collections.abc import Iterator

THINGS = ("bill", "invoice", "payment", "refund", "card", "price", "fee", "receipt", "discount", "transfer")
FAULTS = ("crash", "error", "bug", "screen", "login", "password", "button", "page", "app", "update")
TOPICS = {
    "money": [f"I have a question about the {thing} I was charged" for thing in THINGS],
    "technology": [f"The {fault} does not work on my phone" for fault in FAULTS],
}
REQUESTS = ["which department is this message for", "classify this ticket", "what is this message about"]


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(default="A model said so.")


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Client]:
    with offline(provider) as opened:
        yield opened


@pytest.fixture
def topic(client: Client) -> Task:
    return client.task("topic", examples=TOPICS, examples_of_requests=REQUESTS)


def test_a_text_that_is_too_long_is_refused_and_in_the_ledger(client: Client, topic: Task) -> None:
    with pytest.raises(RequestTooLarge):
        topic("x" * 5_000_000)
    rows = client._session.resources.ledger.recent()
    assert [(row["outcome"], row["error"]) for row in rows] == [("refused", "RequestTooLarge")]


# --- the head -------------------------------------------------------------------------------


def test_head_labels_texts_like_its_examples() -> None:
    head = Head(TOPICS)
    assert head.accuracy == 1.0
    assert head("The invoice shows a fee that I do not know")[0] == "money"
    assert head("The login page shows an error")[0] == "technology"
    assert all(0 <= confidence <= 1 for _, confidence in map(head, ("", "…", "x" * 3000)))


def test_leave_one_out_is_what_leaving_one_out_gives() -> None:
    head = Head(TOPICS, threshold=0.5)
    right = 0
    for label, texts in TOPICS.items():
        for n, text in enumerate(texts):
            left = {name: [t for m, t in enumerate(all_) if (name, m) != (label, n)] for name, all_ in TOPICS.items()}
            right += Head(left, threshold=0.5)(text)[0] == label
    assert right / 20 == pytest.approx(head.accuracy, abs=0.051)


def test_threshold_is_proven_by_the_examples_or_strict() -> None:
    assert Head(TOPICS).threshold < UNPROVEN
    assert Head({label: texts[:2] for label, texts in TOPICS.items()}).threshold == UNPROVEN
    assert Head(TOPICS, threshold=0.2).threshold == 0.2
    assert PROMISED_ERROR == 0.1


def test_labels_that_cannot_be_told_apart_are_not_given() -> None:
    same = {"a": [f"text {n}" for n in range(12)], "b": [f"text {n}" for n in range(12)]}
    head = Head(same)
    assert head.threshold == UNPROVEN
    assert head("text 5")[1] < UNPROVEN


# --- a task that is called ------------------------------------------------------------------


def test_task_answers_with_label_confidence_and_receipt(client: Client, topic: Task, provider: FakeProvider) -> None:
    answer = topic("The update gives an error on my phone")
    receipt = answer.receipt
    assert (answer.text, answer.label, str(answer), answer.greenai) == ("technology",) * 3 + (receipt,)
    assert answer.confidence is not None
    assert answer.confidence >= topic.threshold
    assert (receipt.outcome, receipt.model, receipt.attempts) == ("task_model", "greenai/task:topic", ())
    assert receipt.decision.reasons == ("The app called the task topic.",)
    (check,) = receipt.decision.checks
    assert (check.name, check.value, check.threshold) == (
        "confidence of task:topic",
        answer.confidence,
        topic.threshold,
    )
    assert (topic.name, topic.labels, topic.accuracy) == ("topic", ("money", "technology"), 1.0)
    assert repr(topic) == "Task('topic', model='greenai/task:topic')"
    assert provider.calls == []
    (call,) = client._session.resources.ledger.recent()
    assert call["outcome"] == "task_model"


def test_task_abstains_below_its_threshold(client: Client) -> None:
    unsure = client.task("topic", examples=TOPICS, threshold=1.0)
    answer = unsure("The weather is nice")
    assert (answer.text, answer.label) == ("", None)
    assert answer.confidence is not None
    assert answer.receipt.decision.reasons == ("The app called the task topic.", "It was not sure enough.")


def test_async_task_is_awaited() -> None:
    async def run() -> str | None:
        async with offline(client=AsyncClient) as client:
            topic = client.task("topic", examples=TOPICS)
            return (await topic("The login page shows an error on my phone")).label

    assert asyncio.run(run()) == "technology"


# --- within ask and create ------------------------------------------------------------------


def test_request_that_hands_its_text_over_is_answered_by_the_task(topic: Task, client: Client) -> None:
    del topic
    answer = client.ask('What is this message about: "I have a question about a fee on my invoice"')
    assert (answer.text, answer.greenai.outcome, answer.greenai.model) == ("money", "task_model", "greenai/task:topic")
    assert answer.greenai.decision.reasons[0].startswith('The question is like "what is this message about" of task:')
    assert [check.name for check in answer.greenai.decision.checks] == [
        "similarity to task:topic",
        "confidence of task:topic",
    ]


@pytest.mark.parametrize(
    "prompt",
    ["What is this message about?", 'Write a poem about "an invoice with a fee"', "Translate this: the login page"],
)
def test_other_requests_go_to_a_model(topic: Task, client: Client, prompt: str) -> None:
    del topic
    assert client.ask(prompt).greenai.outcome == "small"


def test_task_that_is_not_sure_leaves_the_request_to_a_model(client: Client) -> None:
    client.task("topic", examples=TOPICS, examples_of_requests=REQUESTS, threshold=1.0)
    receipt = client.ask("Classify this ticket: the garden is nice").greenai
    assert receipt.outcome == "small"
    assert "greenai/task:topic was asked first and was not sure enough." in receipt.decision.reasons


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("Is this positive: great stuff", ("Is this positive", "great stuff")),
        ('Is this positive? "great: really"', ("Is this positive?", "great: really")),
        ("Is this positive?\nGreat stuff.\nReally.", ("Is this positive?", "Great stuff.\nReally.")),
        ("Summarise the text below:\n\nIt rains. It pours.", ("Summarise the text below", "It rains. It pours.")),
        ("Is 'great stuff' positive?", None),
        ("Is this positive?", None),
        ("It's great, isn't it", None),
        ("", None),
        (": text", None),
        ("Is this positive: 'it's great stuff'.", ("Is this positive", "it's great stuff")),
        ("Is this positive? \u201cGreat.\u201d", ("Is this positive?", "Great.")),
        ("Is this positive? \u00abGreat.\u00bb", ("Is this positive?", "Great.")),
        (
            'Summarise the text below:\n\nShe said "no", and then "yes".',
            ("Summarise the text below", 'She said "no", and then "yes".'),
        ),
        ('Classify the sentiment: "good" and then translate it to "bad"', None),
        ('Classify the sentiment of "good" and then of "bad"', None),
        ("Classify \u201cgood\u201d and then \u201cbad\u201d", None),
        ("Classify \"good\" and then 'bad'", None),
    ],
)
def test_requests_are_parted_where_the_text_is_marked(prompt: str, parts: tuple[str, str] | None) -> None:
    assert split_request(prompt) == parts


@pytest.mark.parametrize("marks", ["<<", '"', "'", " '", "\u00bb", "\u201c", '".', "\n"])
def test_parting_takes_no_longer_than_the_prompt_is(marks: str) -> None:
    began = time.process_time()
    for end in ("", "x", '"', "'"):
        split_request("Classify " + marks * 40_000 + end)
        split_request('Classify: "' + marks * 40_000 + end)
    assert time.process_time() - began < 0.5


# --- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {},
            (
                'The task "t" needs either examples or a model: client.task("sentiment", examples={"positive": [...], '
                '"negative": [...]}), or model="folder or name".'
            ),
        ),
        *(
            (
                {"examples": examples},
                (
                    'The examples of the task "t" must be lists of texts by label, none of them empty: '
                    'client.task("sentiment", examples={"positive": [...], "negative": [...]}).'
                ),
            )
            for examples in ({"a": "hello", "b": ["x", "y"]}, {"a": None}, {"a": [1, 2]}, ["x", "y"])
        ),
        (
            {"examples": {"a": ["x", "y"]}},
            "A task needs at least two labels with examples, and 1 is given.",
        ),
        (
            {"examples": {"a": ["x", "y"], "b": ["z"]}},
            (
                'The label "b" has 1 of the 2 examples that a task needs at least. Pass a list of texts: '
                'examples={"b": ["...", "..."]}; ten or more prove a threshold.'
            ),
        ),
        (
            {"examples": TOPICS, "labels": ["money"]},
            'The task "t" has the labels money and examples for money, technology. Give every label its examples.',
        ),
        (
            {"model": "m", "kind": "poetry"},
            '"poetry" is no kind of task. Kinds: classification, extraction, question-answering, summarisation, embedding-head.',
        ),
    ],
)
def test_mistakes_are_told(client: Client, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        client.task("t", **arguments)  # type: ignore[arg-type]
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "request_",
    [
        "Classify this ticket and explain why",
        "Classify this ticket, then translate it",
        "Rewrite this ticket",
        "Write what this message is about",
    ],
)
def test_a_request_for_more_than_the_task_is_left_to_a_model(
    client: Client, provider: FakeProvider, request_: str
) -> None:
    client.task("topic", examples=TOPICS, examples_of_requests=REQUESTS, threshold=0.2)
    text = "I was charged a fee on my invoice"
    assert client.ask(f"Classify this ticket: {text}").greenai.outcome == "task_model"
    assert client.ask(f"{request_}: {text}").text == "A model said so."
    assert len(provider.calls) == 1


def test_an_instruction_of_the_examples_is_the_tasks_own() -> None:
    assert further("Explain the topic", "explain what this is about") is None
    assert further("Classify it and explain why", "classify this") == "explain"

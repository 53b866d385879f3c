"""What asks for a fact, by its form: 135 questions for live data, and 251 wishes, statements and complaints."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from greenai import Client
from greenai.answerers.live import asks_for_a_fact
from greenai.testing import FakeProvider, offline

# The column `asks`: "live" asks for live data, "none" asks for no fact. In four languages; most mention the day.
with (Path(__file__).parent / "live_data.tsv").open(encoding="utf-8", newline="") as lines:
    ROWS = tuple((row["asks"], row["text"]) for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
LIVE = tuple(text for asks, text in ROWS if asks == "live")
NONE = tuple(text for asks, text in ROWS if asks == "none")


def looked_up(client: Client, texts: tuple[str, ...]) -> list[str]:
    return [text for text in texts if client.explain(text).outcome == "lookup_needed"]


def test_every_question_for_live_data_asks() -> None:
    assert len(LIVE) == 135
    assert [text for text in LIVE if not asks_for_a_fact(text)] == []


def test_no_wish_and_no_statement_asks() -> None:
    assert len(NONE) == 251
    assert [text for text in NONE if asks_for_a_fact(text)] == []


def test_no_wish_and_no_statement_lacks_live_data() -> None:
    with offline(FakeProvider(default="A model said so.")) as client:
        assert looked_up(client, NONE) == []


def test_what_the_classifier_takes_for_live_data_still_lacks_it() -> None:
    # What is left out is what the classifier takes for something else: most of it in other languages than English.
    with offline(FakeProvider(default="A model said so.")) as client:
        assert len(looked_up(client, LIVE)) >= 100


@pytest.mark.parametrize(
    "text",
    [
        "Thank the customer. What is the weather in Paris today?",
        "My parcel came today. Is the shop open now?",
        "The shop was closed, how late is it open today",
        "Is 3.5 euros the price right now",
        "Hi Ann, can you tell me whether the shop is open today?",
        "Can you see the stars tonight?",
        "Summarise today's headlines",
        "give me a forecast for tomorrow",
    ],
)
def test_a_question_anywhere_asks(text: str) -> None:
    assert asks_for_a_fact(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?!",
        'Translate "Is the shop open now?"',
        "Translate: Thank you. Is the shop open now?",
        "Hi Ann, can you thank the customer for today?",
        "My order was due yesterday. What should I do?",
        "When the train came today, it was full.",
        "What a day today!",
        "Have a good one today",
        "Great weather today",
    ],
)
def test_words_of_a_question_alone_ask_nothing(text: str) -> None:
    assert not asks_for_a_fact(text)

"""What may be stored and for how long, over questions of every class, and over what must not mislead."""

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.cache.keep import TTL_S
from greenai.cache.volatility import volatility

NEVER_STORED = {"realtime", "personal", "nondeterministic", "action", "foreign"}
CLASSES = {*NEVER_STORED, "static", "unknown", "slow", "daily"}
with (Path(__file__).parent / "volatility.tsv").open(encoding="utf-8", newline="") as file:
    ROWS = [(row["text"], row["volatility"]) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def test_there_are_questions_of_every_class():
    assert len(ROWS) >= 500
    assert {name for _, name in ROWS} == CLASSES


@pytest.mark.parametrize("name", sorted(NEVER_STORED))
def test_none_that_must_not_be_stored_is(name):
    assert [text for text, found in ROWS if found == name and volatility(text) not in NEVER_STORED] == []


def test_what_is_static_is_stored():
    static = [text for text, name in ROWS if name == "static"]
    lost = [text for text in static if volatility(text) not in {"static", "slow"}]
    assert len(lost) <= 0.02 * len(static), lost


@pytest.mark.parametrize("name", ["slow", "daily", "unknown"])
def test_the_others_are_told_apart(name):
    texts = [text for text, found in ROWS if found == name]
    wrong = [text for text in texts if volatility(text) != name]
    assert len(wrong) <= 0.05 * len(texts), wrong


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What's the weather in Montreal?", "realtime"),
        ("What are my pharmacy's hours?", "personal"),
        ("WHAT IS THE WEATHER IN MONTREAL", "realtime"),
        ("what\u2019s the weather in montreal", "realtime"),
        ('Translate "what is the weather today" into French', "static"),
        ("Translate today's headlines into French", "daily"),
        ("Translate my last email into French", "personal"),
        ("Summarise:\nThe train is late today, and my order never came.", "static"),
        ("```python\nmy_order = random.choice(orders)\n```\nWhat does this code do?", "static"),
        ("Context: it rains today in Bergen.\nQuestion: is it raining in Bergen?", "static"),
        ("What was the weather in Paris on 14 July 1989?", "static"),
        ("What is an alternating current?", "static"),
        ("What does this mean?", "personal"),
        ('Did "Ireland" win?', "realtime"),
        ("Is this correct: he go to school", "static"),
        ("What is osmosis, and why does it matter?", "static"),
        ("How do I clean the oven?", "static"),
        ("Is the oven clean?", "realtime"),
        ("Where is the corkscrew?", "personal"),
        ("Ok", "personal"),
        ("Traduis en anglais : le chat dort", "static"),
        ("Mi gato", "foreign"),
        ("", "unknown"),
        ("???", "unknown"),
    ],
)
def test_text_that_is_only_worked_on_is_no_sign(text, name):
    assert volatility(text) == name


@pytest.mark.parametrize("text", ["Bring den Müll raus", "Où sont mes clés ?", "Quem ganhou o jogo?"])
def test_what_is_unknown_in_another_language_is_not_stored(text):
    assert volatility(text) not in TTL_S


@given(st.text(max_size=400))
def test_any_text_has_a_class(text):
    assert volatility(text) in CLASSES


@given(st.lists(st.sampled_from([word for text, _ in ROWS for word in text.split()]), max_size=40))
def test_any_words_have_a_class(words):
    assert volatility(" ".join(words)) in CLASSES


def test_a_long_text_takes_no_longer_than_its_ends():
    assert volatility("is " * 200_000) in CLASSES
    for word in ("all right ", "the the ", "what it ", "a b ", "on off ", "is there the ", "in of "):
        began = time.process_time()
        assert volatility(word * 400 + "x") in CLASSES
        assert time.process_time() - began < 0.5
    assert volatility("How " + "\u2018" * 5_000 + "'" * 5_000) in CLASSES

"""The classifier through its public face: every field, what it is careful about, and that it is the same everywhere."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.classify import SOURCES, TASKS, VERSION, Classifier
from greenai.values import Assessment

CLASSIFIER = Classifier.load()
assess = CLASSIFIER.assess

PROMPTS = (
    "hi there!",
    "What is 18% of 240?",
    "Who wrote Hamlet?",
    "Write a Python function that parses dates",
    "Prove that sqrt(2) is irrational",
    "What is the weather in Paris?",
    "Translate 'good morning' to Spanish.",
    "quux",
    "",
)


def probabilities(found: Assessment) -> list[float]:
    return [
        found.needs_generation,
        found.large_gain,
        found.reasoning_gain,
        found.volatile,
        *found.task_probabilities.values(),
        *found.answer_source.values(),
    ]


@pytest.mark.parametrize("text", PROMPTS)
def test_every_field_is_in_its_range(text: str) -> None:
    found = assess(text)
    assert all(0 <= p <= 1 for p in probabilities(found))
    assert sum(found.task_probabilities.values()) == pytest.approx(1)
    assert sum(found.answer_source.values()) == pytest.approx(1)
    assert (tuple(found.task_probabilities), tuple(found.answer_source)) == (TASKS, SOURCES)
    assert found.task == max(found.task_probabilities, key=found.task_probabilities.__getitem__)
    low, high = found.expected_output_tokens
    assert 0 < low < high
    assert (found.method, found.calibrated) == (VERSION, True)
    assert found.why


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_text_is_judged(text: str) -> None:
    found = assess(text)
    assert all(math.isfinite(p) and 0 <= p <= 1 for p in probabilities(found))
    assert 0 <= found.small_suffices("openai/gpt-5.4-nano") <= 1


def test_many_are_judged_as_one_by_one() -> None:
    assert CLASSIFIER.assess_many(PROMPTS) == [assess(text) for text in PROMPTS]


def test_threads_agree() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(assess, PROMPTS * 20))
    assert found == [assess(text) for text in PROMPTS] * 20


def test_another_process_agrees() -> None:
    code = "from greenai.classify import Classifier; print(repr(Classifier.load().assess('Who wrote Hamlet?')))"
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env).stdout
    assert out.strip() == repr(assess("Who wrote Hamlet?"))


def test_thresholds_are_shipped_and_read_only() -> None:
    assert set(CLASSIFIER.thresholds) == {"needs_generation", "large_gain", "reasoning_gain", "volatile"}
    with pytest.raises(TypeError):
        CLASSIFIER.thresholds["volatile"] = 0.0  # type: ignore[index]


# --- what it is for -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["what is the weather in Oslo tomorrow", "convert 12 miles to kilometres", "what time is it", "what is 6 times 7"],
)
def test_questions_of_tools_need_no_generation(text: str) -> None:
    assert assess(text).needs_generation < CLASSIFIER.thresholds["needs_generation"]


@pytest.mark.parametrize(
    "text",
    [
        "Write a poem about the weather in Oslo",
        "How do I convert a garage into a flat?",
        "What is a black hole?",
        "I want to get better at talking to strangers",
        "Explain time zones to a child",
        "Tell me something I do not know about tea",
        "Plan a week of dinners for 4 people, 20 euros a day",
    ],
)
def test_what_somebody_has_to_write_is_never_taken_for_less(text: str) -> None:
    assert assess(text).needs_generation >= CLASSIFIER.thresholds["needs_generation"]


def test_larger_models_suffice_more_often_and_harder_questions_less() -> None:
    easy, hard = assess("Who wrote Hamlet?"), assess("Prove that the eigenvalues of a Hermitian matrix are real.")
    for found in (easy, hard):
        assert found.small_suffices("local/smollm2-135m") < found.small_suffices("openai/gpt-5.5")
    assert hard.small_suffices("openai/gpt-5.4-nano") < easy.small_suffices("openai/gpt-5.4-nano")


def test_unknown_model_is_taken_for_a_large_one() -> None:
    assert 0.5 < assess("Who wrote Hamlet?").small_suffices("nobody/knows-this") <= 1


# --- what it is careful about ---------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Wie wird das Wetter morgen in Berlin und in der Schweiz?",
        "Quel temps fera-t-il demain à Paris et dans le sud de la France ?",
        "¿Qué tiempo hará mañana en el norte de España?",
        "明天北京的天气怎么样",
        "Сколько будет шесть умножить на семь?",
    ],
)
def test_another_language_is_never_judged_with_confidence(text: str) -> None:
    found = assess(text)
    assert found.needs_generation >= CLASSIFIER.thresholds["needs_generation"]
    assert max(found.task_probabilities.values()) < 0.7
    assert 0.05 < found.large_gain < 0.4
    assert 0.2 < found.small_suffices("openai/gpt-5.4-nano") < 0.8
    assert "few of its words are known, so every probability is held back" in found.why


def test_attachment_is_left_to_a_model() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    alone = [{"role": "user", "content": [{"type": "text", "text": "what time is it"}, picture]}]
    assert assess(alone).needs_generation >= 0.98


def test_follow_up_is_read_with_the_turn_before_it() -> None:
    first = {"role": "user", "content": "Write a Python function that parses dates and returns a datetime"}
    turns = [first, {"role": "assistant", "content": "def ..."}, {"role": "user", "content": "and with time zones?"}]
    assert assess(turns).task == "code"


def test_later_turn_needs_generation_more() -> None:
    question = {"role": "user", "content": "what is the weather in Oslo tomorrow, and is it warm enough to swim"}
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hello!"}, question]
    assert assess(turns).needs_generation >= 0.5 > assess([question]).needs_generation


def test_system_prompt_is_no_question() -> None:
    system = {"role": "system", "content": "You write Python code. You prove theorems."}
    question = {"role": "user", "content": "Who wrote Hamlet?"}
    assert assess([system, question]).task == assess([question]).task == "fact"


@pytest.mark.parametrize("change", [str.upper, str.title, lambda t: f"  {t}\n\n", lambda t: t.replace(" ", "  ")])
def test_case_and_space_hardly_count(change: object) -> None:
    for text in PROMPTS[:7]:
        plain, changed = assess(text), assess(change(text))  # type: ignore[operator]
        assert changed.task == plain.task
        assert changed.needs_generation == pytest.approx(plain.needs_generation, abs=0.05)

"""What the packaged weights and the rules of timely.py say of ordinary prompts, and that their time does not grow."""

from __future__ import annotations

import time
from typing import Any

import pytest

from greenai.classify import Classifier

assess = Classifier.load().assess


# --- tasks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("hi there!", "chat"),
        ("thank you", "chat"),
        ("What is 18% of 240?", "calculation"),
        ("What is the square root of 16?", "calculation"),
        ("Show how to divide 10 / 3", "calculation"),
        ("What is 86 proof whisky, 86 / 2 percent?", "calculation"),
        ("Who wrote Hamlet?", "fact"),
        ("What is the capital of Australia?", "fact"),
        ("Write a Python function that parses dates", "code"),
        ("Write a SQL query to show that orders > 5", "code"),
        ("Prove that sqrt(2) is irrational", "maths"),
        ("Ann has 3 bags of 12 apples and eats 4. How many apples are left?", "maths"),
        ("A wolf, a goat and a cabbage are on a river bank. How do I get them over?", "puzzle"),
        ("How many r's are in strawberry?", "puzzle"),
        ("Translate 'good morning' to Spanish.", "translate"),
        ("How do you say thank you in German?", "translate"),
        ("Summarise this in one line: the ship sank.", "summarise"),
        ("Rewrite this more politely: give me that.", "rewrite"),
        ("Classify this review as positive or negative: I liked it.", "classify"),
        ("Extract all dates from this text: we met on 3 May and 4 June.", "extract"),
        ("Tell me a joke", "write"),
        ("Write a short story about a lighthouse", "write"),
        ("What is the weather in Paris?", "live"),
        ("Turn off the kitchen lights", "action"),
        ("quux", "other"),
    ],
)
def test_task(text: str, task: str) -> None:
    found = assess(text)
    assert found.task == task
    assert found.why[0].startswith(f"task: {task} ({found.task_probabilities[task]:.2f}")


PROOFS = (
    "Prove that the square root of 2 is irrational",
    "Prove that sqrt(2) is irrational",
    "Show that the square root of 2 is irrational.",
    "Demonstrate that the square root of 3 is irrational",
    "Why is the square root of 2 irrational?",
    "Is the square root of 2 irrational? Justify your answer.",
    "Show me that 2^n > n for every n >= 1",
    "Prove that 1 + 2 + ... + n = n(n+1)/2",
    "Prove by induction that 1 + 3 + 5 + ... + (2n - 1) = n^2.",
    "Deduce that 2 divides n^2 + n",
    "Give a proof that 0.999... = 1",
    "Show there are infinitely many primes",
)


@pytest.mark.parametrize("text", PROOFS)
def test_a_proof_is_maths_and_gains_more_than_talk_does(text: str) -> None:
    proof = assess(text)
    assert proof.task == "maths"
    for easy in ("hi there!", "Who wrote Hamlet?", "What is the capital of Australia?"):
        assert proof.large_gain > 2 * assess(easy).large_gain


def test_a_small_model_proves_less_often_than_it_knows_a_fact() -> None:
    proofs = sorted(assess(text).small_suffices("openai/gpt-5.4-nano") for text in PROOFS)
    assert proofs[len(proofs) // 2] < assess("Who wrote Hamlet?").small_suffices("openai/gpt-5.4-nano") - 0.05


def test_most_proofs_gain_from_reasoning_and_talk_does_not() -> None:
    talk = [assess(text).reasoning_gain for text in ("hi there!", "thank you", "Write a poem about rain")]
    gains = sorted(assess(text).reasoning_gain for text in PROOFS)
    assert gains[len(gains) // 2] > 3 * max(talk)


@pytest.mark.parametrize(
    "text",
    ["Show that I care about my customers in this email", "The proof of the pudding is in the eating. Who said it?"],
)
def test_words_of_a_proof_gain_nothing_by_themselves(text: str) -> None:
    assert assess(text).large_gain < min(assess(proof).large_gain for proof in PROOFS)


# --- live data ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "What is the weather in Paris today?",
        "What are your opening hours on Sunday?",
        "What is Tesla stock trading at?",
        "What is the latest version of Python?",
        "What is today's date?",
        "Who won last night's match?",
        "What time is it in Tokyo?",
        "Is the train on time?",
        "List today's headlines",
    ],
)
def test_what_changes_within_a_day_is_volatile(text: str) -> None:
    assert assess(text).volatile >= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Who wrote Hamlet?",
        "What was the weather in Paris on 14 July 1989?",
        "How do weather forecasts work?",
        "Translate 'what is the weather today' to Spanish.",
        "Write a poem about today's weather",
        "What role do newspapers play in today's society?",
        "Context: the shop is open on Sunday from 9 to 12. What are the opening hours today?",
        "The bakery says: open 9 to 5 today, closed tomorrow at 12.\nWhen does it close today?",
        "Explain the stock market",
        "What should I cook tonight?",
    ],
)
def test_no_alarm_where_nothing_is_asked_of_the_day(text: str) -> None:
    assert assess(text).volatile < 0.5


def test_facts_around_the_question_calm_the_alarm() -> None:
    question = {"role": "user", "content": "What is the weather in Paris today?"}
    alarm = assess([question])
    assert alarm.volatile >= 0.9
    assert any(why.startswith("live data") for why in alarm.why)
    tool = {"role": "tool", "tool_call_id": "1", "content": "Paris: 21 degrees, rain"}
    given = assess([question, {"role": "assistant", "content": None, "tool_calls": []}, tool])
    for calm in (given, assess([{"role": "system", "content": "x" * 700}, question])):
        assert calm.volatile < 0.5
        assert '"today" beside facts that stand in the text' in calm.why


@pytest.mark.parametrize(
    "text",
    [
        "Roll a dice.",
        "Flip a coin",
        "Create a UUID.",
        "Pick a random number between 1 and 10",
        "Tell me another joke",
        "Write a new poem about the sea",
        "Send an email to Ana.",
        "Book a table for two",
        "Where is my order 4471?",
        "When is my next meeting?",
        "What is my account balance?",
    ],
)
def test_actions_random_wishes_and_own_records_are_for_once(text: str) -> None:
    assert assess(text).one_off


@pytest.mark.parametrize(
    "text",
    [
        "Who wrote Hamlet?",
        "What is the weather in Paris today?",
        "Translate 'send an email to Ana' to German",
        "Summarise this in one line: the ship sank.",
    ],
)
def test_other_answers_may_serve_again(text: str) -> None:
    assert not assess(text).one_off


# --- what is read ---------------------------------------------------------------------------


def test_harder_tasks_gain_more_from_a_large_model() -> None:
    order = ("hi there!", "Write a poem about rain", "Prove that sqrt(2) is irrational")
    gains = [assess(text).large_gain for text in order]
    assert gains == sorted(set(gains))


@pytest.mark.parametrize(
    ("instruction", "task"),
    [
        ("Summarise this: ", "summarise"),
        ("Rewrite this more politely: ", "rewrite"),
        ("Translate to German: ", "translate"),
    ],
)
def test_an_instruction_is_heard_before_a_long_text(instruction: str, task: str) -> None:
    animals = ("whale", "seal", "gull", "crab", "heron", "otter", "squid", "shark", "pike", "carp")
    days = [f"On day {n} the crew saw a {animals[n % 10]} and wrote home about it." for n in range(100)]
    found = assess(instruction + " ".join(days))
    assert found.task == task
    assert found.large_gain < 0.16


def test_last_user_turn_decides_and_the_rest_is_context() -> None:
    turns = [{"role": "user", "content": "Prove the theorem"}, {"role": "assistant", "content": "Done."}]
    assert assess([*turns, {"role": "user", "content": "thanks!"}]).task == "chat"


def test_content_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "Who wrote Hamlet?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    assert assess([{"role": "user", "content": parts}]).task == "fact"
    assert assess([{"role": "user", "content": [parts[0]]}]).task == "fact"


@pytest.mark.parametrize(
    "messages", ["", [], [{"role": "system", "content": "x"}], [{"role": "user", "content": None}]]
)
def test_nothing_to_read_is_no_error(messages: Any) -> None:
    found = assess(messages)
    assert found.task == "other"
    assert "few of its words are known, so every probability is held back" in found.why


@pytest.mark.parametrize(
    "piece",
    ["a", "a b ", "\n", " ", "1+", "{;", "how many a ", "\\frac", "$", "today ", "</", "\t\n", "\u2019s ", "a.b)"],
)
def test_a_megabyte_is_judged_by_its_ends(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assess(text)
    started = time.perf_counter()
    assess(text)
    assert time.perf_counter() - started < 0.05


def test_rewriting_gives_back_as_much_as_it_gets() -> None:
    short, long = assess("Translate to German: a word"), assess("Translate to German: " + "word " * 2000)
    assert long.expected_output_tokens[0] > 4 * short.expected_output_tokens[0]

"""The rules: what they see in a prompt, what they ignore, and that their time does not grow with it."""

from __future__ import annotations

import time

import pytest

from greenai.classify import VERSION, Classifier

assess = Classifier().assess


def test_assessment_says_that_it_is_made_by_rules() -> None:
    found = assess("What is the capital of France?")
    assert (found.method, found.calibrated, found.task) == ("rules-1", False, "fact")
    assert found.why == ("task: fact (a short question)",)
    assert Classifier.VERSION == VERSION == "rules-1"


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("hi there!", "chat"),
        ("thank you", "chat"),
        ("What is 18% of 240?", "calculation"),
        ("Who wrote Hamlet?", "fact"),
        ("Write a Python function that parses dates", "code"),
        ("```\nx = 1\n```\nwhat is wrong?", "code"),
        ("Prove that sqrt(2) is irrational", "maths"),
        ("Ann has 3 bags of 12 apples and eats 4. How many apples are left?", "maths"),
        ("A wolf, a goat and a cabbage are on a river bank. How do I get them over?", "puzzle"),
        ("How many r's are in strawberry?", "puzzle"),
        ("Translate 'good morning' to Spanish.", "translate"),
        ("Summarise this in one line: the ship sank.", "summarise"),
        ("Rewrite this more politely: give me that.", "rewrite"),
        ("Classify this review as positive or negative: I liked it.", "classify"),
        ("Write a poem about rain", "write"),
        ("What is the weather in Paris?", "live"),
        ("quux", "other"),
    ],
)
def test_task(text: str, task: str) -> None:
    assert assess(text).task == task


@pytest.mark.parametrize(
    "text",
    [
        "Prove that the square root of 2 is irrational",
        "Prove that sqrt(2) is irrational",
        "Show that the square root of 2 is irrational.",
        "Demonstrate that the square root of 3 is irrational",
        "Establish that the square root of 5 is not rational",
        "Why is the square root of 2 irrational?",
        "Is the square root of 2 irrational? Justify your answer.",
        "Show me that 2^n > n for every n >= 1",
        "Show that x^2 - 1 = (x-1)(x+1)",
        "Prove that 1 + 2 + ... + n = n(n+1)/2",
        "Prove by induction that 1 + 3 + 5 + ... + (2n - 1) = n^2.",
        "Disprove that n^2 + n + 41 is always prime",
        "Deduce that 2 divides n^2 + n",
        "Justify that 2^10 > 10^3",
        "Derive the quadratic formula",
        "Derive the formula for the sum 1 + 2 + ... + n",
        "Derive 1/(1-x) as a series",
        "Give a proof that 0.999... = 1",
        "Show there are infinitely many primes",
        "Please give me a mathematical proof of Pythagoras' theorem",
    ],
)
def test_a_proof_or_a_derivation_is_no_calculation(text: str) -> None:
    found = assess(text)
    assert found.task == "maths"
    assert found.large_gain >= 0.65
    assert found.reasoning_gain >= 0.6


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("What is the square root of 16?", "calculation"),
        ("Show me the square root of 16", "calculation"),
        ("Show how to divide 10 / 3", "calculation"),
        ("What is 86 proof whisky, 86 / 2 percent?", "calculation"),
        ("Show that I care about my customers in this email", "other"),
        ("The proof of the pudding is in the eating. Who said it?", "other"),
        ("Is my boss irrational when he says 2 is enough?", "fact"),
        ("Write a SQL query to show that orders > 5", "code"),
    ],
)
def test_words_of_a_proof_are_not_enough(text: str, task: str) -> None:
    assert assess(text).task == task


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
        "Roll a dice.",
        "Create a UUID.",
        "List today's headlines",
        "Where is my order 4471?",
        "Send an email to Ana.",
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


def test_facts_in_earlier_messages_calm_the_alarm() -> None:
    question = {"role": "user", "content": "What is the weather in Paris today?"}
    assert assess([question]).volatile == 0.9
    tool = {"role": "tool", "tool_call_id": "1", "content": "Paris: 21 degrees, rain"}
    assert assess([question, {"role": "assistant", "content": None, "tool_calls": []}, tool]).volatile == 0.1
    assert assess([{"role": "system", "content": "x" * 700}, question]).volatile == 0.1


def test_harder_tasks_gain_more_from_a_large_model() -> None:
    order = ("hi there!", "Who wrote Hamlet?", "Write a poem about rain", "Prove that sqrt(2) is irrational")
    gains = [assess(text).large_gain for text in order]
    assert gains == sorted(gains)
    assert len(set(gains)) == len(gains)


def test_length_raises_the_gain_by_at_most_fifteen_hundredths() -> None:
    short, long = assess("tell me about it ok"), assess("tell me about it ok " * 5000)
    assert short.large_gain < long.large_gain <= short.large_gain + 0.15


def test_last_user_turn_decides_and_the_rest_is_context() -> None:
    turns = [{"role": "user", "content": "Prove the theorem"}, {"role": "assistant", "content": "Done."}]
    assert assess([*turns, {"role": "user", "content": "thanks!"}]).task == "chat"


def test_content_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "Who wrote Hamlet?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    assert assess([{"role": "user", "content": parts}]).task == "fact"


@pytest.mark.parametrize(
    "messages", ["", [], [{"role": "system", "content": "x"}], [{"role": "user", "content": None}]]
)
def test_nothing_to_read_is_no_error(messages: object) -> None:
    assert assess(messages).task == "other"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "piece", ["a", "a b ", "\n", " ", "1+", "{;", "how many a ", "\\frac", "$", "today ", "</", "\t\n"]
)
def test_a_megabyte_is_judged_by_its_ends(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assess(text)
    started = time.perf_counter()
    assess(text)
    assert time.perf_counter() - started < 0.05


def test_rewriting_gives_back_as_much_as_it_gets() -> None:
    assert assess("Translate to German: " + "word " * 2000).expected_output_tokens[0] > 1000

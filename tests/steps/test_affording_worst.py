"""What an answer may still become: held where little is left, or not allowed, so that no budget is overspent by it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from purse import ending, limited

from greenai.budget import Amount, Budget, Unit
from greenai.errors import BudgetExceeded
from greenai.nudges.output_length import LIMIT
from greenai.testing import FakeProvider, FakeReply, offline

LONG = "Prove that there are infinitely many primes p with p = 3 mod 4, and explain each step in detail."
BOTH = {"opt_in": {"large", "reasoning"}, "reason": "test"}


def trying(client: Any, prompt: str, **arguments: Any) -> list[Any]:
    """Ask, and return every amount that was tried to be held."""
    spending, tried = client._session.resources.spending, []
    reserve = spending.reserve

    def noted(caps: Any, amount: Any, *rest: Any, **more: Any) -> Any:
        tried.append(amount)
        return reserve(caps, amount, *rest, **more)

    spending.reserve = noted
    try:
        client.ask(prompt, **arguments)
    except BudgetExceeded:
        pass
    finally:
        spending.reserve = reserve
    return tried


def obedient(tokens: int) -> FakeProvider:
    """Write so many tokens, or as many as the request allows."""

    def reply(call: Any) -> FakeReply:
        arguments = call.draft.arguments
        limit = arguments.get("max_completion_tokens") or arguments.get("max_tokens") or tokens
        cut = limit < tokens
        return FakeReply(
            text="word " * 30, output_tokens=min(limit, tokens), input_tokens=12, delay_s=0.05,
            finish_reason="length" if cut else "stop",
        )  # fmt: skip

    return FakeProvider(default=reply)


def settled(client: Any, text: str, unit: Unit, scope: str = "project/default") -> float:
    return client._session.resources.spending.ledger.spent(scope, Budget.parse(text, unit=unit)).settled


@pytest.mark.parametrize("when_spent", ["refuse", "downgrade"])
def test_many_long_answers_at_once_overspend_nothing(when_spent: str) -> None:
    """Each writes eight times what is expected of it; those that are not limited are held for all they may write."""
    provider, text = obedient(4000), "20000/hour"
    with offline(provider, settings=limited(tokens=text, when_spent=when_spent)) as client:
        barrier = threading.Barrier(32)

        def ask(n: int) -> str:
            barrier.wait()
            return ending(lambda: client.ask(f"Tell me about the animal number {n}."))

        with ThreadPoolExecutor(32) as pool:
            ends = list(pool.map(ask, range(32)))
        assert ends.count("answered") == len(provider.calls) >= 4
        assert 12_000 <= settled(client, text, "tokens") <= 20_000


def test_where_much_is_left_a_call_is_held_for_what_it_will_hardly_exceed() -> None:
    with offline(obedient(50), settings=limited(tokens="10000000/hour")) as client:
        (plenty,) = trying(client, "Tell me about a cat.")
    with offline(obedient(50), settings=limited(tokens="100000/hour")) as client:
        (little,) = trying(client, "Tell me about a cat.")
    assert little.tokens >= LIMIT > 2 * plenty.tokens


def test_the_app_s_own_limit_is_held_where_little_is_left() -> None:
    with offline(obedient(50), settings=limited(tokens="100000/hour")) as client:
        (held,) = trying(client, "Tell me about a cat.", max_tokens=9000)
        assert 9000 < held.tokens < 9050
        (held,) = trying(client, "Tell me about a dog.", max_tokens=60)
        assert held.tokens < 100
        assert trying(client, "Tell me about a cow.", n=4, max_tokens=5000)[0].tokens > 20_000


@pytest.mark.parametrize("many", [{"max_tokens": 10**400}, {"max_tokens": 1e9}, {"extra_body": {"max_tokens": 10**9}}])
def test_a_limit_beyond_every_budget_is_refused_in_its_words(many: dict[str, Any]) -> None:
    with offline(FakeProvider(), settings=limited(tokens="100000/hour")) as client:
        messages = [{"role": "user", "content": "Tell me about a cat."}]
        with pytest.raises(BudgetExceeded, match="project/default has 100000 tokens left of its budget of 100000/hour"):
            client.chat.completions.create(model="gpt-5.5-2026-04-23", messages=messages, **many)


def test_a_stream_is_not_limited_and_held_for_twice_what_is_expected() -> None:
    with offline(obedient(50), settings=limited(tokens="10000000/hour")) as client:
        plenty = trying(client, "Tell me about a cat.", stream=True)[0].tokens
    with offline(obedient(50), settings=limited(tokens="5000/hour")) as client:
        little = trying(client, "Tell me about a cat.", stream=True)[-1].tokens
        assert "max_completion_tokens" not in client._session._provider.calls[-1].draft.arguments
    assert 1.5 * plenty < little <= 2 * plenty


def test_one_choice_is_no_form_of_answer() -> None:
    for n in (None, 1):
        provider = FakeProvider()
        with offline(provider, settings=limited(tokens="110/hour")) as client:
            client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "Write a long story about a dragon."}], n=n
            )
            assert provider.calls[0].draft.arguments["max_completion_tokens"] < 110


def test_what_reasons_is_not_cut() -> None:
    """Its thinking counts against the limit, so that no answer might be left."""
    provider = obedient(2000)
    asked_for = [{"role": "user", "content": "Write a short poem about a cat."}]
    with offline(provider, settings=limited(energy="0.03 Wh/hour"), opt_in={"large"}, reason="test") as client:
        with pytest.raises(BudgetExceeded):
            client.chat.completions.create(model="gpt-5.5", messages=asked_for, reasoning_effort="low")
        assert provider.calls == []


def test_an_answer_that_a_budget_cut_is_delivered_and_the_budget_named() -> None:
    for model in ("auto", "gpt-5.5-2026-04-23"):
        provider = obedient(999)
        with offline(provider, settings=limited(tokens="400/hour"), opt_in={"large"}, reason="test") as client:
            messages = [{"role": "user", "content": "Write a long story about a dragon."}]
            receipt = client.chat.completions.create(model=model, messages=messages).greenai
            assert [a.state for a in receipt.attempts] == ["answered"]
            limit = provider.calls[0].draft.arguments["max_completion_tokens"]
            (said,) = receipt.warnings
            assert said == (
                f"The answer was cut at {limit} tokens, to stay within 400 tokens/hour of project/default. "
                "A longer one: raise that budget, or wait until its window ends."
            )


def test_an_answer_that_a_block_cut_names_no_window() -> None:
    with offline(obedient(999)) as client, client.budget("400 tokens") as run:
        receipt = client.ask("Write a long story about a dragon.", model="gpt-5.5-2026-04-23").greenai
    (note,) = receipt.nudges[1:]
    assert note.text == f"at most {note.data['limit']} output tokens, to stay within 400 tokens of {run.scope}"
    assert note.override == 'client.budget(..., when_spent="observe"), or a larger limit there'
    at = f"The answer was cut at {note.data['limit']} tokens"
    assert receipt.warnings == (f"{at}, to stay within 400 tokens of {run.scope}. A longer one: raise that budget.",)


def test_a_receipt_says_one_limit_where_a_budget_s_is_below_greenai_s_own() -> None:
    provider = FakeProvider()
    with offline(provider, settings=limited(tokens="400/hour")) as client:
        receipt = client.ask("Write a long story about a dragon.").greenai
    limit = provider.calls[0].draft.arguments["max_completion_tokens"]
    assert [note.text for note in receipt.nudges] == [
        "reasoning off for openai/gpt-5.4-nano",
        f"at most {limit} output tokens, to stay within 400 tokens/hour of project/default",
    ]


def test_what_a_budget_made_less_is_said_in_the_language_of_the_project() -> None:
    settings = {**limited(tokens="400/hour"), "nudges": {"language": "de"}}
    with offline(FakeProvider(), settings=settings) as client:
        note = client.ask("Write a long story about a dragon.").greenai.nudges[-1]
    assert (
        note.text == f"höchstens {note.data['limit']} Token Ausgabe, um 400 tokens/hour of project/default einzuhalten"
    )
    assert note.id == "budget.less"


def test_a_budget_that_refuses_at_once_refuses_although_another_is_short_first() -> None:
    settings = {**limited(tokens="150/hour"), "user_budget": {"tokens": "100/hour", "when_spent": "refuse"}}
    with offline(FakeProvider(), settings=settings) as client, pytest.raises(BudgetExceeded, match="user/unnamed has"):
        client.ask("Write a long story about a dragon.")


def test_two_budgets_of_the_same_text_are_not_taken_for_each_other() -> None:
    with offline(FakeProvider(), settings=limited(calls="2/hour", reasoning_calls="2/hour"), **BOTH) as client:
        ledger = client._session.resources.spending.ledger
        budget = Budget.parse("2/hour", unit="reasoning_calls")
        ledger.reserve("project/default", budget, Amount(reasoning_calls=2), attempt_id="x").settle(
            Amount(reasoning_calls=2)
        )
        receipt = client.ask(LONG).greenai
        assert receipt.reasoning is False
        (note,) = [n.text for n in receipt.nudges if n.nudge == "budget"]
        assert note.endswith("no reasoning, to stay within 2 reasoning calls/hour of project/default")

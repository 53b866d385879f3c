"""The ways to ask where little is left: in which order, and what is left alone."""

from __future__ import annotations

from typing import Any

import pytest
from openai import InternalServerError
from purse import used

from greenai import Client
from greenai.errors import BudgetExceeded
from greenai.steps.affording import LEAST_TOKENS
from greenai.testing import FakeProvider, FakeReply, error, offline

LONG = "Prove that there are infinitely many primes p with p = 3 mod 4, and explain each step in detail."
BOTH = {"opt_in": {"large", "reasoning"}, "reason": "test"}


def limited(**budget: Any) -> dict[str, Any]:
    return {"projects": {"default": {"budget": budget}}, "cache": "off", "without_opt_in": "downgrade"}


def asked(provider: FakeProvider) -> list[tuple[str, bool | None, int | None]]:
    """What reached the provider: the model, whether it reasons, and the limit of its answer."""
    drafts = [call.draft for call in provider.calls]
    return [(d.rung.model, d.reasoning, d.arguments.get("max_completion_tokens")) for d in drafts]


def trying(client: Any, prompt: str = LONG, **arguments: Any) -> list[Any]:
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


def test_the_ways_in_their_order() -> None:
    provider = FakeProvider(default=FakeReply(output_tokens=9))
    with offline(provider, settings=limited(energy="0.02 Wh/hour"), **BOTH) as client:
        tried = trying(client)
        # As drafted; the cheaper rung; that without reasoning; and shorter, until it fits.
        energies = [amount.energy_j for amount in tried]
        assert energies == sorted(energies, reverse=True)
        assert len(set(energies)) == len(energies) >= 3
        ((model, reasoning, most),) = asked(provider)
        assert (model, reasoning) == ("openai/gpt-5.4-nano", False)
        assert most is None or most >= LEAST_TOKENS


def test_calls_cannot_be_made_less_so_that_one_try_is_enough() -> None:
    with offline(settings=limited(calls="1/hour"), **BOTH) as client:
        assert len(trying(client)) == 1
        assert len(trying(client)) == 1


def test_where_only_reasoning_is_short_the_model_stays() -> None:
    provider = FakeProvider()
    with offline(provider, settings=limited(reasoning_calls="1/hour"), **BOTH) as client:
        for _ in range(2):
            note = client.ask(LONG).greenai.nudges[-1]
    assert [(model, reasoning) for model, reasoning, _ in asked(provider)] == [
        ("openai/gpt-5.5", True),
        ("openai/gpt-5.5", False),
    ]
    assert note.text == "no reasoning, to stay within 1 reasoning call/hour of project/default"


def test_where_more_is_short_than_reasoning_both_go() -> None:
    provider, settings = FakeProvider(), limited(reasoning_calls="1/hour", energy="0.02 Wh/hour")
    with offline(provider, settings=settings, **BOTH) as client:
        client.ask(LONG)
    assert [(model, reasoning) for model, reasoning, _ in asked(provider)] == [("openai/gpt-5.4-nano", False)]


def test_two_budgets_may_each_ask_for_a_shorter_answer() -> None:
    provider = FakeProvider(default=FakeReply(output_tokens=9))
    with offline(provider, settings=limited(tokens="150/hour", energy="0.004 Wh/hour")) as client:
        receipt = client.ask("Write a long story about a dragon.").greenai
        assert receipt.budget is not None
        note = next(n for n in receipt.nudges if n.nudge == "budget")
        assert note.override == 'when_spent = "observe", or a larger limit, in the table of that budget'


def test_too_short_an_answer_is_not_asked_for() -> None:
    provider = FakeProvider()
    with offline(provider, settings=limited(tokens="20/hour")) as client:
        with pytest.raises(BudgetExceeded):
            client.ask("Write a long story about a dragon.")
        assert provider.calls == []


def test_the_limit_goes_in_the_field_that_the_provider_knows() -> None:
    for model, field in (
        ("openai/gpt-5.4-nano", "max_completion_tokens"),
        ("mistral/mistral-small-latest", "max_tokens"),
    ):
        provider = FakeProvider()
        with offline(provider, settings={**limited(tokens="110/hour"), "ladder": [model]}) as client:
            client.ask("Write a long story about a dragon.")
            arguments = provider.calls[0].draft.arguments
            assert LEAST_TOKENS <= arguments[field] < 110
            assert len(arguments.keys() & {"max_completion_tokens", "max_tokens"}) == 1


def test_a_limit_without_a_value_does_not_name_the_field() -> None:
    provider = FakeProvider()
    settings = {**limited(tokens="110/hour"), "ladder": ["openai/gpt-5.5"], "nudges": {"output_length": False}}
    with offline(provider, settings=settings) as client:
        client.ask("Write a long story about a dragon.", max_tokens=None)
    arguments = provider.calls[0].draft.arguments
    assert "max_tokens" not in arguments
    assert LEAST_TOKENS <= arguments["max_completion_tokens"] < 110


def test_a_pinned_model_is_not_replaced_by_a_cheaper_one() -> None:
    provider = FakeProvider()
    with offline(provider, settings=limited(cost="0.0001 USD/hour", when_spent="downgrade")) as client:
        with pytest.raises(BudgetExceeded):
            client.chat.completions.create(
                model="gpt-5.5-2026-04-23", messages=[{"role": "user", "content": LONG}], max_tokens=2000
            )
        assert provider.calls == []


def test_a_better_answer_that_was_asked_for_is_not_given_by_a_cheaper_rung() -> None:
    provider = FakeProvider(default=FakeReply(output_tokens=5))
    with offline(provider, settings=limited(calls="2/hour", energy="0.05 Wh/hour")) as client:
        again = client.escalate(client.ask("Say hello to Ada."))
        assert provider.models == ["openai/gpt-5.4-nano", "openai/gpt-5.5"]
        assert [n.text.partition(",")[0][:7] for n in again.greenai.nudges if n.nudge == "budget"] == ["at most"]


def test_an_answer_that_cannot_be_bettered_is_delivered() -> None:
    """The rung above does not fit: the caller gets the answer that is there, and is told why."""
    provider = FakeProvider(FakeReply(text="", output_tokens=5), "Hello.")
    with offline(provider, settings=limited(calls="1/hour"), **BOTH) as client:
        receipt = client.ask("Say hello to Ada.").greenai
        assert provider.models == ["openai/gpt-5.4-nano"]
        told = [w for w in receipt.warnings if "was not asked for a better answer" in w]
        assert told[0].startswith(
            "openai/gpt-5.5 was not asked for a better answer, and this is the earlier one. project/"
        )


SMALL, LARGE = "openai/gpt-5.4-nano", "openai/gpt-5.5"


def failing(model: str, status: int) -> FakeProvider:
    """A provider that answers for every model but one."""
    told = error(status, f"No access to {model}.")
    return FakeProvider(default=lambda call: told if call.draft.rung.model == model else FakeReply(output_tokens=5))


def test_a_cheaper_rung_that_is_not_for_this_key_is_what_is_denied() -> None:
    provider = failing(SMALL, 404)
    with offline(provider, settings=limited(energy="0.02 Wh/hour"), **BOTH) as client:
        with pytest.raises(BudgetExceeded) as refusal:
            client.ask(LONG)
        # What was wanted is tried as well, without the cheaper one; the budget allows no less of it.
        assert refusal.value.__notes__ == [f"greenai tried: {SMALL} (NotFoundError), {LARGE} (BudgetExceeded)."]
        assert provider.models == [SMALL]
        assert {model for _, model in client._session.resources.steps.denied} == {SMALL}


def test_where_the_cheaper_rung_is_denied_the_next_one_below_it_is_asked() -> None:
    ladder = ["openai/gpt-5.4-nano", "openai/gpt-5.4-mini", "openai/gpt-5.5"]
    provider = failing("openai/gpt-5.4-mini", 403)
    settings = {**limited(energy="1.7 Wh/hour"), "ladder": ladder}
    with offline(provider, settings=settings, **BOTH) as client:
        receipt = client.ask(LONG).greenai
        assert provider.models == ["openai/gpt-5.4-mini", "openai/gpt-5.4-nano"]
        assert [(a.model, a.state) for a in receipt.attempts] == [
            ("openai/gpt-5.4-mini", "failed"),
            ("openai/gpt-5.4-nano", "answered"),
        ]
        assert f"{SMALL} instead of {LARGE}" in next(n.text for n in receipt.nudges if n.nudge == "budget")


def test_a_cheaper_rung_that_fails_is_what_is_told() -> None:
    provider = FakeProvider(default=error(500, "The server failed."))
    with offline(provider, settings=limited(energy="0.02 Wh/hour"), max_retries=0, **BOTH) as client:
        for model in (None, LARGE):  # what the app named is not affordable either, so its failure is the answer
            with pytest.raises(InternalServerError) as failure:
                client.ask(LONG, model=model)
            assert failure.value.__notes__ == [f"greenai tried: {SMALL} (InternalServerError)."]
        assert provider.models == [SMALL, SMALL]
        assert client._session.resources.steps.denied == set()


# --- what explain foretells -----------------------------------------------------------------


def foretold(client: Client, **options: Any) -> list[str]:
    reasons = client.with_options(**options).explain("Say hello to my friend Ada.").reasons
    return [reason for reason in reasons if "udget" in reason or "allow this call" in reason]


def test_explain_says_what_is_left_and_holds_nothing() -> None:
    with offline(settings=limited(calls="2/hour")) as client:
        [left, verdict] = foretold(client)
        assert left.startswith("Its budgets: 2 calls of 2/hour left for project/default until ")
        assert verdict == "They allow this call as it is."
        assert used(client).calls == 0


def test_explain_says_that_a_call_would_be_refused() -> None:
    with offline(settings=limited(calls="1/hour")) as client:
        client.ask("Say hello to my friend Ada.")
        with pytest.raises(BudgetExceeded) as raised:
            client.ask("Say hello to my friend Ada.")
        assert foretold(client) == [f"By its budgets this call would be refused now: {raised.value}"]
        assert used(client).calls == 1


def test_explain_says_that_a_call_would_be_made_less() -> None:
    with offline(settings=limited(energy="4 Wh/hour")) as client:
        large = client.with_options(opt_in={"large"}, reason="checked by a person")
        question = "Prove step by step that the square root of 2 is irrational, and justify each lemma."
        told = [reason for reason in large.explain(question).reasons if reason.startswith("By its budgets")]
        notes = [note.text for note in large.ask(question).greenai.nudges if note.nudge == "budget"]
        assert notes
        assert told == [f"By its budgets this call would be made less now: {note}." for note in notes]

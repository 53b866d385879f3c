"""An answer near the floor is held against its own token probabilities: end to end, in both colours."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from verdicts import with_gain

from greenai import AsyncClient
from greenai.route import FLOORS, unverifiable
from greenai.testing import FakeProvider, FakeReply, error, offline
from greenai.values import Call, Options, Request, Rung, Transport

MESSAGES = [{"role": "user", "content": "Write a python function that sorts a list of names."}]
NEAR, FAR = FLOORS["standard"], FLOORS["standard"] / 10
NANO, MAX = "openai/gpt-5.4-nano", "openai/gpt-5.5"
OPTED_IN = {"opt_in": "large", "reason": "a test"}
SURE = FakeReply(text="def sort(): ...", logprobs=(-0.1, -0.2))
UNSURE = FakeReply(text="I think so.", logprobs=(-2.0, -1.0))


def asked_for(provider: FakeProvider) -> list[object]:
    return [call.draft.arguments.get("logprobs") for call in provider.calls]


def ask(provider: FakeProvider, gain: float = NEAR, **arguments: Any) -> Any:
    with offline(provider, **OPTED_IN) as client:
        return with_gain(client, gain).chat.completions.create(messages=MESSAGES, **arguments)


async def aask(provider: FakeProvider) -> Any:
    async with offline(provider, client=AsyncClient, **OPTED_IN) as client:
        return await with_gain(client, NEAR).chat.completions.create(messages=MESSAGES)


def test_sure_answer_is_delivered_in_the_shape_it_would_have_had() -> None:
    provider = FakeProvider(SURE)
    response = ask(provider)
    assert (provider.models, asked_for(provider)) == ([NANO], [True])
    assert response.choices[0].logprobs is None
    assert response.greenai.decision.verify
    assert response.greenai.warnings == ()


def test_unsure_answer_is_discarded_and_its_energy_counted() -> None:
    provider = FakeProvider(UNSURE, FakeReply(text="def sort(names): ..."))
    response = ask(provider)
    assert (provider.models, asked_for(provider)) == ([NANO, MAX], [True, None])
    receipt = response.greenai
    assert [a.state for a in receipt.attempts] == ["discarded", "answered"]
    assert receipt.attempts[0].error == ("the model was unsure of it (mean token log-probability -1.50, below -0.60)")
    energies = [a.energy.energy_j for a in receipt.attempts]
    assert None not in energies
    assert receipt.energy.energy_j == pytest.approx(sum(energies))
    assert receipt.outcome == "large"


def test_both_colours_decide_alike() -> None:
    plain, awaited = FakeProvider(UNSURE, "Larger."), FakeProvider(UNSURE, "Larger.")
    one, two = ask(plain), asyncio.run(aask(awaited))
    assert plain.models == awaited.models == [NANO, MAX]
    assert [a.state for a in one.greenai.attempts] == [a.state for a in two.greenai.attempts]
    assert one.greenai.decision == two.greenai.decision
    assert one.choices[0].message == two.choices[0].message


def test_larger_rung_that_fails_leaves_the_unsure_answer() -> None:
    response = ask(FakeProvider(UNSURE, error(500)))
    assert response.choices[0].message.content == "I think so."
    assert response.choices[0].logprobs is None


def test_app_that_asked_for_them_keeps_its_token_probabilities() -> None:
    response = ask(FakeProvider(SURE), logprobs=True)
    assert [token.logprob for token in response.choices[0].logprobs.content] == [-0.1, -0.2]


def test_provider_that_refuses_the_argument_is_asked_again_without_it_and_remembered() -> None:
    def picky(call: Call) -> str | BaseException:
        return error(400, "logprobs are not supported") if call.draft.arguments.get("logprobs") else "Fine."

    provider = FakeProvider(default=picky)
    with offline(provider, settings={"cache": "off"}, **OPTED_IN) as client:
        with_gain(client, NEAR)
        first = client.chat.completions.create(messages=MESSAGES)
        second = client.chat.completions.create(messages=MESSAGES)
    assert first.choices[0].message.content == "Fine."
    assert [a.state for a in first.greenai.attempts] == ["failed", "answered"]
    assert asked_for(provider) == [True, None, None]
    assert second.greenai.decision.reasons[-1] == (
        "That is near the limit, and the answer is not verified: "
        "openai/gpt-5.4-nano refused to return token probabilities."
    )


def test_refusal_that_has_another_cause_reaches_the_app() -> None:
    with pytest.raises(openai.BadRequestError):
        ask(FakeProvider(default=error(400, "bad")))


def test_far_from_the_floor_streams_and_switched_off_nothing_is_asked_for() -> None:
    provider = FakeProvider(SURE)
    ask(provider, FAR)
    list(ask(provider, stream=True))
    with offline(provider, settings={"verify": "off"}, **OPTED_IN) as client:
        with_gain(client, NEAR)
        client.chat.completions.create(messages=MESSAGES)
    assert asked_for(provider) == [None, None, None]


def test_cache_holds_the_answer_without_token_probabilities() -> None:
    provider = FakeProvider(SURE)
    with offline(provider, **OPTED_IN) as client:
        with_gain(client, NEAR)
        client.chat.completions.create(messages=MESSAGES, temperature=0)
        again = client.chat.completions.create(messages=MESSAGES, temperature=0)
    assert (again.greenai.outcome, again.choices[0].logprobs) == ("cache", None)


# --- whose can be had -----------------------------------------------------------------------


def request(*, stream: bool = False, options: dict[str, Any] | None = None, **arguments: Any) -> Request:
    return Request(
        call_id="c",
        entry="create",
        model=None,
        messages=({"role": "user", "content": "Hello?"},),
        arguments=arguments,
        stream=stream,
        transport=Transport(timeout_s=1),
        options=Options(**options or {}),
        deadline=0.0,
        namespace="n",
    )


@pytest.mark.parametrize(
    ("asked", "model", "why"),
    [
        (request(), NANO, None),
        (request(), "local/smollm2-135m", None),
        (request(), "openai/gpt-5-pro", "openai/gpt-5-pro returns no token probabilities while it reasons"),
        (
            request(options={"opt_in": frozenset(("reasoning",))}),
            NANO,
            "openai/gpt-5.4-nano returns no token probabilities while it reasons",
        ),
        (request(), "mistral/x", "mistral/x is not known to return token probabilities"),
        (request(stream=True), NANO, "a stream and several answers at once cannot be"),
        (request(n=2), NANO, "a stream and several answers at once cannot be"),
        (request(logprobs=False), NANO, "the call asks for no token probabilities"),
        (request(options={"verify": "off"}), NANO, 'verify="off"'),
    ],
)
def test_whose_token_probabilities_can_be_had(asked: Request, model: str, why: str | None) -> None:
    from greenai.catalog import find

    assert unverifiable(asked, Rung(model=model), find(model)) == why


def test_other_address_is_not_trusted_to_return_them() -> None:
    rung = Rung(model="openai/own", base_url="http://localhost:1/v1")
    assert unverifiable(request(), rung, None) == "openai/own is not known to return token probabilities"

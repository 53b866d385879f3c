"""The semantic cache in a call: step 5, and what it learns at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from greenai import Client
from greenai.cache import SemanticTier
from greenai.cache.semantic import STORED
from greenai.testing import FakeProvider, FakeReply, MemoryStore, offline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from greenai.values import Call, Reply

FIRST = "Why do cats purr when they are stroked?"
SECOND = "Why do cats purr when stroked?"


class Words:
    """Texts are near by the words that they share."""

    name = "words-1"
    serves = True

    def encode(self, texts: Sequence[str]) -> Any:
        made = np.zeros((len(texts), 4096), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                made[row, sum(map(ord, word)) % 4096] = 1
        return made / np.linalg.norm(made, axis=1, keepdims=True)


class Broken(Words):
    name = "broken-1"

    def encode(self, texts: Sequence[str]) -> Any:
        raise RuntimeError("no encoder")


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(default="They are content.")


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Client]:
    with offline(provider) as opened:
        use(opened, Words())
        yield opened


def use(client: Client, encoder: Any) -> None:
    resources = client._session.resources
    tier = SemanticTier(encoder=encoder, before=0.7, audits=0.0, classes=STORED)
    resources.steps = replace(resources.steps, semantic=tier)


def test_the_limit_on_wrong_answers_is_a_setting() -> None:
    with offline(settings={"cache_delta": 0.02}) as client:
        tier = client._session.resources.steps.semantic
        assert tier is not None
        assert tier.delta == 0.02


def test_other_words_for_the_same_question_are_answered_from_the_cache(client: Client, provider: FakeProvider) -> None:
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    careful.ask(FIRST)
    answer = careful.ask(SECOND)
    receipt = answer.greenai
    assert len(provider.calls) == 1
    assert (answer.text, receipt.outcome) == ("They are content.", "semantic_cache")
    assert receipt.attempts == ()
    assert receipt.avoided is not None
    (reason,) = receipt.decision.reasons
    assert reason.startswith(f'A question of the same meaning, "{FIRST}", was answered by ')
    assert reason.endswith("0.87 similar.")
    score, bound = receipt.decision.checks
    assert (score.name, score.source, bound.name, bound.threshold) == (
        "same answer",
        "words-1",
        "bound on wrong hits",
        0.01,
    )
    assert score.value >= score.threshold == 0.7
    assert "".join(careful.ask(SECOND, stream=True)) == "They are content."


def test_a_bad_answer_can_be_forgotten(client: Client, provider: FakeProvider) -> None:
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    careful.ask(FIRST)
    assert client.forget(careful.ask(SECOND))
    careful.ask(SECOND)
    assert len(provider.calls) == 2


def test_an_answer_that_is_bad_for_another_question_stays_for_its_own(client: Client, provider: FakeProvider) -> None:
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    careful.ask(FIRST)
    hit = careful.ask(SECOND)
    assert hit.greenai.outcome == "semantic_cache"
    client.feedback(hit, good=True)
    assert careful.ask(SECOND).greenai.outcome == "semantic_cache"
    client.feedback(hit, good=False)
    assert careful.ask(FIRST).greenai.outcome == "cache"
    assert careful.ask(SECOND).greenai.outcome not in ("cache", "semantic_cache")
    assert len(provider.calls) == 2


def test_of_a_hit_that_is_no_longer_known_the_answer_serves_its_own_question_only(client: Client) -> None:
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    careful.ask(FIRST)
    hit = careful.ask(SECOND)
    tier = client._session.resources.steps.semantic
    assert tier is not None
    tier._given.clear()
    client.feedback(hit, good=False)
    assert careful.ask(FIRST).greenai.outcome == "cache"
    assert careful.ask(SECOND).greenai.outcome not in ("cache", "semantic_cache")


class Talkative(FakeProvider):
    """Says a few words before each call of a tool."""

    def send(self, call: Call) -> Reply:
        reply = super().send(call)
        return replace(reply, text="I will look that up.") if reply.tool_calls else reply


def test_calls_of_tools_are_neither_learned_nor_given() -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    calls = FakeReply(tool_calls=(called,), finish_reason="tool_calls")
    provider = Talkative(calls, "They are content.", default=calls)
    with offline(provider, settings={"cache_also": ["tool_calls"]}) as client:
        use(client, Words())
        for text, cache in (("What is a purring cat?", "semantic"), (FIRST, "semantic"), (FIRST, "refresh")):
            client.with_options(cache=cache).ask(text)
        tier = client._session.resources.steps.semantic
        assert tier is not None
        (held,) = tier._scopes.values()
        assert [row and row.question for row in held._rows] == [FIRST]
        assert client.with_options(cache="semantic").ask(SECOND).greenai.outcome != "semantic_cache"
    assert len(provider.calls) == 4


def test_a_forgotten_answer_is_nowhere_in_the_store(client: Client) -> None:
    resources, store = client._session.resources, MemoryStore()
    tier = SemanticTier(encoder=Words(), before=0.7, audits=0.0, classes=STORED, store=store)
    resources.steps = replace(resources.steps, semantic=tier)
    answer = client.with_options(opt_in={"semantic_cache"}, reason="a help desk").ask(FIRST)
    assert "purr" in str([store.get(row.key) for row in store.rows()])
    client.forget(answer)
    assert "purr" not in str([store.get(row.key) for row in store.rows()])


def test_it_is_asked_only_where_somebody_opted_in(client: Client, provider: FakeProvider) -> None:
    client.ask(FIRST)
    client.ask(SECOND)
    assert len(provider.calls) == 2
    client.with_options(cache="semantic").ask(FIRST)


@pytest.mark.parametrize(
    "changed",
    [{"system": "Answer in verse."}, {"max_tokens": 50}, {"greenai": {"tenant": "another"}}],
    ids=["system prompt", "argument", "tenant"],
)
def test_all_else_has_to_be_the_same(client: Client, provider: FakeProvider, changed: dict[str, Any]) -> None:
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    careful.ask(FIRST)
    careful.ask(SECOND, **changed)
    assert len(provider.calls) == 2


def test_a_conversation_and_live_data_are_left_out(client: Client, provider: FakeProvider) -> None:
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    for last in (FIRST, SECOND):
        careful.chat.completions.create(model="gpt-5.5", messages=[*turns, {"role": "user", "content": last}])
    for text in ("Which films are on tonight near me?", "Which films are on tonight near me please?"):
        careful.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": text}])
    assert len(provider.calls) == 4


def test_explain_neither_asks_nor_teaches_it(client: Client) -> None:
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    careful.ask(FIRST)
    assert careful.explain(SECOND).outcome != "semantic_cache"


def test_an_encoder_that_fails_costs_nobody_the_answer(
    client: Client, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    use(client, Broken())
    careful = client.with_options(opt_in={"semantic_cache"}, reason="a help desk")
    assert careful.ask(FIRST).text == "They are content."
    assert "The semantic cache could not be asked; the call goes on without it." in caplog.text
    assert len(provider.calls) == 1

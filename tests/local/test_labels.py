"""Labels told apart by a local model: the real one, and a server that says what the test scripts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from greenai.errors import EngineError
from greenai.local import Engine, Engines, EngineSettings
from greenai.local.labels import Read, prepared
from tests.servers import Exchange, Scripted, closed_port_url, raw

TOKENS = {"top up": [1, 2], "top off": [1, 3], "card": [4], "card arrival": [4, 5]}


class Llama:
    """Says of each token what the test says; a template is `<system>text<end>`."""

    def __init__(self, said: Mapping[int, float]) -> None:
        self.said = said
        self.asked: list[dict[str, Any]] = []

    def __call__(self, exchange: Exchange) -> None:
        body = exchange.server.received[-1].body
        if exchange.path == "/tokenize":
            answer: Any = {"tokens": TOKENS[body["content"]]}
        elif exchange.path == "/apply-template":
            answer = {"prompt": f"<{body['messages'][0]['content']}>{body['messages'][1]['content']}<end>"}
        else:
            self.asked.append(body)
            tokens = [token for token, _ in body["logit_bias"]]
            whole = sum(self.said[token] for token in tokens)
            probabilities = [{"id": token, "prob": self.said[token] / whole} for token in tokens]
            answer = {"completion_probabilities": [{"top_probs": probabilities}], "tokens_evaluated": 9}
            answer["timings"] = {"prompt_n": 4}
        exchange.whole(200, json.dumps(answer).encode())


def engine_at(url: str) -> Any:
    return SimpleNamespace(base_url=url, api_key="key", model="some.gguf")


@pytest.fixture
def real(weights: Path) -> Iterator[Engine]:
    engines = Engines(EngineSettings(slots=1, threads=1, weights_dir=weights.parent.parent))
    yield engines.get("smollm2-135m")
    engines.close()


def test_labels_that_begin_alike_are_told_apart_where_they_differ(scripted: Scripted) -> None:
    llama = Llama({1: 3.0, 4: 1.0, 2: 1.0, 3: 4.0})
    scripted.play(llama)
    labels, read = prepared(engine_at(scripted.url), "Which?", ["top up", "top off", "card"]), Read()
    assert labels.probabilities("hello", read) == pytest.approx([0.15, 0.6, 0.25])
    assert [asked["prompt"] for asked in llama.asked] == ["<Which?>hello<end>", ["<Which?>hello<end>", 1]]
    assert [asked["logit_bias"] for asked in llama.asked] == [[[1, 100.0], [4, 100.0]], [[2, 100.0], [3, 100.0]]]
    assert (read.input_tokens, read.cached_tokens, read.output_tokens) == (18, 10, 2)
    assert scripted.requests[-1].headers["authorization"] == "Bearer key"


def test_the_time_is_for_all_that_is_asked_and_not_for_each(scripted: Scripted) -> None:
    llama = Llama({1: 1.0, 4: 3.0})

    def slowly(exchange: Exchange) -> None:
        time.sleep(0.2)
        llama(exchange)

    scripted.play(slowly)
    with pytest.raises(EngineError) as refused:
        prepared(engine_at(scripted.url), "Which?", ["card", "top up"] * 10, 0.5)
    assert "did not" in str(refused.value)
    assert len(scripted.requests) <= 3
    late = engine_at(scripted.url)
    with pytest.raises(EngineError) as refused:
        prepared(late, "Which?", ["card"], 0.0)
    assert str(refused.value) == (
        "local/some.gguf did not read its labels in the time it had. Give fewer, or more time."
    )


def test_a_label_that_begins_another_shares_with_it(scripted: Scripted) -> None:
    scripted.play(Llama({1: 1.0, 4: 3.0}))
    labels = prepared(engine_at(scripted.url), "Which?", ["card", "card arrival", "top up"])
    assert labels.probabilities("hello", Read()) == pytest.approx([0.375, 0.375, 0.25])


def test_labels_of_the_same_tokens_share(scripted: Scripted) -> None:
    llama = Llama({1: 1.0, 4: 3.0})
    scripted.play(llama)
    labels = prepared(engine_at(scripted.url), "Which?", ["card", "card", "top up"])
    assert labels.probabilities("hello", Read()) == pytest.approx([0.375, 0.375, 0.25])
    assert len(llama.asked) == 1


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        (raw(b"no such path", status=404), "local/some.gguf answered 404: no such path"),
        (lambda exchange: exchange.reset(), "local/some.gguf did not answer: [Errno 104] Connection reset by peer"),
    ],
)
def test_a_server_that_does_not_answer_is_told(scripted: Scripted, scene: Any, message: str) -> None:
    scripted.play(scene)
    with pytest.raises(EngineError) as failure:
        prepared(engine_at(scripted.url), "Which?", ["card"])
    assert str(failure.value) == message


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(EngineError) as failure:
        prepared(engine_at(closed_port_url()), "Which?", ["card"], 1.0)
    assert str(failure.value) == "local/some.gguf did not answer: [Errno 111] Connection refused"


def test_the_real_model_reads_which_label_is_meant(real: Engine) -> None:
    system = "What is the sentiment of the review? Answer with one of: positive, negative."
    labels = prepared(real, system, ["positive", "negative"])
    read = Read()
    praise = labels.probabilities("a wonderful film, I loved every minute of it", read)
    blame = labels.probabilities("the worst meal I ever had, cold and expensive", read)
    assert sum(praise) == pytest.approx(1.0)
    assert praise[0] > blame[0]
    assert read.output_tokens == 2
    assert read.input_tokens > read.cached_tokens > 0  # of the second, what both begin with


def test_reading_again_says_the_same(real: Engine) -> None:
    labels = prepared(real, "Which?", ["play music", "get weather", "get a table"])
    first = labels.probabilities("a table for two", Read())
    assert labels.probabilities("a table for two", Read()) == pytest.approx(first, abs=0.01)

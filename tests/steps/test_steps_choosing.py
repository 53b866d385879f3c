"""One of a closed list, as a rung: answered where a small model is sure, handed on where it is not or fails."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal

import pydantic
import pytest

from greenai import AsyncClient
from greenai.answerers.choosing import TRIED
from greenai.errors import ModelMissing
from greenai.local.parker import Lease
from greenai.meters import METERS
from greenai.testing import FakeProvider, offline
from greenai.values import Call
from tests.servers import Exchange, Scripted, status

MODEL = "local/smollm2-135m"
SCHEMA = {"type": "object", "properties": {"topic": {"enum": ["music", "weather"]}}, "required": ["topic"]}
FORM: Any = {"type": "json_schema", "json_schema": {"name": "picked", "schema": SCHEMA}}
ASKED: Any = {"messages": [{"role": "user", "content": "some jazz"}], "response_format": FORM}
WRITTEN = '{"topic": "weather"}'


class Llama:
    """Is as sure of music as it is told to be, and of neither where there is nothing to read."""

    def __init__(self, sure: float) -> None:
        self.sure = sure

    def __call__(self, exchange: Exchange) -> None:
        body = exchange.server.received[-1].body
        if exchange.path == "/tokenize":
            answer: Any = {"tokens": [1 if body["content"] == "music" else 2]}
        elif exchange.path == "/apply-template":
            answer = {"prompt": "|".join(message["content"] for message in body["messages"])}
        else:
            sure = self.sure if "jazz" in body["prompt"] else 0.5
            said = [{"id": 1, "prob": sure}, {"id": 2, "prob": 1 - sure}]
            answer = {"completion_probabilities": [{"top_probs": said}], "tokens_evaluated": 20}
        exchange.whole(200, json.dumps(answer).encode())


class Leasing:
    """Engines with one model, behind a scripted server; `failing` is raised in place of it."""

    def __init__(self, url: str, core_s: float | None = None) -> None:
        self.failing: Exception | None = None
        self.loads_for_ever = False
        self.leased: list[str] = []
        starts = [core_s]
        engine: Any = SimpleNamespace(
            pid=os.getpid(),
            base_url=url,
            api_key="key",
            model="m",
            take_start=lambda: starts.pop() if starts else None,
            load_gpu_j=0.0,
        )
        self.engine = engine

    def lease(self, name: str, timeout_s: float | None = None) -> Lease:
        self.leased.append(name)
        if self.failing is not None:
            raise self.failing
        assert timeout_s is None or timeout_s > 0
        if self.loads_for_ever:
            assert timeout_s is not None
            time.sleep(timeout_s)
            raise TimeoutError
        return Lease(self.engine)

    def close(self) -> None:
        pass


class Stage:
    """Offline clients whose local model is behind a scripted server."""

    def __init__(self, server: Scripted, closing: ExitStack) -> None:
        self.server = server
        self._closing = closing
        self.engines = Leasing(server.url)
        self.provider = FakeProvider(default=WRITTEN)

    def client(self, **settings: Any) -> Any:
        told = {"pick_one": {"model": MODEL}, **settings}
        return self._on(self._closing.enter_context(offline(self.provider, settings=told)))

    def awaited(self) -> Any:
        return self._on(offline(self.provider, client=AsyncClient, settings={"pick_one": {"model": MODEL}}))

    def _on(self, client: Any) -> Any:
        resources = client._session.resources
        resources.steps = replace(resources.steps, engines=self.engines, meters=METERS)
        return client


@pytest.fixture
def stage(scripted: Scripted) -> Iterator[Stage]:
    with ExitStack() as closing:
        yield Stage(scripted, closing)


def test_a_sure_label_is_the_answer(stage: Stage) -> None:
    stage.server.play(Llama(0.99))
    response = stage.client().chat.completions.create(**ASKED)
    receipt = response.greenai
    assert response.choices[0].message.content == '{"topic": "music"}'
    assert (response.model, receipt.outcome, receipt.model, stage.provider.calls) == (MODEL, "task_model", MODEL, [])
    assert [(a.model, a.state, a.usage.input_tokens, a.usage.output_tokens) for a in receipt.attempts] == [
        (MODEL, "answered", 160, 8)  # in two wordings: three texts without content, once, and the request
    ]
    assert receipt.decision.reasons == (
        'The answer is one of 2: local/smollm2-135m read the request and means "music" (probability 1.000, from 0.995 on).',
        "To have a model answer instead: client.with_options(substitute=False).",
    )
    (check,) = receipt.decision.checks
    assert (check.name, check.threshold, check.source) == ("one of a list", 0.995, MODEL)
    assert receipt.cost_usd == 0


def test_what_is_said_of_nothing_is_asked_once(stage: Stage) -> None:
    stage.server.play(Llama(0.99))
    client = stage.client()
    for _ in range(2):
        client.with_options(cache="off").chat.completions.create(**ASKED)
    assert [request.path for request in stage.server.requests].count("/completion") == 10


def test_an_unsure_one_is_counted_and_a_model_asked(stage: Stage) -> None:
    stage.server.play(Llama(0.8))
    response = stage.client().chat.completions.create(**ASKED)
    receipt = response.greenai
    assert response.choices[0].message.content == WRITTEN
    assert (receipt.outcome, len(stage.provider.calls)) == ("small", 1)
    assert [(a.model, a.state, a.error) for a in receipt.attempts[:1]] == [(MODEL, "discarded", "not sure enough")]
    assert receipt.decision.reasons[0] == (
        "The answer is one of 2: local/smollm2-135m was asked first and was not sure enough "
        "(probability 0.941, from 0.995 on)."
    )


def test_what_is_undecided_is_read_once(stage: Stage) -> None:
    stage.server.play(Llama(0.499999))
    receipt = stage.client(pick_one={"model": MODEL, "threshold": 0.0}).chat.completions.create(**ASKED).greenai
    assert receipt.attempts[0].usage.output_tokens == 8
    wide = {"type": "json_schema", "json_schema": {"name": "picked", "schema": {"enum": ["music", "weather", "food"]}}}
    receipt = stage.client().chat.completions.create(**{**ASKED, "response_format": wide}).greenai
    assert (receipt.attempts[0].state, receipt.attempts[0].usage.output_tokens) == ("discarded", 4)


def test_a_project_sets_its_own_threshold(stage: Stage) -> None:
    stage.server.play(Llama(0.8))
    client = stage.client(pick_one={"model": MODEL, "threshold": 0.9})
    assert client.chat.completions.create(**ASKED).greenai.outcome == "task_model"


def test_a_model_that_fails_costs_nobody_the_answer(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.server.play(status(500))
    response = stage.client().chat.completions.create(**ASKED)
    assert response.choices[0].message.content == WRITTEN
    said = "local/smollm2-135m was to pick one of a list, failed (EngineError) and was passed over."
    assert response.greenai.warnings[0] == said
    assert caplog.messages == [said]


def test_weights_that_are_not_here_cost_nobody_the_answer(stage: Stage) -> None:
    stage.engines.failing = ModelMissing("not here", model=MODEL)
    receipt = stage.client().chat.completions.create(**ASKED).greenai
    assert receipt.warnings[0] == (
        "local/smollm2-135m was to pick one of a list, failed (ModelMissing) and was passed over."
    )


def test_a_load_that_takes_too_long_leaves_time_for_the_answer(stage: Stage) -> None:
    stage.engines.loads_for_ever = True
    left_s: list[float] = []

    def written(call: Call) -> str:
        left_s.append(call.deadline - time.monotonic())
        return WRITTEN

    stage.provider = FakeProvider(default=written)
    answer = stage.client().chat.completions.create(**ASKED, timeout=2.0)
    assert left_s[0] > 0
    assert answer.choices[0].message.content == WRITTEN
    assert answer.greenai.warnings == (
        f"{MODEL} was to pick one of a list, failed (TimeoutError) and was passed over.",
    )


def test_what_is_never_sure_is_asked_no_more(stage: Stage) -> None:
    stage.server.play(Llama(0.6))
    client = stage.client(cache="off")
    for _ in range(TRIED + 3):
        client.chat.completions.create(**ASKED)
    assert len(stage.engines.leased) == TRIED


@pytest.mark.parametrize(
    "asked",
    [
        {**ASKED, "model": "gpt-5.5-2026-04-23"},
        {**ASKED, "greenai": {"substitute": False}},
        {**ASKED, "greenai": {"observe": True}},
        {"messages": ASKED["messages"]},
        {**ASKED, "n": 2},
    ],
)
def test_elsewhere_it_is_not_asked(stage: Stage, asked: Any) -> None:
    stage.client().chat.completions.create(**asked)
    assert stage.engines.leased == []


def test_without_the_setting_it_is_not_asked(stage: Stage) -> None:
    stage.client(pick_one=None).chat.completions.create(**ASKED)
    assert stage.engines.leased == []


def test_explain_says_that_it_would_be_asked(stage: Stage) -> None:
    decision = stage.client().explain(ASKED["messages"], response_format=FORM)
    assert decision.reasons[0] == (
        "The answer is one of 2, so local/smollm2-135m is asked first, and answers if it is sure."
    )
    assert stage.engines.leased == []


def test_ask_and_an_awaited_client_pick_too(stage: Stage) -> None:
    stage.server.play(Llama(0.99))
    assert stage.client().ask("some jazz", response_format=FORM).text == '{"topic": "music"}'

    async def go() -> Any:
        async with stage.awaited() as client:
            return await client.chat.completions.create(**ASKED)

    assert asyncio.run(go()).greenai.outcome == "task_model"


def test_parse_and_the_responses_api_pick_too(stage: Stage) -> None:
    class Picked(pydantic.BaseModel):
        topic: Literal["music", "weather"]

    stage.server.play(Llama(0.99))
    client = stage.client()
    parsed = client.chat.completions.parse(model="auto", messages=ASKED["messages"], response_format=Picked)
    assert parsed.choices[0].message.parsed == Picked(topic="music")
    said = client.responses.parse(model="auto", input="some jazz", text_format=Picked)
    assert said.output_parsed == Picked(topic="music")
    assert (parsed.greenai.outcome, said.greenai.outcome) == ("task_model", "task_model")


def test_who_starts_the_model_is_charged_for_it(stage: Stage) -> None:
    stage.server.play(Llama(0.99))
    stage.engines = Leasing(stage.server.url, core_s=1000.0)
    client = stage.client(cache="off", watts_per_core=10.0)
    first, second = (client.chat.completions.create(**ASKED).greenai for _ in range(2))
    assert first.energy.energy_j > 10_000
    assert second.energy.energy_j < 1000


def test_what_the_start_took_of_a_gpu_is_charged_too(stage: Stage) -> None:
    stage.server.play(Llama(0.99))
    stage.engines = Leasing(stage.server.url, core_s=1.0)
    stage.engines.engine.load_gpu_j = 5000.0
    receipt = stage.client(cache="off", watts_per_core=10.0).chat.completions.create(**ASKED).greenai
    assert receipt.energy.energy_j > 5000

"""The vLLM lane, on a double of vLLM's documented interface: no GPU is here, and it is not installed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from gpus import SteppingGpu, stepping

from greenai import AsyncClient, Client, meters
from greenai.bulk.lanes import Bench
from greenai.bulk.values import Answered, Item
from greenai.bulk.vllm_lane import Vllm
from greenai.errors import BatchPaused, BudgetExceeded, EngineError, InvalidRequest, MissingExtra
from greenai.meters import nvml
from greenai.readings import Reading
from greenai.testing import ReplayMeter, offline

MODEL = "Qwen/Qwen3-8B"


# --- vLLM's documented interface --------------------------------------------------------------


@dataclass(kw_only=True)
class SamplingParams:
    """What the lane may pass; another name is a TypeError, as with vLLM."""

    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    logit_bias: dict[int, float] | None = None
    structured_outputs: Any = None

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise ValueError(f"temperature must be non-negative, got {self.temperature}.")


@dataclass
class FakeVllm:
    """vLLM, as far as it is asked: `too_long` are refused as a prompt too long is, and it breaks at list `stops_at`."""

    too_long: frozenset[str] = frozenset()
    loading: Exception | None = None
    stops_at: int = 0
    while_running: Callable[[], object] = lambda: None
    lists: list[list[str]] = field(default_factory=list)
    params: list[SamplingParams] = field(default_factory=list)
    templates: list[Any] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)

    def module(self) -> ModuleType:
        module = ModuleType("vllm")
        module.LLM = self._llm
        module.SamplingParams = SamplingParams
        module.sampling_params = SimpleNamespace(StructuredOutputsParams=lambda **form: form)
        return module

    def _llm(self, **arguments: Any) -> Any:
        if self.loading is not None:
            raise self.loading
        self.made.append(arguments)
        default = SamplingParams(temperature=0.6, top_p=0.95, top_k=20)
        return SimpleNamespace(chat=self.chat, get_default_sampling_params=lambda: default)

    def chat(
        self, messages: list[Any], sampling_params: list[Any], *, use_tqdm: bool, chat_template_kwargs: Any
    ) -> list[Any]:
        assert use_tqdm is False
        assert len(messages) == len(sampling_params)
        prompts = [conversation[-1]["content"] for conversation in messages]
        self.lists.append(prompts)
        if len(self.lists) == self.stops_at:
            raise RuntimeError("EngineCore encountered an issue.")
        if self.too_long.intersection(prompts):
            raise ValueError("The decoder prompt (length 9000) is longer than the maximum model length of 4096.")
        self.while_running()
        self.params += sampling_params
        self.templates.append(chat_template_kwargs)
        return [output(prompt, one) for prompt, one in zip(prompts, sampling_params, strict=True)]


def output(prompt: str, params: SamplingParams) -> Any:
    tokens = list(range(len(prompt)))[: params.max_tokens]
    said = SimpleNamespace(logprob=float("-inf"), decoded_token="x", rank=1)
    one = SimpleNamespace(
        index=0,
        text=prompt.upper()[: params.max_tokens],
        token_ids=tokens,
        finish_reason="length" if params.max_tokens and len(prompt) > params.max_tokens else "stop",
        logprobs=None if params.logprobs is None else [{token: said} for token in tokens],
    )
    return SimpleNamespace(prompt_token_ids=[0] * 10, outputs=[one], num_cached_tokens=4, finished=True)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> FakeVllm:
    double = FakeVllm()
    monkeypatch.setitem(sys.modules, "vllm", double.module())
    return double


# --- a lane -----------------------------------------------------------------------------------


class Kept(dict[str, Answered]):
    def __call__(self, key: str, answered: Answered) -> None:
        assert key not in self, f"{key} was kept twice"
        self[key] = answered


def item(text: str, model: str | None = MODEL, **more: Any) -> Item:
    options = more.pop("options", {})
    return Item(
        key=text, body={"model": model, "messages": [{"role": "user", "content": text}], **more}, options=options
    )


def run(client: Any, items: list[Item], until: Any = lambda: False, kept: Kept | None = None, **lane: Any) -> Kept:
    kept = Kept() if kept is None else kept
    bench = Bench(session=client._session, state=SimpleNamespace(), job="nightly", digest="d")
    Vllm(**lane).lane(bench).answer(items, kept, lambda _: None, until)
    return kept


def measured(energy_j: float) -> Reading:
    return Reading(
        energy_j=energy_j, low_j=energy_j * 0.9, high_j=energy_j * 1.1, gpu_energy_j=energy_j, evidence="measured",
        method="nvml-1 (GPU only, above idle)", components={"gpu": energy_j},
    )  # fmt: skip


def test_a_list_is_answered_in_openais_shape(vllm: FakeVllm) -> None:
    with offline() as client:
        kept = run(client, [item("hello there"), item("and you?")])
    assert vllm.lists == [["hello there", "and you?"]]
    assert vllm.made == [{"model": MODEL}]
    answered = kept["hello there"]
    assert answered.error is None
    assert answered.response["choices"][0]["message"]["content"] == "HELLO THERE"
    assert answered.response["choices"][0]["finish_reason"] == "stop"
    assert answered.response["usage"]["prompt_tokens"] == 10
    assert answered.response["usage"]["completion_tokens"] == 11
    assert answered.receipt["attempts"][0]["usage"]["cached_tokens"] == 4
    assert answered.receipt["model"] == f"local/{MODEL}"


def test_reasoning_is_off_unless_opted_in_and_lists_are_parted_by_that(vllm: FakeVllm) -> None:
    allowed = {"opt_in": ["reasoning"], "reason": "hard"}
    with offline() as client:
        run(client, [item("one"), item("two", reasoning_effort="high"), item("three", options=allowed)])
    assert vllm.templates[0] == {"enable_thinking": False}
    assert {"reasoning_effort": "high"} in vllm.templates


def test_sampling_is_the_models_own_where_the_call_says_nothing(vllm: FakeVllm) -> None:
    with offline() as client:
        run(client, [item("one"), item("a longer one", max_tokens=5, temperature=0.0, seed=3, stop=["."])])
    plain, own = vllm.params
    assert (plain.temperature, plain.top_k) == (0.6, 20)
    assert (own.max_tokens, own.temperature, own.seed, own.stop, own.top_p) == (5, 0.0, 3, ["."], 0.95)


def test_energy_is_shared_by_tokens_and_adds_up(vllm: FakeVllm) -> None:
    texts = ["a" * 5, "b" * 50, "c" * 500]
    with offline(meters=[ReplayMeter(measured(7.000001))]) as client:
        kept = run(client, [item(text) for text in texts])
    readings = [kept[text].receipt["energy"] for text in texts]
    assert sum(round(one["energy_j"] * 1e6) for one in readings) == 7_000_001
    assert readings[0]["energy_j"] < readings[1]["energy_j"] < readings[2]["energy_j"]
    assert readings[0]["evidence"] == "measured_shared"
    assert readings[0]["method"] == "nvml-1 (GPU only, above idle), shared by the tokens of 3 calls"


def test_a_gpus_counter_is_shared_out_whole(vllm: FakeVllm) -> None:
    gpu = SteppingGpu()
    machine = nvml.Machine(stepping(gpu), clock=lambda: gpu.now_s)
    vllm.while_running = lambda: gpu.draw(10.0, 300.0)
    with offline(meters=[lambda pid, _watts: machine.begin(pid)]) as client:
        kept = run(client, [item("a" * n) for n in range(1, 9)])
    energies = [one.receipt["energy"] for one in kept.values()]
    assert sum(one["gpu_energy_j"] for one in energies) == pytest.approx(3000, rel=0.01)
    assert {one["evidence"] for one in energies} == {"measured_shared"}


def test_the_processors_meter_is_no_meter_of_a_gpu(vllm: FakeVllm) -> None:
    with offline(meters=[meters.processor]) as client:
        kept = run(client, [item("hello")])
    assert kept["hello"].receipt["energy"]["evidence"] == "modelled_api"


def test_without_a_meter_energy_is_modelled_by_the_weights_card(vllm: FakeVllm) -> None:
    with offline() as client:
        kept = run(client, [item("hello")])
    assert kept["hello"].receipt["energy"]["energy_j"] > 0
    assert kept["hello"].receipt["energy"]["evidence"] == "modelled_api"


def test_without_a_meter_and_a_card_energy_is_unknown_and_never_0(vllm: FakeVllm) -> None:
    with offline() as client:
        kept = run(client, [item("hello", "mine/nobody-knows-it")])
    assert kept["hello"].receipt["energy"]["energy_j"] is None
    assert kept["hello"].receipt["energy"]["evidence"] == "unknown"


def test_a_request_that_vllm_refuses_fails_alone(vllm: FakeVllm) -> None:
    vllm.too_long = frozenset({"t3"})
    with offline() as client:
        kept = run(client, [item(f"t{n}") for n in range(8)])
    failed = {key: one.error for key, one in kept.items() if one.error is not None}
    assert list(failed) == ["t3"]
    assert failed["t3"].status == 400
    assert failed["t3"].final
    assert "longer than the maximum model length of 4096" in failed["t3"].message
    assert len(kept) == 8


def test_what_the_offline_engine_does_not_do_is_refused_in_words(vllm: FakeVllm) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    with offline() as client:
        kept = run(client, [item("a", tools=tools), item("b", temperature=-1), item("c")])
    assert kept["a"].error.message == (
        "vLLM's offline engine does not take tools here. Leave it out, or start `vllm serve` and name its address "
        "with base_url=. greenai tried: local/Qwen/Qwen3-8B (BadRequestError)."
    )
    assert kept["b"].error.message.startswith("temperature must be non-negative, got -1. ")
    assert (kept["b"].error.status, kept["b"].error.final) == (400, True)
    assert kept["c"].error is None


def test_an_answer_in_the_cache_needs_no_engine(vllm: FakeVllm) -> None:
    with offline() as client:
        first = run(client, [item("What is the capital of France?", temperature=0)])
        again = run(client, [item("What is the capital of France?", temperature=0)])
    assert first["What is the capital of France?"].receipt["outcome"] != "cache"
    assert again["What is the capital of France?"].receipt["outcome"] == "cache"
    assert len(vllm.made) == 1


def test_chunks_are_kept_one_after_the_other_and_a_stop_leaves_the_rest(vllm: FakeVllm) -> None:
    kept = Kept()
    with offline() as client:
        run(client, [item(f"t{n}") for n in range(10)], until=lambda: len(kept) >= 4, kept=kept, chunk=4)
    assert sorted(kept) == ["t0", "t1", "t2", "t3"]
    assert len(vllm.lists) == 1


def test_an_engine_that_stops_keeps_what_was_answered(vllm: FakeVllm) -> None:
    kept = Kept()
    vllm.stops_at = 2
    with (
        offline() as client,
        pytest.raises(EngineError, match=r"^vLLM stopped while Qwen/Qwen3-8B answered 4 requests: RuntimeError: "),
    ):
        run(client, [item(f"t{n}") for n in range(10)], kept=kept, chunk=4)
    assert sorted(kept) == ["t0", "t1", "t2", "t3"]


def test_a_machine_without_a_gpu_says_what_to_do(vllm: FakeVllm) -> None:
    vllm.loading = RuntimeError("Failed to infer device type, please set the environment variable\nmore")
    with offline() as client, pytest.raises(EngineError) as raised:
        run(client, [item("hello")])
    assert str(raised.value) == (
        "vLLM could not load Qwen/Qwen3-8B: RuntimeError: Failed to infer device type, please set the environment "
        "variable. It needs a GPU that it can use: see what `nvidia-smi` lists (in a container: docker run --gpus all)."
        ' Without one leave backend="vllm" out, and name a model that runs here.'
    )


def test_without_the_package_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with offline() as client, pytest.raises(MissingExtra) as raised:
        run(client, [item("hello")])
    assert str(raised.value) == (
        'backend="vllm" needs the package vllm, which is not installed. Install it with: pip install "greenai[vllm]"'
    )


def test_one_model_at_a_time(vllm: FakeVllm) -> None:
    with offline() as client:
        with pytest.raises(InvalidRequest, match=r"^This batch names 2 models \(Qwen/Qwen3-8B, b\), and backend"):
            run(client, [item("hello"), item("you", "local/b")])
        with pytest.raises(InvalidRequest, match=r"^A request of this batch names no model"):
            run(client, [item("hello"), item("you", None)])


def test_a_prefix_of_the_name_is_no_part_of_the_weights(vllm: FakeVllm) -> None:
    with offline() as client:
        run(client, [item("a", f"hosted_vllm/{MODEL}"), item("b", f"local/{MODEL}"), item("c", f"vllm/{MODEL}")])
    assert vllm.made == [{"model": MODEL}]


def test_log_probabilities_are_json(vllm: FakeVllm) -> None:
    with offline() as client:
        kept = run(client, [item("ab", logprobs=True, top_logprobs=1)])
    token = kept["ab"].response["choices"][0]["logprobs"]["content"][0]
    assert token["logprob"] == -9999.0
    assert [one["token"] for one in token["top_logprobs"]] == ["x"]


def test_a_form_is_held_by_vllm(vllm: FakeVllm) -> None:
    schema = {"type": "object", "properties": {}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with offline() as client:
        run(client, [item("a", response_format=form), item("b", response_format={"type": "json_object"})])
    assert [one.structured_outputs for one in vllm.params] == [{"json": schema}, {"json_object": True}]


def test_a_spent_budget_ends_the_run_and_holds_nothing_of_what_was_not_asked(vllm: FakeVllm) -> None:
    budget = {"budget": {"calls": "4/hour"}}
    kept = Kept()
    with offline(settings=budget) as client, pytest.raises(BudgetExceeded):
        run(client, [item(f"t{n}") for n in range(10)], kept=kept)
    assert len(kept) == 4


# --- as a job -----------------------------------------------------------------------------------


def test_a_job_stopped_by_its_engine_goes_on_where_it_ended(vllm: FakeVllm) -> None:
    requests = [{"model": MODEL, "messages": [{"role": "user", "content": f"t{n % 8}"}]} for n in range(10)]
    fleet = Vllm(engine={"tensor_parallel_size": 2}, chunk=3)
    vllm.stops_at = 2
    with Client() as client:
        with pytest.raises(
            BatchPaused, match=r"^The batch nightly is paused, 3 of 8 done \(EngineError\): vLLM stopped"
        ):
            client.batch(requests, name="nightly", backend=fleet, progress=False).run()
        vllm.stops_at = 0
        job = client.batch(requests, name="nightly", backend=fleet, progress=False)
        answers = list(job)
    assert [one.response.choices[0].message.content for one in answers] == [f"T{n % 8}" for n in range(10)]
    assert [text for texts in vllm.lists for text in texts] == [f"t{n}" for n in (0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7)]
    assert vllm.made == [{"model": MODEL, "tensor_parallel_size": 2}] * 2
    assert job.plan.backend == "vllm"


def test_an_async_job_is_the_same(vllm: FakeVllm) -> None:
    requests = [{"model": MODEL, "messages": [{"role": "user", "content": f"t{n}"}]} for n in range(3)]

    async def asked() -> list[Any]:
        async with AsyncClient() as client:
            return [one async for one in client.batch(requests, backend="vllm", progress=False)]

    answers = asyncio.run(asked())
    assert [one.response.choices[0].message.content for one in answers] == ["T0", "T1", "T2"]
    assert vllm.lists == [["t0", "t1", "t2"]]

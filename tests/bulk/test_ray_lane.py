"""The Ray lane on a real Ray of this machine: two processors, a small object store. Skipped where Ray is not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_vllm_lane import FakeVllm

from greenai import Client
from greenai.bulk.lanes import Bench
from greenai.bulk.ray_lane import Ray, RayLane
from greenai.bulk.ray_worker import Actor, LocalEngine, Own, VllmEngine, call_of, row_of
from greenai.bulk.values import Answered, Item
from greenai.errors import EngineError, GreenAIError, MissingExtra
from greenai.testing import offline

INIT = {
    "num_cpus": 2, "object_store_memory": 100_000_000, "include_dashboard": False, "_node_ip_address": "127.0.0.1",
}  # fmt: skip

# Ray's own, at its import and at its end
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Kept(dict[str, Answered]):
    def __call__(self, key: str, answered: Answered) -> None:
        assert key not in self, f"{key} was kept twice"
        self[key] = answered


def item(text: str, model: str = "own/shouter", **more: Any) -> Item:
    return Item(key=text, body={"model": model, "messages": [{"role": "user", "content": text}], **more})


def lane(client: Any, **given: Any) -> RayLane:
    bench = Bench(session=client._session, state=SimpleNamespace(), job="nightly", digest="d")
    return Ray(**{"init": INIT, **given}).lane(bench)


def shouter(*, asked: str | None = None, pause_s: float = 0.0) -> type:
    """Return a worker's class, which travels to the actors: it answers in capitals, and notes what it was asked."""

    class Shouter:
        def __call__(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
            import time

            time.sleep(pause_s)
            return [self.one(call["messages"][-1]["content"]) for call in calls]

        def one(self, text: str) -> dict[str, Any]:
            if asked is not None:
                with Path(asked).open("a") as file:
                    file.write(text + "\n")
            if text == "poison":
                return {"error": {"message": "No such thing.", "status": 400}}
            message = {"role": "assistant", "content": text.upper()}
            usage = {"prompt_tokens": 4, "completion_tokens": len(text), "total_tokens": 4 + len(text)}
            return {
                "id": "c", "object": "chat.completion", "created": 1, "model": "shouter", "usage": usage,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }  # fmt: skip

    return Shouter


# --- without Ray ------------------------------------------------------------------------------


def test_without_the_package_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with offline() as client, pytest.raises(MissingExtra) as raised:
        lane(client).answer([item("a")], Kept(), lambda _: None, lambda: False)
    assert str(raised.value) == (
        'backend="ray" needs the package ray[data], which is not installed. Install it with: pip install "greenai[ray]"'
    )


def test_a_block_goes_to_a_worker_and_comes_back_as_json() -> None:
    calls = [_call("hello"), _call("poison")]
    rows = [row_of(n, call) for n, call in enumerate(calls)]
    block = {"number": [row["number"] for row in rows], "call": [row["call"] for row in rows]}
    answered = Actor(Own(kind=shouter()))(block)
    told = [json.loads(one) for one in answered["told"]]
    assert answered["number"] == [0, 1]
    assert told[0]["body"]["choices"][0]["message"]["content"] == "HELLO"
    assert (told[1]["refused"], told[1]["status"]) == ("No such thing.", 400)


def _call(text: str) -> Any:
    asked = {"model": "local/m", "messages": [{"role": "user", "content": text}], "arguments": {}, "extra": {}}
    return call_of(json.dumps(asked))


def test_an_actor_with_vllm_asks_it_as_the_vllm_lane_does(monkeypatch: pytest.MonkeyPatch) -> None:
    vllm = FakeVllm()
    monkeypatch.setitem(sys.modules, "vllm", vllm.module())
    row = row_of(7, _call("hello"))
    answered = Actor(VllmEngine(model="m", arguments={"max_model_len": 512}))({k: [v] for k, v in row.items()})
    told = json.loads(answered["told"][0])
    assert answered["number"] == [7]
    assert told["body"]["choices"][0]["message"]["content"] == "HELLO"
    assert vllm.made == [{"model": "m", "max_model_len": 512}]


def test_each_actor_reserves_the_gpus_that_vllm_is_told_to_use() -> None:
    parallel = {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}
    assert Ray(worker="vllm", engine=parallel).reserved(8) == {"num_gpus": 4.0}
    assert Ray(num_cpus=2).reserved(8) == {"num_cpus": 2, "num_gpus": 1.0}
    assert Ray(num_cpus=2).reserved(0) == {"num_cpus": 2}
    assert Ray(worker="vllm", num_gpus=0.5, engine=parallel).reserved(8) == {"num_gpus": 0.5}
    assert Ray(worker=shouter()).reserved(8) == {}


@pytest.mark.needs_weights
def test_an_actor_with_greenais_own_engine_answers_and_measures() -> None:
    made = LocalEngine(model="smollm2-135m", settings={"slots": 2})
    asked = _call("Say hello.")
    row = {"number": [0, 1], "call": [_text(asked, max_tokens=4), _text(asked, max_tokens=6)]}
    actor = Actor(made)
    try:
        told = [json.loads(one) for one in actor(row)["told"]]
    finally:
        actor._ask.close()
    assert [one["body"]["usage"]["completion_tokens"] for one in told] == [4, 6]
    assert all(one["energy"]["energy_j"] > 0 for one in told)


def _text(call: Any, **arguments: Any) -> str:
    row = json.loads(row_of(0, call)["call"])
    return json.dumps({**row, "arguments": arguments})


# --- with it ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    found = pytest.importorskip("ray")
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    found.init(**INIT, log_to_driver=False, logging_level="ERROR")
    yield found
    found.shutdown()


def test_actors_answer_blocks_and_each_item_is_kept_once(ray: Any) -> None:
    kept = Kept()
    items = [*(item(f"t{n}") for n in range(20)), item("poison")]
    with offline() as client:
        lane(client, worker=shouter(), block=4, num_cpus=0.5).answer(items, kept, lambda _: None, lambda: False)
    assert len(kept) == 21
    assert kept["t7"].response["choices"][0]["message"]["content"] == "T7"
    assert kept["t7"].receipt["model"] == "local/own/shouter"
    assert kept["poison"].error.message == "No such thing. greenai tried: local/own/shouter (BadRequestError)."
    assert (kept["poison"].error.status, kept["poison"].error.final) == (400, True)


def test_finished_blocks_are_kept_while_others_run_and_a_stop_leaves_the_rest(ray: Any) -> None:
    kept, said = Kept(), []
    with offline() as client:
        working = lane(client, worker=shouter(pause_s=0.3), block=2, num_cpus=0.5)
        working.answer([item(f"t{n}") for n in range(40)], kept, said.append, lambda: len(kept) >= 4)
    assert 4 <= len(kept) < 40
    assert said == ["Ray runs own/shouter: 40 requests in blocks of 2 …"]


def test_a_worker_that_cannot_start_says_why(ray: Any) -> None:
    class Broken:
        def __init__(self) -> None:
            raise OSError("the weights are on another disk")

    with offline() as client, pytest.raises(EngineError) as raised:
        lane(client, worker=Broken, num_cpus=0.5).answer([item("a")], Kept(), lambda _: None, lambda: False)
    assert str(raised.value) == (
        "Ray's actors stopped while own/shouter answered: OSError: the weights are on another disk. What was answered "
        "before is kept; resume the job to ask the others again."
    )


def test_an_actor_that_dies_is_made_anew_by_ray(ray: Any, tmp_path: Path) -> None:
    died, shout = str(tmp_path / "died"), shouter()

    class Dying(shout):  # type: ignore[misc, valid-type]
        def one(self, text: str) -> dict[str, Any]:
            if text == "t5" and not Path(died).exists():
                Path(died).touch()
                os._exit(1)
            return dict(super().one(text))

    kept = Kept()
    with offline() as client:
        working = lane(client, worker=Dying, block=4, num_cpus=0.5)
        working.answer([item(f"t{n}") for n in range(8)], kept, lambda _: None, lambda: False)
    assert sorted(kept) == [f"t{n}" for n in range(8)]
    assert Path(died).exists()


def test_vllm_without_gpus_is_refused_before_anything_starts(ray: Any) -> None:
    with offline() as client, pytest.raises(EngineError) as raised:
        lane(client, worker="vllm", engine={"tensor_parallel_size": 2}).answer(
            [item("a")], Kept(), lambda _: None, lambda: False
        )
    assert str(raised.value) == (
        'worker="vllm" needs 2 GPUs for each actor, and this Ray cluster has 0. Join one that has them '
        '(init={"address": "auto"}), or pass worker="local" for a small model.'
    )


# --- a crash ----------------------------------------------------------------------------------

SCRIPT = """
import sys
sys.path[:0] = {path!r}
from test_ray_lane import INIT, shouter
from greenai import Client
from greenai.bulk.ray_lane import Ray

fleet = Ray(worker=shouter(asked={asked!r}, pause_s=0.2), block=4, num_cpus=0.5, init=INIT)
requests = [dict(model="own/shouter", messages=[dict(role="user", content=f"t{{n}}")]) for n in range(60)]
with Client() as client:
    client.batch(requests, name="nightly", backend=fleet, progress=False).run()
"""


@pytest.mark.timeout(240)
def test_sigkill_loses_no_finished_block_and_repeats_none(ray: Any, tmp_path: Path) -> None:
    asked, tests = tmp_path / "asked", Path(__file__).parents[1]
    script = SCRIPT.format(path=[str(tests / "bulk"), str(tests)], asked=str(asked))
    run = [sys.executable, "-W", "ignore", "-c", script]
    first = subprocess.Popen(run, cwd=tmp_path)
    while len(done := _answered()) < 12:
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = _answered()
    time.sleep(1.0)  # the actors of a killed process end with it
    before = Counter(asked.read_text().split())
    subprocess.run(run, cwd=tmp_path, check=True)
    after = Counter(asked.read_text().split())
    assert _answered() == {f"T{n}" for n in range(60)}
    assert 12 <= len(done) < 60
    assert all(after[text.lower()] == before[text.lower()] == 1 for text in done)
    assert max(after.values()) <= 2


def _answered() -> set[str]:
    """Return the answers that are in the journal."""
    with Client() as client:
        try:
            answers = list(client.batch(name="nightly").results(run=False))
        except GreenAIError:  # not begun yet
            return set()
    return {one.response.choices[0].message.content for one in answers if one.response is not None}

"""The server around a language model that torch runs, spoken to over HTTP; skipped without torch."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_models import llama

from greenai import Client
from greenai.errors import EngineError
from greenai.local import Engine, Engines, EngineSettings
from greenai.local.torch_worker import Server, serve
from greenai.meters.cpu import core_seconds
from greenai.meters.watts import here

KEY = "the-key"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("llama"))


def config(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "path": str(folder),
        "alias": "tiny",
        "api_key": KEY,
        "slots": 4,
        "context_tokens": 200,
        "threads": 1,
        **more,
    }


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    made = serve(config(folder, slots=16, window_s=0.02, torch={"precision": "float32"}))
    yield made
    made.close()


def connected(server: Server) -> http.client.HTTPConnection:
    place = urlsplit(server.listening_address)
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)


def asked(server: Server, body: Any, *, path: str = "/v1/chat/completions", key: str = KEY) -> tuple[int, Any]:
    connection = connected(server)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST" if body else "GET", path, raw or None, {"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    return answer.status, [json.loads(e[6:]) if e != b"data: [DONE]" else None for e in said.split(b"\n\n") if e] if (
        answer.getheader("content-type") == "text/event-stream"
    ) else json.loads(said)


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], "max_tokens": 12, **more}


def test_an_answer_has_text_usage_and_what_it_took(server: Server) -> None:
    status, body = asked(server, chat("hello"))
    assert status == 200
    (choice,) = body["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "length"
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 19}
    assert body["model"] == "tiny"
    assert 0 < body["timings"]["core_s"] == body["timings"]["batch_core_s"]
    assert body["timings"]["batch"] == 1


def test_a_stream_says_the_same_in_pieces(server: Server) -> None:
    whole = asked(server, chat("a hat"))[1]
    status, events = asked(server, chat("a hat", stream=True, stream_options={"include_usage": True}))
    assert status == 200
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    said = [e["choices"][0]["delta"].get("content", "") for e in events[:-2] if e["choices"]]
    assert "".join(said) == whole["choices"][0]["message"]["content"]
    assert len(said) > 4
    assert events[-3]["choices"][0]["finish_reason"] == "length"
    assert (events[-2]["choices"], events[-2]["usage"]) == ([], whole["usage"])
    assert events[-2]["timings"]["core_s"] > 0
    assert events[-1] is None
    assert len({e["id"] for e in events[:-1]}) == 1


def test_several_answers_of_one_request_differ_by_chance_and_repeat_by_seed(server: Server) -> None:
    many = [asked(server, chat("hello", n=3, temperature=1.5, seed=4))[1] for _ in range(2)]
    texts = [[c["message"]["content"] for c in body["choices"]] for body in many]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) == 3
    assert many[0]["usage"]["completion_tokens"] >= 30
    _, events = asked(server, chat("hello", n=3, temperature=1.5, seed=4, stream=True))
    streamed = ["", "", ""]
    for event in events[:-1]:
        (choice,) = event["choices"]
        streamed[choice["index"]] += choice["delta"].get("content", "")
    assert streamed == texts[0]


def test_its_models_are_listed(server: Server) -> None:
    assert asked(server, b"", path="/v1/models") == (
        200, {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 0, "owned_by": "local"}]},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "path", "key", "status", "told"),
    [
        (chat("x"), "/v1/chat/completions", "guessed", 401, "The key is not this server's."),
        (chat("x"), "/v1/embeddings", KEY, 404, "There is nothing at /v1/embeddings."),
        (b"", "/v1/nothing", KEY, 404, "There is nothing at /v1/nothing."),
        (b"{", "/v1/chat/completions", KEY, 400,
         "The request is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
        (b"[1]", "/v1/chat/completions", KEY, 400, "The request is no JSON object."),
        (chat("x" * 300), "/v1/chat/completions", KEY, 400,
         ("The prompt has 302 tokens and local/tiny takes 200, the answer included. Shorten it, or raise context_tokens "
         "of [local] in greenai.toml.")),
    ],
)  # fmt: skip
def test_refusals_are_openais(server: Server, body: Any, path: str, key: str, status: int, told: str) -> None:
    got, said = asked(server, body, path=path, key=key)
    assert (got, said["error"]["message"]) == (status, told)
    assert said["error"]["type"] == "invalid_request_error"


def test_a_model_that_fails_is_told_and_the_next_one_answered(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(items: Any) -> Any:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(server.batcher, "_run", fails)
        status, said = asked(server, chat("x"))
        _, events = asked(server, chat("x", stream=True))
    told = "The model failed (RuntimeError: out of memory). Try again."
    assert (status, said["error"]["message"], said["error"]["type"]) == (500, told, "server_error")
    assert events[-1]["error"]["message"] == told
    assert asked(server, chat("x"))[0] == 200


def test_a_thousand_requests_are_batched_and_each_gets_its_own(server: Server) -> None:
    words = ["hat", "sea", "lot", "tin", "ale"]
    texts = [f"{words[n % 5]}{n % 37}" for n in range(1000)]
    alone = {
        text: asked(server, chat(text, max_tokens=4))[1]["choices"][0]["message"]["content"] for text in set(texts)
    }
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda text: asked(server, chat(text, max_tokens=4))[1], texts))
    assert [a["choices"][0]["message"]["content"] for a in answers] == [alone[text] for text in texts]
    assert len(set(alone.values())) > 90
    assert sum(a["timings"]["batch"] for a in answers) / 1000 > 3
    # Each batch's core time is divided among its answers: those of one batch add up to it.
    whole = sum(a["timings"]["batch_core_s"] / a["timings"]["batch"] for a in answers)
    assert abs(sum(a["timings"]["core_s"] for a in answers) / whole - 1) < 0.01


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_that_hangs_up_frees_its_row(server: Server, stream: bool) -> None:
    free, begun, seen = threading.Event(), threading.Event(), []
    run = server.batcher._run

    def slow(items: Any) -> Any:
        begun.set()
        seen.extend(items)
        assert free.wait(30)
        return run(items)

    server.batcher._run = slow
    try:
        connection = connected(server)
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(chat("hello", max_tokens=150, stream=stream)),
            {"Authorization": f"Bearer {KEY}"},
        )  # fmt: skip
        assert begun.wait(30)
        assert connection.sock is not None
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
        until = time.monotonic() + 30
        while not seen[0].gone and time.monotonic() < until:
            time.sleep(0.01)
        assert seen[0].gone
    finally:
        free.set()
        server.batcher._run = run
    assert asked(server, chat("hello"))[0] == 200
    assert len(seen[0].tokens) <= 1


# --- through greenai ------------------------------------------------------------------------


def made_of(folder: Path, state_dir: Path) -> Client:
    settings = {
        "ladder": [{"model": f"local/{folder}", "tier": "small"}], "cache": "off",
        "local": {"context_tokens": 256}, "state_dir": str(state_dir),
    }  # fmt: skip
    return Client(settings=settings)


@pytest.fixture(scope="module")
def client(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with made_of(folder, tmp_path_factory.mktemp("state")) as made:
        yield made


def test_a_folder_is_a_model_like_any_other(client: Client, folder: Path) -> None:
    answer = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "say: a hat"}], max_tokens=9
    )
    receipt = answer.greenai
    assert answer.choices[0].message.content
    assert receipt.model == f"local/{folder}"
    usage = receipt.attempts[-1].usage
    assert (usage.output_tokens, usage.estimated) == (9, False)
    assert receipt.energy.energy_j is not None
    assert receipt.energy.energy_j > 0
    assert receipt.cost_usd == 0.0


def test_a_template_that_breaks_is_answered_too(tmp_path: Path) -> None:
    made = serve(config(llama(tmp_path, template="{{ 1 + messages[0].content }}")))
    for stream in (False, True):
        status, body = asked(made, chat("hello", stream=stream))
        assert (status, body["error"]["type"]) == (500, "server_error")
        assert body["error"]["message"].startswith("The model failed (TypeError: unsupported operand")
    made.close()


def test_its_streams_say_the_same(client: Client) -> None:
    asked: Any = {"model": "auto", "messages": [{"role": "user", "content": "say: a tree"}], "max_tokens": 9}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    pieces = [
        c.choices[0].delta.content or "" for c in client.chat.completions.create(**asked, stream=True) if c.choices
    ]
    assert "".join(pieces) == whole
    assert len(pieces) > 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_receipt_has_loading_idling_and_generation_apart(folder: Path, stream: bool, tmp_path: Path) -> None:
    asked: Any = {"model": "auto", "messages": [{"role": "user", "content": "say: a hat"}], "max_tokens": 9}
    with made_of(folder, tmp_path) as made:
        receipts: list[Any] = []
        for _ in range(2):
            answer = made.chat.completions.create(**asked, stream=stream)
            if stream:
                assert list(answer)
            receipts.append(answer.greenai)
            time.sleep(0.1)
        (pid,) = [one.pid for one in made.local_models()]
        before = core_seconds(pid)
        with ThreadPoolExecutor(8) as pool:
            together: list[Any] = list(pool.map(lambda _: made.chat.completions.create(**asked).greenai, range(24)))
        after = core_seconds(pid)
    first, then = receipts
    assert set(first.energy.components) == set(then.energy.components) == {"cpu"}
    assert first.overhead.energy.components["load"] > first.energy.energy_j > 0
    assert first.overhead.idle_j is None
    assert "load" not in then.overhead.energy.components
    assert 0 < then.overhead.idle_j < 1
    assert before is not None
    assert after is not None
    watts = here(None).value
    assert sum(one.energy.energy_j for one in together) == pytest.approx((after - before) * watts, rel=0.1)


def test_what_it_cannot_do_is_openais_error(client: Client) -> None:
    with pytest.raises(openai.BadRequestError, match="do not take tools here") as refused:
        client.chat.completions.create(
            model="auto",
            messages=[{"role": "user", "content": "hi"}],
            tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        )
    assert refused.value.status_code == 400


def test_many_at_once_share_what_the_process_used(client: Client) -> None:
    def ask(n: int) -> Any:
        return client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": f"say: {n}"}], max_tokens=8
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(16)))
    alone = [ask(n).choices[0].message.content for n in range(16)]
    assert [answer.choices[0].message.content for answer in answers] == alone
    assert all((answer.greenai.energy.energy_j or 0) > 0 for answer in answers)


def test_settings_of_a_profile_reach_torch(folder: Path) -> None:
    setting: dict[str, object] = {"precision": "float32", "cache": "static", "threads": 1}
    engines = Engines(EngineSettings(slots=3, window_s=0.2, torch=setting))
    odd = Engines(EngineSettings(torch={"precision": "float3"}))
    try:
        engine = engines.get(str(folder))
        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(lambda text: posted(engine, chat(text)), ["hat", "sea", "tin"]))
        assert {answer["timings"]["batch"] for answer in answers} == {3}
        with pytest.raises(EngineError, match="has no attribute 'float3'"):
            odd.get(str(folder))
    finally:
        engines.close()
        odd.close()


def posted(engine: Engine, body: Any) -> Any:
    place = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {engine.api_key}"})
    said = json.loads(connection.getresponse().read())
    connection.close()
    return said


def test_a_damaged_folder_is_told_with_what_torch_said(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(
            file.read_bytes()[:-40] if file.suffix == ".safetensors" else file.read_bytes()
        )
    engines = Engines(EngineSettings())
    with pytest.raises(EngineError) as refused:
        engines.get(str(tmp_path))
    engines.close()
    assert str(refused.value).startswith(f"The engine of local/{tmp_path} could not load {tmp_path} (")
    assert str(refused.value).endswith("If the file is damaged: Name another folder.")

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from greenai.errors import EngineError, MissingExtra, ModelMissing, UnknownModel
from greenai.local import Engine, Engines, EngineSettings

FakeLlama = Callable[[str], str]


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    made = Engines(EngineSettings(weights_dir=tmp_path, slots=2, context_tokens=512))
    yield made
    made.close()


def post(engine: Engine, body: Mapping[str, object], key: str | None = None) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{engine.base_url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key or engine.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        result: dict[str, Any] = json.load(answer)
        return result


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        if stat.rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_an_engine_serves_from_a_process_of_its_own(engines: Engines, fake_llama: FakeLlama) -> None:
    engine = engines.get(fake_llama("serve"))
    assert post(engine, {}) == {"pid": engine.pid, "ctx": 1024}
    assert engine.pid != os.getpid()
    assert engine.load_s > 0
    assert engine.card_name == f"local/{engine.model}"
    assert (engine.defaults, engine.default_system) == ({}, None)


def test_its_key_is_random_and_asked_for(engines: Engines, fake_llama: FakeLlama) -> None:
    engine = engines.get(fake_llama("serve"))
    assert len(engine.api_key) == 48
    assert engine.api_key not in repr(engine)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        post(engine, {}, key="guessed")


def test_concurrent_callers_get_one_process(engines: Engines, fake_llama: FakeLlama) -> None:
    path = fake_llama("serve")
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda _: engines.get(path), range(16)))
        answers = list(pool.map(lambda engine: post(engine, {})["pid"], got))
    assert len(set(answers)) == 1
    assert len(engines.running()) == 1


def test_a_start_for_which_there_is_no_thread_keeps_nobody_waiting(
    engines: Engines, fake_llama: FakeLlama, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            engines.get(fake_llama("serve"), 10.0)
    assert engines.get(fake_llama("serve"), 10.0).alive()


def test_a_killed_engine_is_started_again(engines: Engines, fake_llama: FakeLlama) -> None:
    first = engines.get(fake_llama("serve"))
    os.kill(first.pid, signal.SIGKILL)
    while first.alive():
        time.sleep(0.01)
    second = engines.get(first.model)
    assert (first.alive(), second.alive()) == (False, True)
    assert second.api_key != first.api_key
    assert post(second, {})["pid"] == second.pid


def test_close_ends_the_process_and_later_calls_say_so(engines: Engines, fake_llama: FakeLlama) -> None:
    engine = engines.get(fake_llama("serve"))
    engines.close()
    engines.close()
    assert not Path(f"/proc/{engine.pid}").exists()
    with pytest.raises(EngineError) as caught:
        engines.get(engine.model)
    assert str(caught.value) == ("The engines of this client are closed. Make a new Client to use local models again.")


def test_close_while_an_answer_is_on_its_way_cuts_it(engines: Engines, fake_llama: FakeLlama) -> None:
    engine = engines.get(fake_llama("serve"))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, engine, {})
        time.sleep(0.1)
        started = time.monotonic()
        engines.close()
        assert time.monotonic() - started < 1.0
        with pytest.raises(OSError, match=r"closed|reset|refused"):
            answer.result()


def test_close_while_a_model_loads_leaves_no_process(engines: Engines, fake_llama: FakeLlama) -> None:
    path = fake_llama("serve")
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(engines.get, path)
        while not engines._loading:
            time.sleep(0.001)
        engines.close()
        with pytest.raises(EngineError, match="are closed"):
            loading.result()
    assert engines.running() == ()


def test_a_forgotten_engines_object_ends_its_processes(fake_llama: FakeLlama) -> None:
    pid = Engines().get(fake_llama("serve")).pid
    assert gone(pid)


def test_a_forked_child_starts_its_own_and_leaves_the_parents(engines: Engines, fake_llama: FakeLlama) -> None:
    engine = engines.get(fake_llama("serve"))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            engine.close()
            own = engines.get(engine.model)
            os.write(write, str(own.pid).encode())
            code = 0 if not engine.alive() and post(own, {})["pid"] == own.pid != engine.pid else 2
            engines.close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert post(engine, {})["pid"] == engine.pid
    assert gone(int(os.read(read, 20)))


PARENT = """
import os, sys, time
sys.path[:] = {path!r}
from greenai.local import Engines
engines = Engines()
engine = engines.get({model!r})
if {fork}:
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
print(engine.pid, flush=True)
time.sleep(30)
"""


@pytest.mark.parametrize("fork", [False, True], ids=["alone", "with a forked process that keeps the pipe open"])
def test_an_engine_ends_when_its_parent_is_killed(fake_llama: FakeLlama, fork: bool) -> None:
    code = PARENT.format(path=[p for p in sys.path if p], model=fake_llama("serve"), fork=fork)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert parent.stdout is not None
    try:
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        assert gone(pid)
    finally:
        os.killpg(parent.pid, signal.SIGKILL) if fork else None
        parent.stdout.close()


def test_an_engine_outlives_the_thread_that_started_it(engines: Engines, fake_llama: FakeLlama) -> None:
    thread = threading.Thread(target=engines.get, args=(fake_llama("serve"),))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert engines.running()[0].alive()


def test_native_noise_stays_off_the_terminal(
    engines: Engines, fake_llama: FakeLlama, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = engines.get(fake_llama("serve"))
    post(engine, {})
    assert capfd.readouterr() == ("", "")
    assert "noise on stdout" in engine.log_tail


# --- what goes wrong ------------------------------------------------------------------------


def test_a_model_that_cannot_be_loaded_says_why(engines: Engines, fake_llama: FakeLlama) -> None:
    path = fake_llama("raise")
    with pytest.raises(EngineError) as caught:
        engines.get(path)
    assert str(caught.value) == (
        f"The engine of local/{path} could not load {path} (9 B): RuntimeError: bad tensor [noise on stdout; noise on "
        "stderr]. If memory ran out, lower slots (now 2) or context_tokens (now 512) of [local] in greenai.toml. If the "
        "file is damaged: Name another GGUF file."
    )


def test_a_crash_while_loading_says_how_it_ended(engines: Engines, fake_llama: FakeLlama) -> None:
    with pytest.raises(EngineError, match=r"it was ended by SIGKILL \[noise on stdout; noise on stderr\]"):
        engines.get(fake_llama("crash"))


def test_a_model_that_never_finishes_loading_is_ended(fake_llama: FakeLlama) -> None:
    path = fake_llama("hang")
    with pytest.raises(EngineError) as caught:
        Engines(EngineSettings(start_timeout_s=0.5)).get(path)
    assert str(caught.value) == (
        f"The engine of local/{path} did not finish loading {path} (8 B) within 0.5 s. End what else uses this machine, "
        "or name a smaller model."
    )


def test_a_file_that_is_no_gguf_is_refused_before_anything_starts(engines: Engines, tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>")
    with pytest.raises(EngineError) as caught:
        engines.get(str(path))
    assert str(caught.value) == (
        f"local/{path} cannot be loaded: {path} begins with b'<htm', not with b'GGUF', so it is not a GGUF file. Name "
        "another GGUF file."
    )


def test_missing_weights_name_the_command(engines: Engines, fake_llama: FakeLlama) -> None:
    with pytest.raises(ModelMissing) as caught:
        engines.get("smollm2-135m")
    assert str(caught.value) == (
        "The weights of local/smollm2-135m are not on this machine. Bring them with: greenai models pull smollm2-135m"
    )
    assert caught.value.model == "local/smollm2-135m"


def test_a_mistyped_folder_is_told_before_any_extra(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    with pytest.raises(ModelMissing) as caught:
        engines.get("models/mime")
    assert str(caught.value) == (
        "The weights of local/models/mime are not on this machine. Bring them with: greenai models pull models/mime "
        f"(the folder {tmp_path}/models/mime does not exist)"
    )
    with pytest.raises(ModelMissing) as caught:
        engines.get("models/mine")
    assert str(caught.value).endswith(f" (the folder {tmp_path}/models/mine has no config.json with safetensors)")


def test_an_unknown_name_is_no_missing_model(engines: Engines) -> None:
    with pytest.raises(UnknownModel) as caught:
        engines.get("smolm2-135m")
    assert caught.value.suggestions == ("local/smollm2-135m",)


def test_without_llama_cpp_the_extra_is_named(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtra) as caught:
        engines.get("smollm2-135m")
    assert str(caught.value) == (
        "local/smollm2-135m needs the package xllamacpp, which is not installed. Install it with: pip install "
        '"greenai[local]"'
    )


def test_without_torch_a_folder_names_its_extra(
    engines: Engines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra) as caught:
        engines.get(str(tmp_path))
    assert str(caught.value) == (
        f"local/{tmp_path} needs the package torch, which is not installed. Install it with: pip install "
        '"greenai[torch]"'
    )


# --- the real model -------------------------------------------------------------------------

QUESTION = [
    {"role": "system", "content": "You are a helpful AI assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


@pytest.mark.needs_weights
def test_the_real_model_answers_and_its_memory_is_freed(weights_dir: Path) -> None:
    engines = Engines(EngineSettings(weights_dir=weights_dir, slots=2, context_tokens=1024))
    engine = engines.get("smollm2-135m")
    try:
        request = {**engine.defaults, "messages": QUESTION, "max_tokens": 32}
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: post(engine, request), range(4)))
        assert {a["choices"][0]["message"]["content"] for a in answers} == {"The capital of France is Paris."}
        assert answers[0]["usage"]["completion_tokens"] == 8
        stopped = post(engine, {**request, "stop": [" is"]})
        assert stopped["choices"][0]["message"]["content"] == "The capital of France"
        assert engine.default_system == QUESTION[0]["content"]
        assert engine.log_tail == ()
    finally:
        engines.close()
    assert not Path(f"/proc/{engine.pid}").exists()


@pytest.mark.needs_weights
def test_a_truncated_real_file_is_one_clear_error(weights_dir: Path, tmp_path: Path) -> None:
    real = next((weights_dir / "smollm2-135m").glob("*.gguf"))
    cut = tmp_path / "cut.gguf"
    with real.open("rb") as file:
        cut.write_bytes(file.read(2_000_000))
    with pytest.raises(
        EngineError, match=r"could not load .*cut\.gguf \(2\.0 MB\): RuntimeError: .*failed to load model"
    ):
        Engines().get(str(cut))


def test_a_caller_whose_time_is_over_leaves_and_the_start_goes_on(engines: Engines, fake_llama: FakeLlama) -> None:
    path = fake_llama("serve")
    with pytest.raises(TimeoutError):
        engines.get(path, timeout_s=0.001)
    engine = engines.get(path)
    assert engine.alive()
    assert engine.take_start() is not None
    assert engine.take_start() is None  # charged once, however many waited

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenai.local import names
from greenai.tune.llama import LlamaBench, precision_of, quantisations, space_of
from greenai.tune.load import Load, sample_text
from greenai.tune.reading import BenchError
from greenai.tune.space import Point, Setting

# The part of the file that is overwritten: weights, well behind the tables at its beginning.
BROKEN_FROM = 60_000_000


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("qwen3-0.6b-q4_k_m.gguf", "Q4_K_M"),
        ("model-BF16.gguf", "BF16"),
        ("model.IQ2_XS.gguf", "IQ2_XS"),
        ("mine.gguf", "mine"),
    ],
)
def test_a_quantisation_is_read_from_the_name(name: str, kind: str) -> None:
    assert precision_of(Path(name)) == kind


def test_other_quantisations_of_the_same_model_lie_beside_it(tmp_path: Path) -> None:
    for name in ("a.Q4_1.gguf", "a.Q8_0.gguf", "b.Q8_0.gguf", "a.txt"):
        (tmp_path / name).touch()
    assert sorted(quantisations(tmp_path / "a.Q4_1.gguf")) == ["Q4_1", "Q8_0"]


def test_the_space_begins_with_what_runs_without_tuning(tmp_path: Path) -> None:
    space = space_of({"Q4_1": tmp_path}, "Q4_1", slots=4, threads=3, most_batch=16)
    assert space.default == Point(
        setting=Setting(precision="Q4_1", attention="auto", cache="f16", threads=3, ubatch=512), batch=4
    )
    small = space_of({"Q4_1": tmp_path}, "Q4_1", slots=4, threads=3, most_batch=2)
    assert small.default.batch == 4  # what runs without tuning is not another for what is looked at
    settings = list(space.settings())
    assert space.default.setting in settings
    # llama.cpp has no quantised value cache without flash attention
    assert not any(s.cache == "q8_0" and s.attention == "off" for s in settings)


# --- with a server that misbehaves ------------------------------------------------------------

# What the child imports instead of llama.cpp. The text behind the file's magic says how it behaves.
ODD_LLAMA = """
import http.server, json, os, threading, time

class Bag:
    def __getattr__(self, name):
        return Bag()

class CommonParams:
    def __init__(self):
        self.model, self.cpuparams = Bag(), Bag()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mode, batch = self.server.mode, self.server.params.n_parallel
        if mode == "killed" and batch >= 4 and self.path == "/completion":
            os.kill(os.getpid(), 9)
        if "content" in body:
            said = {"tokens": list(range(6 if mode == "short" else 200))}
        elif "n_probs" in body:
            own = None if mode == "nan" and batch > 1 else -1.0
            top = [] if mode == "silent" else [{"id": 1, "logprob": own}]
            said = {"completion_probabilities": [{"top_logprobs": top}]}
        else:
            for _ in range(20000):
                sum(range(20))
            said = {"tokens_predicted": 0 if mode == "empty" else 4}
        raw = b"<html>" if mode == "garbage" and "prompt" in body else json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
    def log_message(self, *words):
        pass

class Server:
    def __init__(self, params):
        mode = open(params.model.path).read()[4:]
        if mode == "refused":
            raise RuntimeError("unknown type")
        if mode == "full":
            raise RuntimeError("failed to allocate buffer")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.params, server.mode = params, mode
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{server.server_port}"
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], LlamaBench]]:
    """Return a function that makes a bench over a server of the given behaviour."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "xllamacpp.py").write_text(ODD_LLAMA)
    monkeypatch.syspath_prepend(packages)
    made: list[LlamaBench] = []

    def make(mode: str) -> LlamaBench:
        path = tmp_path / "odd.Q4_1.gguf"
        path.write_text("GGUF" + mode)
        made.append(bench_of({"Q4_1": path}))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def at(batch: int) -> Point:
    return Point(setting=Setting(precision="Q4_1", threads=1), batch=batch)


def test_a_server_that_the_kernel_takes_away_ran_out_of_memory_at_that_batch_alone(
    odd: Callable[[str], LlamaBench],
) -> None:
    bench = odd("killed")
    assert bench.measure(at(2), short=True).status == "ok"
    assert bench.measure(at(4), short=True).status == "out_of_memory"
    assert bench.measure(at(3), short=True).status == "ok"


@pytest.mark.parametrize(
    ("mode", "status", "why"),
    [
        ("refused", "rejected", "unknown type"),
        ("full", "out_of_memory", "failed to allocate buffer"),
        ("garbage", "rejected", "is no JSON: <html>"),
        ("silent", "rejected", "tells no probabilities"),
        ("empty", "rejected", "without a token"),
        ("nan", "rejected", "its perplexity is inf times the reference's"),
    ],
)
def test_what_goes_wrong_with_a_setting_is_told_and_the_search_can_go_on(
    odd: Callable[[str], LlamaBench], mode: str, status: str, why: str
) -> None:
    sample = odd(mode).measure(at(2), short=True)
    assert sample.status == status
    assert why in sample.why


def test_a_text_that_is_too_short_to_judge_by_is_refused(odd: Callable[[str], LlamaBench]) -> None:
    with pytest.raises(BenchError) as refused:
        odd("short").measure(at(1), short=True)
    assert str(refused.value) == (
        "The text has 6 tokens, and the guard needs 64 at least. Give a longer one with --text, or leave it out."
    )


# --- with the real weights --------------------------------------------------------------------


def bench_of(files: dict[str, Path]) -> LlamaBench:
    return LlamaBench(
        name="smollm2-135m", files=files, reference="Q4_1", text=sample_text(), load=Load(tokens=24, window_s=0.0)
    )


@pytest.fixture
def weights() -> Path:
    root = Path(os.environ["GREENAI_WEIGHTS_DIR"]) if "GREENAI_WEIGHTS_DIR" in os.environ else names.default_dir()
    path = names.path_of("smollm2-135m", root)
    if path is None:
        pytest.skip(f"no SmolLM2 weights in {root}; bring them with: greenai models pull smollm2-135m")
    return path


@pytest.fixture
def bench(weights: Path) -> Iterator[LlamaBench]:
    made = bench_of({"Q4_1": weights})
    yield made
    made.close()


@pytest.mark.needs_weights
def test_a_point_is_measured_and_its_child_ends(bench: LlamaBench) -> None:
    setting = Setting(precision="Q4_1", attention="auto", cache="f16", threads=1, ubatch=512)
    sample = bench.measure(Point(setting=setting, batch=2), short=True)
    assert sample.status == "ok", sample.why
    assert (sample.requests, sample.tokens) == (2, 2 * bench.load.answer_tokens)
    assert sample.energy_j_per_token > 0
    assert sample.core_s > 0
    assert sample.agreement == 1.0
    assert 0 < sample.p50_s <= sample.p95_s
    assert sample.spent_j > sample.energy_j_per_token * sample.tokens  # loading and warm-up too
    (engine,) = bench.children.held.values()
    bench.close()
    assert not engine.alive()


@pytest.mark.needs_weights
def test_broken_weights_are_rejected_by_the_guard(weights: Path, tmp_path: Path) -> None:
    broken = tmp_path / "SmolLM2-135M-Instruct.Q2_K.gguf"
    data = bytearray(weights.read_bytes())
    data[BROKEN_FROM:] = bytes(byte ^ 0x08 for byte in data[BROKEN_FROM:])  # wrong scales and wrong weights
    broken.write_bytes(data)
    made = bench_of({"Q4_1": weights, "Q2_K": broken})
    setting = Setting(precision="Q2_K", attention="auto", cache="f16", threads=1)
    try:
        sample = made.measure(Point(setting=setting, batch=1), short=True)
    finally:
        made.close()
    assert sample.status == "rejected"
    assert "the reference" in sample.why


@pytest.mark.needs_weights
def test_what_llama_cpp_refuses_is_rejected_and_the_search_can_go_on(bench: LlamaBench) -> None:
    setting = Setting(precision="Q4_1", attention="off", cache="q8_0", threads=1)
    sample = bench.measure(Point(setting=setting, batch=1), short=True)
    assert sample.status != "ok"
    assert sample.why

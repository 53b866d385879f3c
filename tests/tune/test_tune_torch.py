"""The bench over torch, on a model of random weights. Skipped where torch is not installed, as in the base of `dev`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from greenai.tune import torch_child
from greenai.tune.load import Load, sample_text
from greenai.tune.space import Point, Setting
from greenai.tune.torch import Child, TorchBench, space_of

PLAIN = Setting(precision="float32", attention="sdpa", cache="dynamic", threads=1)


def test_the_space_of_a_processor_and_of_a_gpu() -> None:
    processor = space_of(slots=4, threads=1, most_batch=16, gpu=False, compiled=False)
    assert processor.default == Point(setting=PLAIN, batch=4)
    assert processor.default.setting in list(processor.settings())
    gpu = space_of(slots=4, threads=1, most_batch=256, gpu=True, compiled=True)
    assert gpu.default.setting.precision == "auto"
    assert gpu.default.setting in list(gpu.settings())
    assert gpu.size() > processor.size()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama-shaped model whose weights are large enough to tell its tokens apart."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    path: Path = tmp_path_factory.mktemp("model")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=256, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.2,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def bench(folder: Path) -> Iterator[TorchBench]:
    made = TorchBench(folder=folder, text=sample_text(), load=Load(tokens=24, window_s=0.0))
    yield made
    made.close()


def test_a_point_is_measured(bench: TorchBench) -> None:
    sample = bench.measure(Point(setting=PLAIN, batch=3), short=False)
    assert sample.status == "ok", sample.why
    assert (sample.requests, sample.tokens) == (6, 6 * bench.load.answer_tokens)
    assert sample.core_s > 0
    assert sample.energy_j_per_token > 0
    assert sample.memory_bytes > 10_000_000


def test_one_child_holds_the_settings_of_a_precision(bench: TorchBench) -> None:
    eager = Setting(precision="float32", attention="eager", cache="static", threads=1)
    assert bench.measure(Point(setting=eager, batch=1), short=True).status == "ok"
    assert list(bench.children.held) == ["float32"]


def test_one_copy_of_the_weights_serves_every_cache_and_number_of_threads(bench: TorchBench) -> None:
    for cache, threads in (("dynamic", 1), ("static", 2), ("dynamic", 2)):
        setting = Setting(precision="float32", attention="sdpa", cache=cache, threads=threads)
        assert bench.measure(Point(setting=setting, batch=1), short=True).status == "ok"
    eager = bench.children.held["float32"].besides_bytes  # the reference's weights: one other copy
    assert 0 < eager < 2 * sum(file.stat().st_size for file in bench.folder.glob("*.safetensors"))


def test_a_setting_that_torch_does_not_know_is_rejected_and_the_rest_goes_on(bench: TorchBench) -> None:
    odd = Setting(precision="float7", attention="sdpa", cache="dynamic", threads=1)
    sample = bench.measure(Point(setting=odd, batch=1), short=True)
    assert sample.status == "rejected"
    assert "float7" in sample.why
    assert bench.measure(Point(setting=PLAIN, batch=1), short=True).status == "ok"


@pytest.mark.parametrize("harm", ["one bit", "wrong scale"])
def test_a_broken_precision_is_rejected_by_the_guard(
    folder: Path, bench: TorchBench, tmp_path: Path, harm: str
) -> None:
    torch: Any = pytest.importorskip("torch")
    transformers: Any = pytest.importorskip("transformers")
    model = transformers.LlamaForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for layer in model.model.layers:
            weight = layer.mlp.down_proj.weight
            weight.copy_(weight.sign() * weight.abs().mean() if harm == "one bit" else weight * 4)
    model.save_pretrained(tmp_path)
    for file in folder.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    bench.measure(Point(setting=PLAIN, batch=1), short=True)
    broken = TorchBench(folder=tmp_path, text=sample_text(), load=bench.load, trusted=bench.trusted)
    try:
        sample = broken.measure(Point(setting=PLAIN, batch=1), short=True)
    finally:
        broken.close()
    assert sample.status == "rejected"
    assert "the reference" in sample.why


# --- a child that misbehaves ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("does", "status", "why"),
    [
        ("kill -9 $$", "out_of_memory", "its process ended with SIGKILL"),
        ("exit 3", "rejected", "its process ended with exit code 3"),
        ("echo hello", "rejected", "its process said 'hello\\n'"),
        ("echo 7", "rejected", "its process said '7\\n'"),
        ("exec sleep 60", "rejected", "it did not answer within 0.5 s"),
        ("""echo '{"error": "DefaultCPUAllocator", "memory": true}'""", "out_of_memory", "DefaultCPUAllocator"),
    ],
)
def test_a_child_that_dies_hangs_or_prints_garbage_costs_one_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, status: str, why: str
) -> None:
    monkeypatch.setattr(Child, "__init__", partialmethod(Child.__init__, timeout_s=0.5))
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nread line\n{does}\n")
    script.chmod(0o700)
    made = TorchBench(folder=tmp_path, text=sample_text(), python=str(script))
    sample = made.measure(Point(setting=PLAIN, batch=1), short=True)
    assert (sample.status, not made.children.held) == (status, True)
    assert sample.why == why if status == "rejected" else sample.why == "no reference of it fits into memory"


@pytest.mark.parametrize(
    "said",
    [
        "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "std::bad_alloc",
    ],
)
def test_what_torch_says_of_memory_is_understood(said: str) -> None:
    assert torch_child.is_memory(RuntimeError(said))
    assert not torch_child.is_memory(RuntimeError("expected scalar type Half"))


def test_a_model_that_was_dropped_meanwhile_is_loaded_before_it_is_measured(bench: TorchBench) -> None:
    assert bench.measure(Point(setting=PLAIN, batch=1), short=True).status == "ok"
    child = bench.children.held["float32"]
    plain = {"precision": "float32", "attention": "sdpa", "cache": "dynamic", "compile": False, "threads": 1}
    assert child.ask({"setting": plain, "hold": True}) == {"fresh": False}
    assert child.ask({"setting": {**plain, "attention": "auto"}, "hold": True}) == {"fresh": True}

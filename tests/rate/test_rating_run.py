"""What a rating asks for: reasoning in the model's own words, weights by their hash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import pytest
from ratings import unsigned

from greenai.errors import EngineError, ModelError
from greenai.local import EngineSettings
from greenai.rate.estimate import Run
from greenai.rate.journal import Part
from greenai.rate.prompts import sample
from greenai.rate.run import (
    Asked,
    _batch,
    _check_class,
    _fields,
    _hash,
    _journal,
    _Model,
    _precision,
    _ran_as,
    _reasoning,
    _worst,
)
from greenai.rate.view import view
from greenai.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "http://127.0.0.1:8000/v1"


def model(name: str) -> _Model:
    return _Model(name=name, engine="server", weights=None, quantisation="", params_b=None, packages=())


def fields(name: str, **more: Any) -> Any:
    return dict(_fields(Asked(model=name, **more), model(name)))


def test_a_model_that_does_not_reason_is_refused_with_reasoning_on() -> None:
    with pytest.raises(EngineError) as caught:
        fields("local/smollm2-135m", reasoning="on")
    assert str(caught.value) == "local/smollm2-135m does not reason. Rate it with --reasoning off."
    assert fields("local/smollm2-135m") == {}


def test_reasoning_is_asked_for_as_the_models_template_reads_it() -> None:
    assert fields("nobody/knows-this", base_url=SERVER, reasoning="on") == {
        "chat_template_kwargs": {"enable_thinking": True}
    }


def test_a_model_that_always_reasons_is_not_rated_as_if_it_did_not() -> None:
    with pytest.raises(EngineError) as caught:
        fields("Qwen/QwQ-32B", base_url=SERVER)
    assert str(caught.value) == "Qwen/QwQ-32B always reasons. Rate it with --reasoning on."
    assert fields("Qwen/QwQ-32B", base_url=SERVER, reasoning="on") == {}


def test_the_least_reasoning_that_a_model_accepts_is_not_called_off() -> None:
    def told(name: str, reasoning: Literal["off", "on"]) -> str:
        return _reasoning(Asked(model=name, base_url=SERVER, reasoning=reasoning), model(name))

    assert [told("openai/gpt-oss-120b", mode) for mode in ("off", "on")] == ["least", "on"]
    assert [told("Qwen/Qwen3-8B", mode) for mode in ("off", "on")] == ["off", "on"]
    assert view(unsigned(mode={"reasoning": "least", "batch": 1})).mode_words == "reasoning at its least, batch 1"


def test_weights_are_named_by_their_content_not_by_their_place(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.safetensors").write_bytes(b"weights")
        (tmp_path / folder / "config.json").write_text('{"dtype": "bfloat16"}')
    assert _hash(tmp_path / "a") == _hash(tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").write_bytes(b"others")
    assert _hash(tmp_path / "a") != _hash(tmp_path / "b")
    file = tmp_path / "a" / "model.safetensors"
    assert _hash(file) == hashlib.sha256(b"weights").hexdigest()
    assert _precision(tmp_path / "a") == "bfloat16"
    (tmp_path / "b" / "config.json").write_text("[")
    assert _precision(tmp_path / "b") == ""


def test_a_class_that_is_not_the_models_is_refused() -> None:
    small = _Model(name="m", engine="server", weights=None, quantisation="", params_b=0.1345, packages=())
    with pytest.raises(ModelError) as caught:
        _check_class(Asked(model="m", model_class="C"), small)
    assert str(caught.value) == (
        "m has 0.1345e9 parameters, so it is of the public board's class A, not C. Leave out --class."
    )
    _check_class(Asked(model="m", model_class="A"), small)
    _check_class(Asked(model="m", model_class="C"), model("m"))


def local(tmp_path: Path, engine: str = "llama") -> _Model:
    path = tmp_path if engine == "torch" else tmp_path / "m.gguf"
    return _Model(
        name="local/m", engine=engine, weights="0", quantisation="bfloat16", params_b=None, packages=(), path=path
    )


def test_served_without_a_profile_says_how_to_get_one(tmp_path: Path) -> None:
    asked, settings = Asked(model="local/m", served=True), Settings(state_dir=tmp_path)
    with pytest.raises(EngineError) as caught:
        _batch(asked, settings, local(tmp_path), ("Processor", ""))
    assert str(caught.value) == (
        "There is no profile of local/m on Processor, so its best batch is not known. Make one with: greenai tune local/m "
        "(or name a batch with --batch)"
    )


def test_the_record_names_the_precision_that_ran(tmp_path: Path) -> None:
    """torch computes in float32 on a processor, and in what a profile says, whatever config.json names."""
    torch, plain = local(tmp_path, "torch"), EngineSettings()
    int8 = EngineSettings(torch={"precision": "int8"})
    assert [_ran_as(torch, how, where) for how in (plain, int8) for where in ("cpu", "gpu")] == [
        "float32", "bfloat16", "int8", "int8",
    ]  # fmt: skip
    assert _ran_as(local(tmp_path), plain, "cpu") == "bfloat16"


def test_a_rating_is_another_one_with_other_watts_threads_or_options(tmp_path: Path) -> None:
    def head(watts: float | None = None, slots: int = 1, threads: int = 1, prompts: int = 4) -> tuple[Any, Path]:
        settings, asked = Settings(state_dir=tmp_path, watts_per_core=watts), Asked(model="local/m", prompts=prompts)
        how = EngineSettings(slots=slots, threads=threads)
        found = _journal(asked, settings, local(tmp_path), how, ("Processor", ""))
        return dict(found.head), found.path

    same = head()
    assert same == head()
    for other in (head(watts=5.0), head(slots=2), head(threads=2)):
        assert other[0] != same[0]
        assert other[1] == same[1]
    assert head(prompts=5)[1] != same[1]


def test_what_is_least_known_of_all_windows_is_told() -> None:
    work = Run(requests=1, energy_j=1, low_j=1, high_j=1, prompt_tokens=1, output_tokens=1, took_s=1)
    parts = [
        Part(run=0, work=work, boundary="gpu", evidence=evidence, method="m")
        for evidence in ("measured", "measured_shared", "measured")
    ]
    assert _worst(parts) == "measured_shared"


def test_the_first_prompts_are_shorter_than_all_and_that_is_known() -> None:
    assert sample(4).longer == pytest.approx(369.139 / 293)
    assert (sample(1000).part, sample(1000).longer) == (1.0, pytest.approx(1.0))

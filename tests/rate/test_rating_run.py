"""What a rating asks for: reasoning in the model's own words, weights by their hash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from greenai.errors import EngineError, ModelError
from greenai.rate.run import Asked, _check_class, _fields, _hash, _Model, _precision

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

"""Weights that are cast from bytes, in a small model written here: one product, and what is no such model."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from greenai.embed.eight_bits import BLOCK, _bytes, _fields, _number, as_bytes

DEEP, WIDE = 2 * BLOCK, 3
needs_onnxruntime = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="the extra `semantic` is not installed"
)


def tensor(name: str, kind: int, values: np.ndarray) -> bytes:
    sizes = b"".join(_number(1, size) for size in values.shape)
    return _bytes(5, sizes + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, values.tobytes()))


def node(kind: str, takes: str, gives: str, extra: bytes = b"") -> bytes:
    named = b"".join(_bytes(1, name.encode()) for name in takes.split())
    return _bytes(1, named + _bytes(2, gives.encode()) + _bytes(4, kind.encode()) + extra)


def value(number: int, name: str, shape: tuple[int, ...]) -> bytes:
    sizes = _bytes(2, b"".join(_bytes(1, _number(1, size)) for size in shape))
    return _bytes(number, _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, 1) + sizes)))


def model(weights: np.ndarray, scales: np.ndarray) -> bytes:
    to_float = _bytes(5, _bytes(1, b"to") + _number(3, 1) + _number(20, 2))
    graph = (
        node("Cast", "w", "cast", to_float)
        + node("Mul", "cast scale", "scaled")
        + node("MatMul", "x scaled", "y")
        + _bytes(2, b"one product")
        + tensor("w", 3, weights)
        + tensor("scale", 1, scales)
        + value(11, "x", (2, DEEP))
        + value(12, "y", (2, WIDE))
    )
    return _number(1, 10) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 17))


def given() -> tuple[np.ndarray, np.ndarray]:
    chosen = np.random.default_rng(0)
    return chosen.integers(-127, 128, (DEEP, WIDE), np.int8), chosen.uniform(0.001, 0.01, (1, WIDE)).astype(np.float32)


@needs_onnxruntime
def test_the_product_is_the_same_but_for_rounding():
    import onnxruntime

    weights, scales = given()
    session = onnxruntime.InferenceSession(as_bytes(model(weights, scales)), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(0, 1, (2, DEEP)).astype(np.float32)
    right = x @ (weights.astype(np.float32) * scales)
    found = session.run(None, {"x": x})[0]
    assert found == pytest.approx(right, abs=0.02 * float(np.abs(right).max()))


def test_the_floats_are_gone():
    weights, scales = given()
    made = as_bytes(model(weights, scales))
    assert b"MatMulNBits" in made
    assert b"Cast" not in made
    assert weights.tobytes() not in made
    assert [field.number for field in _fields(made, 0, len(made))] == [1, 7, 8, 8]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no graph"),
        (_number(1, 10), "no graph"),
        (_bytes(7, b""), "no weights that are cast from bytes"),
        (b"\x3a\x7f", "a field that ends after the file, at byte 0"),
        (b"\x3b", "a field of kind 3 at byte 0"),
        (b"\xff", "a number that ends after the file"),
    ],
    ids=str,
)
def test_what_is_no_such_model_is_refused(data, why):
    with pytest.raises(ValueError, match=why):
        as_bytes(data)

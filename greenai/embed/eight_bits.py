"""An ONNX model whose weights are bytes, made to multiply them as bytes: half the time for a short text.

Such a model says "cast the bytes to floats, scale, multiply", and onnxruntime does the first two once, when it opens
the model: it then multiplies floats, four times the memory to go through for each text. Here each such product becomes
one `MatMulNBits` with the same bytes and scales. It rounds the text's own numbers, too, by blocks: similarities
move by 0.002.

What it takes of protobuf is the wire format: a message is a row of fields, each with its number and kind; here only
numbers (0) and bytes with their length (2) occur.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["as_bytes"]

BLOCK = 64  # bytes that share a scale: at 128 similarities err half as much again
_VARINT, _BYTES, _FOUR, _EIGHT = 0, 2, 5, 1
_GRAPH, _OPSETS = 7, 8  # of a model
_NODES, _TENSORS = 1, 5  # of a graph
_FLOAT, _UINT8 = 1, 2  # types of numbers
_INT = 2  # the type of an attribute
_TO_INT8 = 4  # onnxruntime's accuracy_level: both sides as bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One field of a message: its number, its value or where that lies, and where all of it lies."""

    number: int
    value: int
    at: int
    end: int
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    kind: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    field: _Field


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    shape: tuple[int, ...]
    raw: _Field
    field: _Field


def as_bytes(model: bytes) -> bytes:
    """Return the model with its products of casted weights made products of bytes.

    Raises:
        ValueError: it has none, or is no ONNX model.
    """
    graph = next((f for f in _fields(model, 0, len(model)) if f.number == _GRAPH), None)
    if graph is None:
        raise ValueError("no graph")
    nodes = [_node(model, f) for f in _fields(model, graph.at, graph.end) if f.number == _NODES]
    tensors = dict(_tensor(model, f) for f in _fields(model, graph.at, graph.end) if f.number == _TENSORS)
    changes = _changes(model, nodes, tensors)
    if not changes:
        raise ValueError("no weights that are cast from bytes")
    made, at = bytearray(), graph.at
    for start, end, instead in sorted(changes):
        made += model[at:start] + instead
        at = end
    made += model[at : graph.end]
    opset = _bytes(_OPSETS, _bytes(1, b"com.microsoft") + _number(2, 1))
    return model[: graph.start] + _bytes(_GRAPH, bytes(made)) + model[graph.end :] + opset


def _changes(model: bytes, nodes: list[_Node], tensors: dict[str, _Tensor]) -> list[tuple[int, int, bytes]]:
    """Return what to put in place of which parts: for each product the node, and its weights in blocks."""
    made_by = {node.gives[0]: node for node in nodes if node.gives}
    found: list[tuple[int, int, bytes]] = []
    for node in nodes:
        scaled = made_by.get(node.takes[1]) if node.kind == "MatMul" else None
        cast = made_by.get(scaled.takes[0]) if scaled is not None and scaled.kind == "Mul" else None
        if scaled is None or cast is None or cast.kind != "Cast" or not {cast.takes[0], scaled.takes[1]} <= {*tensors}:
            continue
        weights, scales = tensors[cast.takes[0]], tensors[scaled.takes[1]]
        deep, wide = weights.shape
        found.append((node.field.start, node.field.end, _product(node, deep, wide)))
        found.append((weights.field.start, weights.field.end, _blocks(model, node.takes[1], weights, scales)))
        found += [(part.start, part.end, b"") for part in (scaled.field, cast.field, scales.field)]
    return found


def _product(node: _Node, deep: int, wide: int) -> bytes:
    takes = (node.takes[0], f"{node.takes[1]}_blocks", f"{node.takes[1]}_scales")
    numbers = {"K": deep, "N": wide, "bits": 8, "block_size": BLOCK, "accuracy_level": _TO_INT8}
    parts = [_bytes(1, name.encode()) for name in takes]
    parts += [_bytes(2, node.gives[0].encode()), _bytes(3, node.gives[0].encode()), _bytes(4, b"MatMulNBits")]
    parts += [_bytes(5, _bytes(1, name.encode()) + _number(3, n) + _number(20, _INT)) for name, n in numbers.items()]
    return _bytes(_NODES, b"".join(parts) + _bytes(7, b"com.microsoft"))


def _blocks(model: bytes, name: str, weights: _Tensor, scales: _Tensor) -> bytes:
    """Return a weight's bytes column by column, from 0 to 255 in place of -128 to 127, and the scale of each block."""
    import numpy as np

    deep, wide = weights.shape
    signed = np.frombuffer(model, np.uint8, deep * wide, weights.raw.at).reshape(deep, wide)
    columns: NDArray[np.uint8] = np.ascontiguousarray(signed.T) ^ np.uint8(0x80)
    scale = np.frombuffer(model, np.float32, wide, scales.raw.at)
    each = np.repeat(scale, deep // BLOCK)
    blocks = _packed(f"{name}_blocks", (wide, deep // BLOCK, BLOCK), _UINT8, columns.tobytes())
    return blocks + _packed(f"{name}_scales", each.shape, _FLOAT, each.tobytes())


def _packed(name: str, shape: tuple[int, ...], kind: int, raw: bytes) -> bytes:
    sizes = b"".join(_number(1, size) for size in shape)
    return _bytes(_TENSORS, sizes + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, raw))


# --- reading ------------------------------------------------------------------------------


def _fields(data: bytes, at: int, end: int) -> Iterator[_Field]:
    while at < end:
        start = at
        key, at = _varint(data, at)
        value, size, kind = 0, 0, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FOUR, _EIGHT):
            size = 4 if kind == _FOUR else 8
        else:
            raise ValueError(f"a field of kind {kind} at byte {start}")
        if at + size > len(data):
            raise ValueError(f"a field that ends after the file, at byte {start}")
        yield _Field(number=key >> 3, value=value, at=at, end=at + size, start=start)
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a number that ends after the file")


def _text(data: bytes, field: _Field) -> str:
    return data[field.at : field.end].decode()


def _node(data: bytes, field: _Field) -> _Node:
    parts = list(_fields(data, field.at, field.end))
    named = {n: tuple(_text(data, part) for part in parts if part.number == n) for n in (1, 2, 4)}
    return _Node(kind="".join(named[4]), takes=named[1], gives=named[2], field=field)


def _tensor(data: bytes, field: _Field) -> tuple[str, _Tensor]:
    shape: list[int] = []
    name, raw = "", field
    for part in _fields(data, field.at, field.end):
        if part.number == 1 and part.end == part.at:
            shape.append(part.value)
        elif part.number == 1:
            at = part.at
            while at < part.end:
                size, at = _varint(data, at)
                shape.append(size)
        elif part.number == 8:
            name = _text(data, part)
        elif part.number == 9:
            raw = part
    return name, _Tensor(shape=tuple(shape), raw=raw, field=field)


# --- writing ------------------------------------------------------------------------------


def _bytes(number: int, data: bytes) -> bytes:
    return _coded(number << 3 | _BYTES) + _coded(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _coded(number << 3) + _coded(value)


def _coded(value: int) -> bytes:
    coded = bytearray()
    while value > 127:
        coded.append(value & 127 | 128)
        value >>= 7
    coded.append(value)
    return bytes(coded)

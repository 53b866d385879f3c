"""Weights in 8 or 4 bits: the layers' matrices are stored so, and what comes and goes is bfloat16.

Eight bits: one scale per row. Four: one scale and one zero for every 32 weights of a row. On a processor torch has
kernels that read the packed weights; elsewhere, and for many rows at once in 8 bits, a matrix is unpacked for each
product, which saves memory and no time. Whether either pays is for a measurement to say, not for this module.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

__all__ = ["pack"]

GROUP = 32
NIBBLES = 16
MANY_ROWS = 32
"""From how many rows on unpacking the whole matrix costs less than the kernel for 8 bits. Measured with 1024 by 1024
weights on one core with AVX-512: 64 rows take 0.95 ms unpacked and 1.97 ms packed, 8 rows 0.40 and 0.25 (2026-11)."""


def pack(torch: Any, model: Any, bits: Literal[4, 8]) -> int:
    """Store the weights of every linear layer in `bits`, but for the one that makes the vocabulary's scores.

    A layer whose shape the format cannot hold stays as it is. Returns how many were stored so: none, where a model is
    not made of such layers.
    """
    last, packed = model.get_output_embeddings(), 0
    for layer in list(model.modules()):
        if isinstance(layer, torch.nn.Linear) and layer is not last:
            product = _eight(torch, layer) if bits == 8 else _four(torch, layer)
            if product is not None:
                layer.forward = partial(_forward, layer, partial(product, torch, layer))
                del layer.weight
                packed += 1
    return packed


def _forward(layer: Any, product: Any, given: Any) -> Any:
    said = product(given.reshape(-1, given.shape[-1])).reshape(*given.shape[:-1], -1)
    return said if layer.bias is None else said + layer.bias


def _keep(layer: Any, packed: Any, scales: Any) -> None:
    """Keep both as the layer's own, so that they are counted and moved with it."""
    layer.register_buffer("packed", packed, persistent=False)
    layer.register_buffer("scales", scales.to(layer.weight.dtype).contiguous(), persistent=False)


def _eight(torch: Any, layer: Any) -> Any:
    full = layer.weight.detach().float()
    scale = (full.abs().amax(-1) / 127).clamp(min=1e-12)
    _keep(layer, (full / scale[:, None]).round().to(torch.int8), scale)
    return _times_eight


def _times_eight(torch: Any, layer: Any, given: Any) -> Any:
    if given.device.type == "cpu" and len(given) < MANY_ROWS:
        return torch._weight_int8pack_mm(given, layer.packed, layer.scales)  # noqa: SLF001  # torch has no public name
    return (given @ layer.packed.to(given.dtype).T) * layer.scales


def _four(torch: Any, layer: Any, *, kernel: bool | None = None) -> Any:
    rows, columns = layer.weight.shape
    if columns % GROUP or rows % NIBBLES:
        return None
    groups = layer.weight.detach().float().reshape(rows, columns // GROUP, GROUP)
    low, high = groups.amin(-1), groups.amax(-1)
    scale = ((high - low) / 15).clamp(min=1e-12)
    whole = ((groups - low[..., None]) / scale[..., None]).round().clamp(0, 15).reshape(rows, columns)
    # The kernels' formula is (whole - 8) * scale + zero.
    scales = torch.stack([scale, low + 8 * scale], dim=-1).transpose(0, 1)
    if layer.weight.device.type == "cpu" if kernel is None else kernel:
        packed = torch._convert_weight_to_int4pack_for_cpu(whole.to(torch.int32), 1)  # noqa: SLF001
        _keep(layer, packed, scales)
        return _times_four
    pairs = whole.to(torch.uint8)
    _keep(layer, pairs[:, ::2] | (pairs[:, 1::2] << 4), scales)
    return _times_four_unpacked


def _times_four(torch: Any, layer: Any, given: Any) -> Any:
    return torch._weight_int4pack_mm_for_cpu(given, layer.packed, GROUP, layer.scales)  # noqa: SLF001


def _times_four_unpacked(torch: Any, layer: Any, given: Any) -> Any:
    pairs = layer.packed
    whole = torch.stack([pairs & 15, pairs >> 4], dim=-1).reshape(len(pairs), -1, GROUP).to(given.dtype)
    scale, zero = layer.scales.transpose(0, 1).unbind(-1)
    return given @ ((whole - 8) * scale[..., None] + zero[..., None]).reshape(len(pairs), -1).T

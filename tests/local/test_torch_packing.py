"""Matrices in 8 and 4 bits against the matrices they were made of; skipped without torch."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from greenai.local.torch_packing import MANY_ROWS, _forward, _four, pack

torch: Any = pytest.importorskip("torch")


class Small(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, columns: int = 64, rows: int = 48, *, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.layer = torch.nn.Linear(columns, rows, bias=bias).bfloat16()
        self.head = torch.nn.Linear(rows, 16).bfloat16()

    def get_output_embeddings(self) -> Any:
        return self.head


def difference(made: Any, exact: Any) -> float:
    return float((made.float() - exact.float()).norm() / exact.float().norm())


@pytest.mark.parametrize(("bits", "most"), [(8, 0.02), (4, 0.12)])
@pytest.mark.parametrize("count", [1, 3, MANY_ROWS + 1])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_answers_nearly_the_same(bits: Literal[4, 8], most: float, count: int, bias: bool) -> None:
    model = Small(bias=bias)
    given = torch.randn(2, count, 64).bfloat16()
    exact = model.layer(given).detach()
    before = sum(t.nbytes for t in model.layer.parameters())
    with torch.inference_mode():
        pack(torch, model, bits)
        made = model.layer(given)
    assert made.shape == exact.shape
    assert 0 < difference(made, exact) < most
    held = sum(t.nbytes for t in [*model.layer.parameters(), *model.layer.buffers()])
    assert held < (0.65 if bits == 8 else 0.45) * before
    assert "weight" in dict(model.head.named_parameters())


def test_four_bits_unpacked_are_what_the_kernel_reads() -> None:
    given = torch.randn(5, 64).bfloat16()
    said = []
    for kernel in (True, False):
        layer = Small().layer
        with torch.inference_mode():
            product = _four(torch, layer, kernel=kernel)
            said.append(_forward(layer, lambda x, p=product, own=layer: p(torch, own, x), given))
    assert difference(said[1], said[0]) < 0.01


def test_a_shape_that_four_bits_cannot_hold_stays_as_it_is() -> None:
    model = Small(columns=40)
    pack(torch, model, 4)
    assert model.layer.weight.shape == (48, 40)

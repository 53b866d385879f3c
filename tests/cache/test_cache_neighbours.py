"""Products in slices, which say what a whole one does."""

import numpy as np
import pytest

from greenai.cache.neighbours import Spread, _along, _product


@pytest.mark.parametrize("count", [1, 65, 1000])
def test_a_product_in_slices_is_the_product(count: int) -> None:
    chosen = np.random.default_rng(0)
    rows = chosen.normal(size=(count, 384)).astype(np.float32)
    factor = chosen.normal(size=(384, 384)).astype(np.float32)
    assert np.allclose(_product(rows, factor), rows @ factor, atol=1e-3)
    assert np.allclose(_along(rows, factor[0]), rows @ factor[0], atol=1e-3)


def test_differences_within_groups_are_discounted() -> None:
    chosen, spread = np.random.default_rng(0), Spread(8)
    question, wording = np.eye(8, dtype=np.float32)[:2]
    for _ in range(200):
        spread.add((question + chosen.normal(0, 0.5) * wording).astype(np.float32), question, 1)
    near, far = question + np.float32(0.5) * wording, question + np.float32(0.5) * np.eye(8, dtype=np.float32)[2]
    others = np.stack([near, far])
    one, other = spread.similarities(question, others)
    assert one > other + 0.05

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
from sweep_points import SHAPES, plan

if TYPE_CHECKING:
    from sweep_points import Point

pytest.importorskip("torch", reason="the extra `torch` is not installed")
pytest.importorskip("transformers", reason="the extra `torch` is not installed")


@pytest.fixture(scope="module")
def work() -> Any:
    return importlib.import_module("sweep_torch").Workload(SHAPES["tiny"], "cpu")


@pytest.mark.parametrize("point", plan(("tiny",)), ids=lambda point: point.key)
def test_a_unit_of_work_leaves_the_cache_as_it_was(work: Any, point: Point) -> None:
    work.prepare(point)
    for _ in range(3):
        work.run(point)
        work.finish()
        assert (work.cache.get_seq_length() if work.cache is not None else 0) == point.cached_tokens


def test_the_model_says_what_it_is(work: Any) -> None:
    about = work.about()
    assert about["params_b"] == pytest.approx(sum(p.numel() for p in work.model.parameters()) / 1e9)
    assert about["weights_gb"] == pytest.approx(2 * about["params_b"])
    assert about["layers"] == 2
    assert about["kv_gb_per_1k_tokens"] == pytest.approx(2 * 2 * 2 * 16 * 2 * 1000 / 1e9)


def test_out_of_memory_is_a_memory_error(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = importlib.import_module("torch")

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    point = plan(("tiny",))[-1]
    work.prepare(point)
    monkeypatch.setattr(work.model, "forward", full)
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        work.run(point)
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        work.prepare(point)


@pytest.mark.parametrize(("name", "params_b"), [("1b", 1.236), ("3b", 3.213), ("8b", 8.030)])
def test_the_shapes_have_the_sizes_of_their_names(name: str, params_b: float) -> None:
    module = importlib.import_module("sweep_torch")
    assert module.Workload(SHAPES[name], "meta").about()["params_b"] == pytest.approx(params_b, abs=0.001)

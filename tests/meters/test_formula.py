from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.meters.coefficients import coefficients
from greenai.meters.formula import Engine, Gpu, Size, Where, coefficients_of, rates

C = coefficients_of(coefficients())
DENSE = Size(total=8, active=8, shared=3, layers=32, kv=0.13, bytes_per_weight=2.0, hybrid=False, moe=False)
MOE = Size(total=30, active=3, shared=1.5, layers=48, kv=0.1, bytes_per_weight=2.0, hybrid=False, moe=True)
ALONE = Where(Gpu(), 1, 1.0, Engine())


def test_a_dense_model_by_hand() -> None:
    found = rates(DENSE, ALONE._replace(batch=64.0), C)
    compute = C.compute_j_per_b * (8 / 30) ** C.compute_exponent
    step = C.launch_j * 32 + C.traffic_j_per_gb * 16
    assert found.decode == pytest.approx(step / 64 + compute * 8)
    assert found.context == pytest.approx(C.cache_j_per_gb * 0.13)
    assert found.prefill == pytest.approx(compute * 8)
    assert found.attention == pytest.approx(compute * 2 * 32 * math.sqrt(8e9 / (12 * 32)) * 1000 / 1e9)


def test_a_mixture_of_experts_by_hand() -> None:
    found = rates(MOE, ALONE._replace(gpus=2, batch=64.0), C)
    width = math.sqrt(1.5 * 48)
    compute = C.compute_j_per_b * (3 / 30) ** C.compute_exponent * 3
    touched = 1.5 + 28.5 * (1 - (1 - 1.5 / 28.5) ** 64)
    step = C.moe_launch_j * width * 2**C.moe_launch_gpu_exponent + C.traffic_j_per_gb * touched * 2
    exchange = C.exchange_j * width * 2**C.exchange_gpu_exponent
    assert found.decode == pytest.approx(step / 64 + compute + exchange)
    assert found.prefill == pytest.approx(compute + exchange * C.exchange_prefill_share)


def test_a_hybrid_carries_its_state_in_every_token() -> None:
    plain, hybrid = rates(DENSE, ALONE, C), rates(DENSE._replace(hybrid=True), ALONE, C)
    assert hybrid.decode - plain.decode == pytest.approx(C.cache_j_per_gb * C.state_gb_per_layer * 32)
    assert hybrid.attention == pytest.approx(plain.attention / 10)


def test_a_batch_shares_the_step_and_touches_more_experts() -> None:
    one, many = rates(MOE, ALONE, C), rates(MOE, ALONE._replace(batch=256.0), C)
    assert many.decode < one.decode
    dense = [rates(DENSE, ALONE._replace(batch=float(b)), C).decode for b in (1, 2, 4, 8, 1024)]
    assert dense == sorted(dense, reverse=True)

    # Twice the batch halves a dense step; of the experts it touches more, so less is saved.
    def saved(size: Size) -> float:
        two = rates(size, ALONE._replace(batch=2.0), C).decode
        return two / rates(size, ALONE, C).decode

    assert saved(MOE) > saved(DENSE)


@pytest.mark.parametrize(
    ("bytes_per_weight", "factor"),
    [(2.0, 1.0), (1.5, 1.0), (1.4, C.vllm.traffic_8bit), (1.0, C.vllm.traffic_8bit), (0.5, C.vllm.traffic_4bit)],
)
def test_an_engines_short_weights_save_less_than_their_bytes(bytes_per_weight: float, factor: float) -> None:
    size = DENSE._replace(bytes_per_weight=bytes_per_weight)
    plain, short = rates(size, ALONE, C), rates(size, ALONE._replace(engine=C.vllm), C)
    more = C.traffic_j_per_gb * 8 * bytes_per_weight * (factor - 1)
    assert short.decode - plain.decode == pytest.approx(more)


@pytest.mark.parametrize(("bytes_per_weight", "factor"), [(2.0, 1.0), (1.0, 0.7), (0.5, 0.3)])
def test_an_engines_short_arithmetic(bytes_per_weight: float, factor: float) -> None:
    size = MOE._replace(bytes_per_weight=bytes_per_weight)
    plain, short = (rates(size, ALONE._replace(engine=e), C) for e in (Engine(), Engine(all_8bit=0.7, all_4bit=0.3)))
    assert short == pytest.approx(tuple(factor * rate for rate in plain))


def test_factors_of_gpu_and_engine_apply_where_they_belong() -> None:
    base = rates(DENSE, ALONE, C)
    assert rates(DENSE, ALONE._replace(engine=Engine(all=2.0)), C) == pytest.approx(tuple(2 * rate for rate in base))
    launched = rates(DENSE, ALONE._replace(gpu=Gpu(launch=3.0)), C)
    assert launched.decode - base.decode == pytest.approx(2 * C.launch_j * 32)
    assert launched[1:] == base[1:]
    assert rates(DENSE, ALONE._replace(gpu=Gpu(cache=0.5)), C).context == pytest.approx(base.context / 2)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e5))
def test_a_cached_token_never_takes_more_than_a_fresh_one(fresh: float, cached: float, output: float) -> None:
    found = rates(DENSE, ALONE, C)
    mixed = sum(found.joules(fresh, cached, output, 0.1))
    assert found.total(fresh, cached, output, 0.1) == pytest.approx(mixed, rel=1e-12)
    assert mixed <= sum(found.joules(fresh + cached, 0.0, output, 0.1)) * (1 + 1e-9)


def test_a_long_prompt_takes_more_per_token() -> None:
    found = rates(DENSE, ALONE, C)
    short, long = found.joules(1_000, 0, 0, 0.1)[1], found.joules(100_000, 0, 0, 0.1)[1]
    assert long / short > 150


@pytest.mark.parametrize("size", [DENSE, MOE])
@given(more=st.floats(1.01, 1.5))
def test_more_active_parameters_take_more(size: Size, more: float) -> None:
    larger = size._replace(active=size.active * more, total=size.total * (1 if size.moe else more))
    for batch in (1.0, 64.0):
        at = ALONE._replace(batch=batch)
        assert rates(larger, at, C).decode > rates(size, at, C).decode
        assert rates(larger, at, C).prefill > rates(size, at, C).prefill


def test_every_fitted_coefficient_is_above_nought_but_the_exponent() -> None:
    assert C.compute_exponent < 0
    others = replace(C, compute_exponent=1.0)
    assert all(getattr(others, name) > 0 for name in C.__dataclass_fields__ if name not in ("b200", "vllm"))
    assert all(factor > 0 for factor in (*C.b200, *C.vllm))

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.catalog import Card, Range, cards, find
from greenai.meters import Deployment, estimate
from greenai.meters.coefficients import coefficients

TOKENS = st.integers(min_value=0, max_value=2_000_000)
CARDS = st.sampled_from([c for c in cards() if not c.dated])


def point(value: float) -> Range:
    return Range(low=value, mid=value, high=value)


LLAMA_8B = Card(
    name="hosted_vllm/llama-8b",
    provider="hosted_vllm",
    total_params_b=point(8.0),
    active_params_b=point(8.0),
    layers=32,
    kv_gb_per_1k_tokens=0.1311,
    bytes_per_weight=2.0,
)


def test_the_formula_by_hand() -> None:
    place = Deployment(gpu="H100", gpus=1, batch=64)
    reading = estimate(LLAMA_8B, input_tokens=300, output_tokens=200, deployment=place)
    decode = (0.0018 * 32 + 0.181 * 16) / 64 + 0.00258 * 8 + 0.528 * 0.1311 * (300 + 100) / 1000
    assert reading.gpu_energy_j == pytest.approx(200 * decode + 300 * 0.00258 * 8)
    assert reading.energy_j == pytest.approx(reading.gpu_energy_j * (1 + 0.43 + 0.17) * 1.2)  # type: ignore[operator]
    assert reading.evidence == "modelled_known_deployment"
    assert reading.method == "physics-1"


def test_it_is_near_what_was_measured() -> None:
    # ML.ENERGY v3, H100, chat, batch 64: 0.119 J per output token, prompt included.
    place = Deployment(gpu="H100", gpus=1, batch=64)
    reading = estimate(LLAMA_8B, input_tokens=300, output_tokens=350, deployment=place)
    assert reading.gpu_energy_j is not None
    assert 0.5 < reading.gpu_energy_j / 350 / 0.119 < 2


@given(card=CARDS, fresh=TOKENS, cached=TOKENS, output=TOKENS, more=st.integers(min_value=1, max_value=100_000))
def test_more_tokens_never_take_less(card: Card, fresh: int, cached: int, output: int, more: int) -> None:
    def energy(*, fresh: int = fresh, cached: int = cached, output: int = output, reasoning: int = 0) -> float:
        found = estimate(
            card,
            input_tokens=fresh + cached,
            cached_tokens=cached,
            output_tokens=output,
            reasoning_tokens=reasoning,
        ).energy_j
        assert found is not None
        return found

    now = energy()
    assert energy(fresh=fresh + more) >= now
    assert energy(cached=cached + more) >= now
    assert energy(output=output + more) >= now
    assert energy(reasoning=output + more) >= now


@given(card=CARDS, given_in=TOKENS, output=TOKENS)
def test_the_interval_holds_the_median_and_the_components_add_up(card: Card, given_in: int, output: int) -> None:
    reading = estimate(card, input_tokens=given_in, output_tokens=output)
    assert reading.energy_j is not None
    assert reading.low_j is not None
    assert reading.high_j is not None
    assert 0 <= reading.low_j <= reading.energy_j <= reading.high_j
    if reading.energy_j > 0:
        assert sum(reading.components.values()) == pytest.approx(reading.energy_j)


@pytest.mark.parametrize(("given_in", "output"), [(None, 5), (5, None), (None, None)])
def test_unknown_tokens_are_unknown_energy(given_in: int | None, output: int | None) -> None:
    reading = estimate(LLAMA_8B, input_tokens=given_in, output_tokens=output)
    assert (reading.energy_j, reading.low_j, reading.high_j) == (None, None, None)
    assert reading.evidence == "unknown"
    assert reading.method == "physics-1: no token counts for hosted_vllm/llama-8b"


def test_an_unknown_size_is_unknown_energy() -> None:
    reading = estimate(Card(name="x/y", provider="x"), input_tokens=1, output_tokens=1)
    assert reading.energy_j is None
    assert reading.method == "physics-1: no size is stated for x/y"


def test_nothing_is_nothing() -> None:
    reading = estimate(LLAMA_8B, input_tokens=0, output_tokens=0)
    assert (reading.energy_j, reading.low_j, reading.high_j) == (0.0, 0.0, 0.0)


def test_what_is_known_narrows_the_interval() -> None:
    def width(**known: object) -> float:
        reading = estimate(LLAMA_8B, input_tokens=300, output_tokens=300, **known)  # type: ignore[arg-type]
        assert reading.low_j
        assert reading.high_j
        return reading.high_j / reading.low_j

    assert width(deployment=Deployment(batch=64)) < width(batch=64) < width()


def test_cached_tokens_take_a_tenth_of_fresh_ones() -> None:
    fresh = estimate(LLAMA_8B, input_tokens=1000, output_tokens=0).energy_j
    cached = estimate(LLAMA_8B, input_tokens=1000, cached_tokens=1000, output_tokens=0).energy_j
    assert fresh is not None
    assert cached == pytest.approx(fresh * 0.1)


def test_reasoning_left_out_of_the_output_is_counted() -> None:
    inside = estimate(LLAMA_8B, input_tokens=10, output_tokens=500, reasoning_tokens=400)
    outside = estimate(LLAMA_8B, input_tokens=10, output_tokens=100, reasoning_tokens=400)
    plain = estimate(LLAMA_8B, input_tokens=10, output_tokens=500)
    assert inside == plain
    assert outside == estimate(LLAMA_8B, input_tokens=10, output_tokens=400)


def test_a_model_on_this_processor_has_its_own_law() -> None:
    card = find("local/smollm2-135m")
    assert card is not None
    reading = estimate(card, input_tokens=100, output_tokens=10)
    assert reading.method == "physics-cpu-1"
    assert reading.gpu_energy_j == 0.0
    assert reading.energy_j == pytest.approx((100 * 0.048 + 10 * 0.087) * 0.1345 * 5.0)


def test_every_coefficient_has_a_source_and_a_date() -> None:
    for name, row in coefficients().items():
        if name != "version":
            assert {"value", "unit", "source", "date"} <= row.keys(), name


def test_it_takes_at_most_fifty_microseconds() -> None:
    card = find("gpt-5.5")
    assert card is not None
    best = min(_seconds(card) for _ in range(5))
    assert best <= 50e-6


def _seconds(card: Card) -> float:
    began = time.perf_counter()
    for _ in range(200):
        estimate(card, input_tokens=300, output_tokens=300)
    return (time.perf_counter() - began) / 200

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai.catalog import Card, Range, cards, find
from greenai.meters import Deployment, ModelCard, estimate
from greenai.meters.coefficients import coefficients
from greenai.meters.inputs import gpus
from greenai.meters.physics import median_j

TOKENS = st.integers(min_value=0, max_value=2_000_000)
CARDS = st.sampled_from([c for c in cards() if not c.dated and c.total_params_b is not None])


def point(value: float) -> Range:
    return Range(low=value, mid=value, high=value)


LLAMA_8B = ModelCard(
    total_params_b=8.0,
    active_params_b=8.0,
    layers=32,
    kv_gb_per_1k_tokens=0.1311,
    bytes_per_weight=2.0,
    name="hosted_vllm/llama-8b",
    provider="hosted_vllm",
)
VLLM = Deployment(gpu="H100", gpus=1, batch=64, engine="vllm-0.11", bytes_per_weight=2.0)


@given(st.sampled_from(cards()), TOKENS, TOKENS, TOKENS, st.sampled_from([None, "batch", "flex"]))
def test_the_median_alone_is_that_of_the_whole_reading(
    card: Card, given_tokens: int, output: int, cached: int, tier: Literal["batch", "flex"] | None
) -> None:
    whole = estimate(
        card, input_tokens=given_tokens, output_tokens=output, cached_tokens=cached, service_tier=tier
    ).energy_j
    alone = median_j(card, input_tokens=given_tokens, output_tokens=output, cached_tokens=cached, service_tier=tier)
    assert alone == (None if whole is None else pytest.approx(whole, rel=1e-12))


def test_one_request_on_a_known_deployment() -> None:
    card = ModelCard(total_params_b=70, active_params_b=70, layers=80, kv_gb_per_1k_tokens=0.3277, hybrid=False)
    place = Deployment(gpu="H100", gpus=4, batch=64, engine="vllm-0.11", bytes_per_weight=2.0)
    reading = estimate(card, input_tokens=300, output_tokens=300, deployment=place, zone="FR")
    assert reading.gpu_energy_j is not None
    assert reading.energy_j == pytest.approx(reading.gpu_energy_j * (1 + 0.43 + 0.17) * 1.2)
    assert reading.evidence == "modelled_known_deployment"
    assert reading.method == "physics-2"
    assert reading.footprint is not None
    assert reading.footprint.zone == "FRA"
    assert reading.footprint.carbon_g == pytest.approx(reading.energy_j / 3.6e6 * 56.039)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("place", "joules"),
    [  # ML.ENERGY v3, lm-arena-chat, Llama 3.1 8B: J per output token, the prompt's energy in it
        (Deployment(gpu="H100", gpus=1, batch=63.9178, engine="vllm-0.11", bytes_per_weight=2.0), 0.119),
        (Deployment(gpu="B200", gpus=1, batch=127.543, engine="vllm-0.11", bytes_per_weight=2.0), 0.0832),
    ],
)
def test_it_is_near_what_was_measured(place: Deployment, joules: float) -> None:
    reading = estimate(LLAMA_8B, input_tokens=300, output_tokens=396, deployment=place)
    assert reading.gpu_energy_j is not None
    assert reading.gpu_energy_j / 396 == pytest.approx(joules, rel=0.25)


def test_transformers_at_batch_one() -> None:
    # AI Energy Score, February 2025: Llama 3.1 8B, 369 tokens in, 10 out: 62.6 J.
    place = Deployment(gpu="H100", gpus=1, batch=1, engine="transformers", bytes_per_weight=2.0)
    reading = estimate(LLAMA_8B, input_tokens=369, output_tokens=10, deployment=place)
    assert reading.gpu_energy_j == pytest.approx(62.6, rel=0.25)


@given(card=CARDS, fresh=TOKENS, cached=TOKENS, output=TOKENS, more=st.integers(min_value=1, max_value=100_000))
def test_more_tokens_take_more_and_cached_ones_less(
    card: Card, fresh: int, cached: int, output: int, more: int
) -> None:
    def energy(*, fresh: int = fresh, cached: int = cached, output: int = output, reasoning: int = 0) -> float:
        found = estimate(
            card,
            input_tokens=fresh + cached,
            cached_tokens=cached,
            output_tokens=output,
            reasoning_tokens=reasoning,
        ).energy_j
        return found or 0.0

    now = energy()
    assert energy(fresh=fresh + more) > now
    assert energy(cached=cached + more) > now
    assert energy(output=output + more) > now
    assert energy(reasoning=output + more) > now
    assert energy(fresh=fresh + more) > energy(cached=cached + more)


@given(card=CARDS, given_in=TOKENS, output=TOKENS)
def test_the_interval_holds_the_median_and_the_components_add_up(card: Card, given_in: int, output: int) -> None:
    reading = estimate(card, input_tokens=given_in, output_tokens=output)
    if given_in + output == 0 or card.total_params_b is None:
        assert reading.energy_j is None
        return
    assert reading.energy_j is not None
    assert reading.low_j is not None
    assert reading.high_j is not None
    assert 0 < reading.low_j < reading.energy_j < reading.high_j < math.inf
    assert sum(reading.components.values()) == pytest.approx(reading.energy_j)


@pytest.mark.parametrize(("given_in", "output"), [(None, 5), (5, None), (None, None)])
def test_unknown_tokens_are_unknown_energy(given_in: int | None, output: int | None) -> None:
    reading = estimate(LLAMA_8B, input_tokens=given_in, output_tokens=output)
    assert (reading.energy_j, reading.low_j, reading.high_j) == (None, None, None)
    assert reading.evidence == "unknown"
    assert reading.method == "physics-2: no token counts for hosted_vllm/llama-8b"


def test_an_unknown_size_is_unknown_energy() -> None:
    reading = estimate(Card(name="x/y", provider="x"), input_tokens=1, output_tokens=1)
    assert reading.energy_j is None
    assert reading.method == "physics-2: no size is stated for x/y"


def test_no_tokens_are_no_reading() -> None:
    reading = estimate(LLAMA_8B, input_tokens=0, output_tokens=0)
    assert reading.energy_j is None
    assert reading.method == "physics-2: no tokens were counted for hosted_vllm/llama-8b"


@pytest.mark.parametrize("count", [-1, math.nan, math.inf, 10**30])
@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "images"])
def test_a_count_that_cannot_be_is_refused(name: str, count: float) -> None:
    with pytest.raises(ValueError) as caught:
        estimate(LLAMA_8B, **{"input_tokens": 5, "output_tokens": 5, name: count})  # type: ignore[arg-type]
    assert str(caught.value) == f"{name}={count!r} of hosted_vllm/llama-8b must be from 0 to 1,000,000,000,000."


def test_another_type_is_named() -> None:
    with pytest.raises(TypeError, match="input_tokens of hosted_vllm/llama-8b must be a number, not '300'"):
        estimate(LLAMA_8B, input_tokens="300", output_tokens=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"deployment must be a greenai\.meters\.Deployment, not dict\."):
        estimate(LLAMA_8B, input_tokens=3, output_tokens=5, deployment={"gpu": "H100"})  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match="service_tier='cheap' is none of None, auto, default, priority, scale, flex, batch"
    ):
        estimate(LLAMA_8B, input_tokens=3, output_tokens=5, service_tier="cheap")  # type: ignore[arg-type]


def test_weights_that_do_not_fit_are_no_known_deployment() -> None:
    place = Deployment(gpu="L4", gpus=1, batch=64, bytes_per_weight=2, engine="vllm-0.11")
    reading = estimate(ModelCard(total_params_b=405), input_tokens=5, output_tokens=5, deployment=place)
    assert reading.evidence == "modelled_api"
    assert reading.method == (
        "physics-2 (810 GB of weights do not fit the 24 GB of 1 x L4: offloading is not modelled)"
    )


def test_the_accelerators_interval_has_nothing_of_the_site() -> None:
    reading = estimate(LLAMA_8B, input_tokens=300, output_tokens=300, deployment=VLLM)
    assert reading.gpu_low_j
    assert reading.gpu_high_j
    assert reading.low_j
    assert reading.gpu_high_j / reading.gpu_low_j == pytest.approx(math.exp(2 * 1.645 * 0.219), rel=0.1)
    assert reading.gpu_high_j / reading.gpu_low_j < reading.high_j / reading.low_j  # type: ignore[operator]


@given(card=CARDS, more=st.floats(min_value=1.001, max_value=1.5))
def test_more_active_parameters_take_more(card: Card, more: float) -> None:
    def grown(size: Range | None) -> Range:
        assert size is not None
        return Range(low=size.low * more, mid=size.mid * more, high=size.high * more)

    total = card.total_params_b if card.moe else grown(card.total_params_b)
    active = grown(card.active_params_b)
    if total is None or active.mid > total.mid:
        return
    larger = replace(card, total_params_b=total, active_params_b=active)
    for tokens in ((300, 300), (5000, 0), (1, 5000)):
        now, then = (estimate(c, input_tokens=tokens[0], output_tokens=tokens[1]).energy_j for c in (card, larger))
        assert now is not None
        assert then is not None
        assert then > now


def test_what_is_known_narrows_the_interval() -> None:
    def width(place: Deployment | None) -> float:
        reading = estimate(LLAMA_8B, input_tokens=300, output_tokens=300, deployment=place)
        assert reading.low_j
        assert reading.high_j
        return reading.high_j / reading.low_j

    engine = Deployment(engine="vllm-0.11", gpu="H100")
    widths = [width(place) for place in (VLLM, engine, Deployment(engine="vllm-0.11"), Deployment(batch=64), None)]
    assert widths[0] < widths[1] < widths[2] < widths[4]
    assert widths[3] < widths[4]
    assert width(replace(VLLM, gpu="H200")) > widths[0]


def test_an_undisclosed_size_widens_the_interval() -> None:
    def width(card: ModelCard) -> float:
        reading = estimate(card, input_tokens=300, output_tokens=300, deployment=VLLM)
        assert reading.low_j
        assert reading.high_j
        return reading.high_j / reading.low_j

    guess = replace(LLAMA_8B, total_params_b=Range(low=4, mid=8, high=16), active_params_b=Range(low=4, mid=8, high=16))
    assert width(guess) > 1.5 * width(LLAMA_8B)


def test_only_a_known_gpu_batch_and_software_are_a_known_deployment() -> None:
    def evidence(place: Deployment | None) -> str:
        return estimate(LLAMA_8B, input_tokens=5, output_tokens=5, deployment=place).evidence

    assert evidence(VLLM) == "modelled_known_deployment"
    assert evidence(replace(VLLM, engine=None)) == evidence(replace(VLLM, engine="sglang")) == evidence(None)
    assert evidence(replace(VLLM, engine=None, software_factor=1.2)) == "modelled_known_deployment"
    assert evidence(replace(VLLM, batch=None)) == evidence(Deployment(engine="vllm-0.11")) == evidence(None)
    assert evidence(None) == "modelled_api"


def test_software_without_coefficients_is_unknown_software_and_said() -> None:
    given = estimate(LLAMA_8B, input_tokens=5, output_tokens=5, deployment=replace(VLLM, engine="sglang-0.5"))
    unknown = estimate(LLAMA_8B, input_tokens=5, output_tokens=5, deployment=replace(VLLM, engine=None))
    assert given.method == "physics-2 (no coefficients for the engine sglang-0.5: taken as unknown)"
    assert (given.low_j, given.energy_j, given.high_j) == (unknown.low_j, unknown.energy_j, unknown.high_j)


@pytest.mark.parametrize("gpu", gpus())
def test_a_gpu_is_scaled_by_its_data_sheet(gpu: str) -> None:
    here, h100 = (
        estimate(LLAMA_8B, input_tokens=300, output_tokens=300, deployment=replace(VLLM, gpu=g)).gpu_energy_j
        for g in (gpu, "H100")
    )
    assert here is not None
    assert h100 is not None
    assert 0.5 < here / h100 < 3.5


@pytest.mark.parametrize(("engine", "bits"), [("transformers", 2.0), ("vllm-0.11", 2.0), (None, 1.0), ("sglang", 1.0)])
def test_an_engine_loads_a_checkpoint_in_its_own_precision(engine: str | None, bits: float) -> None:
    card, place = replace(LLAMA_8B, bytes_per_weight=None), replace(VLLM, engine=engine, bytes_per_weight=None)
    unsaid = estimate(card, input_tokens=50, output_tokens=50, deployment=place)
    said = estimate(card, input_tokens=50, output_tokens=50, deployment=replace(place, bytes_per_weight=bits))
    assert unsaid.gpu_energy_j == pytest.approx(said.gpu_energy_j)
    assert unsaid.high_j / unsaid.low_j > said.high_j / said.low_j  # type: ignore[operator]


def test_an_own_factor_replaces_the_softwares_spread() -> None:
    plain = estimate(LLAMA_8B, input_tokens=5, output_tokens=5, deployment=replace(VLLM, engine=None))
    own = estimate(
        LLAMA_8B, input_tokens=5, output_tokens=5, deployment=replace(VLLM, engine=None, software_factor=1.5)
    )
    assert own.gpu_energy_j == pytest.approx(plain.gpu_energy_j * 1.5)  # type: ignore[operator]
    assert own.high_j / own.low_j < plain.high_j / plain.low_j  # type: ignore[operator]


def test_work_that_can_wait_takes_less() -> None:
    tiers = ("default", "flex", "batch")
    default, flex, batch = (estimate("gpt-5.5", input_tokens=9, output_tokens=99, service_tier=t) for t in tiers)  # type: ignore[arg-type]
    assert default.energy_j
    assert flex.energy_j
    assert batch.energy_j
    assert batch.energy_j < flex.energy_j < default.energy_j
    other = estimate("gpt-5.5", input_tokens=9, output_tokens=99, service_tier="priority")  # type: ignore[arg-type]
    assert other == default


def test_a_picture_counts_as_prompt_tokens() -> None:
    picture = coefficients()["image_tokens"]["value"]
    shown = estimate(LLAMA_8B, input_tokens=100, output_tokens=10, images=2, deployment=VLLM)
    assert shown == estimate(LLAMA_8B, input_tokens=100 + 2 * picture, output_tokens=10, deployment=VLLM)


def test_an_embedding_has_no_output() -> None:
    reading = estimate(ModelCard(total_params_b=0.6), input_tokens=500, output_tokens=0)
    assert reading.energy_j
    assert reading.components["decode"] == 0
    assert reading.components["prefill"] > 0


def test_cached_tokens_take_a_tenth_of_fresh_ones() -> None:
    def prefill(*, input_tokens: int, cached_tokens: int = 0) -> float:
        reading = estimate(
            LLAMA_8B, input_tokens=input_tokens, output_tokens=0, cached_tokens=cached_tokens, deployment=VLLM
        )
        parts = reading.components
        return parts["prefill"] + parts["cached"]

    short, attention = prefill(input_tokens=1), prefill(input_tokens=2000) / 2000 / prefill(input_tokens=1)
    assert prefill(input_tokens=2000, cached_tokens=2000) == pytest.approx(short * 200, rel=1e-3)
    assert 1 < attention < 1.1


def test_a_provider_that_publishes_its_pue_is_scaled_by_it() -> None:
    reading = estimate(replace(LLAMA_8B, provider="gemini"), input_tokens=5, output_tokens=5)
    machines = sum(joules for name, joules in reading.components.items() if name != "facility")
    assert reading.components["facility"] / machines == pytest.approx(0.09)


def test_reasoning_left_out_of_the_output_is_counted() -> None:
    inside = estimate(LLAMA_8B, input_tokens=10, output_tokens=500, reasoning_tokens=400)
    outside = estimate(LLAMA_8B, input_tokens=10, output_tokens=100, reasoning_tokens=400)
    plain = estimate(LLAMA_8B, input_tokens=10, output_tokens=500)
    assert inside == plain
    assert outside == estimate(LLAMA_8B, input_tokens=10, output_tokens=500)


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

"""What calls took by a law per model: the physics itself, worked out once."""

from __future__ import annotations

import numpy as np
import pytest
from audit_logs import LARGE, SMALL, call, reads
from hypothesis import given
from hypothesis import strategies as st

from greenai.audit.advice import finding_of
from greenai.audit.columns import columns
from greenai.audit.energy import law_of, smaller, took, usd_of
from greenai.audit.estimate import looked_at
from greenai.meters import cost, physics
from greenai.readings import Reading
from greenai.values import Usage

MODELS = (LARGE, SMALL, "anthropic/claude-opus-5", "local/smollm2-135m")


@given(
    model=st.sampled_from(MODELS), fresh=st.integers(0, 100_000), cached=st.integers(0, 100_000),
    output=st.integers(1, 50_000),
)  # fmt: skip
def test_the_law_is_the_physics(model: str, fresh: int, cached: int, output: int) -> None:
    law = law_of(model)
    assert law is not None
    exact = physics.estimate(model, input_tokens=fresh + cached, output_tokens=output, cached_tokens=cached).energy_j
    counts = (np.array([float(count)]) for count in (fresh + cached, cached, output))
    assert law.joules(*counts)[0] == pytest.approx(exact, rel=1e-6)


def test_the_price_is_the_lists() -> None:
    usage = Usage(input_tokens=5000, cached_tokens=1000, output_tokens=700)
    found = usd_of(LARGE, np.array([5000.0]), np.array([1000.0]), np.array([700.0]))[0]
    assert found == pytest.approx(cost.of(LARGE, usage))


@pytest.mark.parametrize(
    ("name", "tokens"), [(LARGE, 5000), ("gemini/gemini-2.5-pro", 5000), ("gemini/gemini-2.5-pro", 300_000)]
)
@pytest.mark.parametrize("tier", [None, "default", "batch", "flex", "scale"])
def test_the_price_is_that_of_the_service_and_the_prompts_length(name: str, tokens: int, tier: str | None) -> None:
    usage = Usage(input_tokens=tokens, cached_tokens=1000, output_tokens=700)
    found = usd_of(name, np.array([float(tokens)]), np.array([1000.0]), np.array([700.0]), tier=tier)[0]
    service = cost.service({"service_tier": tier})
    listed = None if service is None else cost.of(name, usage, service)
    assert np.isnan(found) if listed is None else found == pytest.approx(listed)


def test_a_batch_has_the_price_and_the_energy_of_a_batch() -> None:
    usual, batch = took(columns([call("a"), call("b", arguments={"service_tier": "batch"})])).cost_usd
    assert batch == pytest.approx(usual / 2)
    joules = took(columns([call("a"), call("b", arguments={"service_tier": "batch"})])).energy_j
    assert joules[1] < joules[0]


def test_without_its_reasoning_a_call_takes_no_more_than_it_took() -> None:
    energy = Reading(energy_j=3.0, low_j=1.0, high_j=9.0, evidence="measured")
    log = [call(f"Why {n}?", at=n, energy=energy, output_tokens=500, reasoning_tokens=400) for n in range(20)]
    found = finding_of(looked_at(columns(log), reads(log), in_a_row=0)).whole
    assert found.was.energy_j is not None
    assert found.was.energy_j.mid == pytest.approx(60.0)
    assert found.could_be.energy_j is not None
    assert found.could_be.energy_j.high < found.was.energy_j.high
    for row in found.sufficed:
        assert row.was.energy_j is not None
        assert row.could_be.energy_j is not None
        assert row.could_be.energy_j.mid <= row.was.energy_j.mid


def test_the_logs_own_figures_come_first() -> None:
    energy = Reading(energy_j=3.0, low_j=1.0, high_j=9.0, evidence="measured")
    spent = took(columns([call("a", energy=energy, cost_usd=0.5), call("b"), call("c", model="acme/unheard-of")]))
    assert spent.energy_j[0] == 3.0
    assert spent.cost_usd[0] == 0.5
    assert spent.energy_j[1] > 0
    assert spent.cost_usd[1] > 0
    assert np.isnan([spent.energy_j[2], spent.cost_usd[2]]).all()
    assert law_of("acme/unheard-of") is None


def test_tokens_that_are_not_told_leave_the_energy_unknown() -> None:
    assert np.isnan(took(columns([call("a", input_tokens=None)])).energy_j).all()


def test_the_smaller_model_is_the_ladders_first_else_the_smallest_sibling() -> None:
    assert smaller(LARGE) == SMALL
    assert smaller(LARGE, ("local/smollm2-135m", LARGE)) == "local/smollm2-135m"
    assert smaller(SMALL) is None
    assert smaller("acme/unheard-of") is None
    assert smaller("acme/unheard-of", (SMALL,)) == SMALL


@pytest.mark.parametrize(
    ("answered", "small"),
    [
        ("gpt-4o-2024-08-06", "openai/gpt-4o-mini"),
        ("gpt-4o-mini-2024-07-18", None),
        ("claude-sonnet-4-5-20250929", "anthropic/claude-haiku-4-5"),
        ("azure/gpt-4o-2024-11-20", "azure/gpt-4o-mini"),
        ("azure/gpt-4o-mini", None),
        ("together_ai/moonshotai/Kimi-K2.7-Code", None),
    ],
)
def test_the_name_with_a_date_that_an_answer_has_and_a_resellers_have_smaller_models_too(
    answered: str, small: str | None
) -> None:
    assert smaller(answered) == small

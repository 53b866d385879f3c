"""What calls took by a law per model: the physics itself, worked out once."""

from __future__ import annotations

import numpy as np
import pytest
from audit_logs import LARGE, SMALL, call
from hypothesis import given
from hypothesis import strategies as st

from greenai.audit.columns import columns
from greenai.audit.energy import law_of, smaller, took, usd_of
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

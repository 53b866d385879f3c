"""Counts of tokens and energy that providers report."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from greenai import reported


@pytest.mark.parametrize(
    ("native", "energy_j"),
    [
        ({"energy": {"energy_joules": 15.23, "energy_kwh": 4.23e-6}}, 15.23),
        ({"energy": {"energy_kwh": 4.23e-6}}, pytest.approx(15.228)),
        ({"energy_joules": 15.23}, 15.23),
        ({"energy": {"energy_joules": 0, "energy_kwh": 0.0}}, None),
        ({"energy": {"energy_joules": -3.0}}, None),
        ({"energy": {"energy_joules": float("nan")}}, None),
        ({"energy": {"energy_joules": float("inf")}}, None),
        ({"energy": {"energy_joules": True}}, None),
        ({"energy": {"energy_joules": "15"}}, None),
        ({"energy": 15.23}, None),
        ({}, None),
        (None, None),
        (SimpleNamespace(energy={"energy_joules": 15.23}), 15.23),
    ],
)
def test_the_energy_that_a_response_reports(native: object, energy_j: Any) -> None:
    assert reported.energy_j(native) == energy_j


@pytest.mark.parametrize(
    ("value", "counted"), [(0, 0), (7, 7), (-1, None), (10**9, None), (True, None), (7.0, None), ("7", None)]
)
def test_a_count_is_a_whole_number_that_can_be_one(value: object, counted: int | None) -> None:
    assert reported.count(value) == counted

"""What telemetry counts, and under how many names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenai import Receipt
from greenai.integrations.figures import OTHER, Bounded, Figures, provider_of
from greenai.readings import Avoided, Reading
from greenai.testing import FakeProvider, error, offline


def receipt(text: str = "Say hello to Ada.", **options: object) -> Receipt:
    with offline() as client:
        return client.ask(text, greenai=options).greenai


def test_the_first_names_are_kept_and_the_rest_are_one() -> None:
    bounded = Bounded(most=2)
    assert [bounded(name) for name in ("a", "b", "c", "a", "d", "b")] == ["a", "b", OTHER, "a", OTHER, "b"]


def test_a_name_is_no_longer_than_it_needs() -> None:
    assert len(Bounded()("x" * 10_000)) == 128


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-5.5", "openai"),
        ("mistral/small", "mistral_ai"),
        ("bedrock/x/y", "aws.bedrock"),
        ("gpt-5.5", "greenai"),
        (None, "greenai"),
    ],
)
def test_providers_have_the_names_of_opentelemetry(model: str | None, provider: str) -> None:
    assert provider_of(model) == provider


def test_a_method_says_nothing_of_one_call_or_one_machine() -> None:
    told = receipt()
    method = "rapl-1 (4.69 W per core, AMD EPYC) + nvml-1; left out as impossible: the provider's 5 J"
    assert Figures.of(replace(told, energy=replace(told.energy, method=method))).method == "rapl-1 + nvml-1"


def test_unknown_energy_is_none_and_not_zero() -> None:
    assert Figures.of(replace(receipt(), energy=Reading.unknown("no card"))).joules() is None


def test_energy_without_an_interval_has_the_middle_for_both_ends() -> None:
    told = replace(receipt(), energy=Reading(energy_j=2.0, low_j=None, high_j=None, evidence="measured", method="m"))
    assert Figures.of(told).joules() == (2.0, 2.0, 2.0)


def test_what_greenai_took_itself_is_counted_once() -> None:
    asked, calculated = receipt(), receipt("What is 18% of 240?")
    assert Figures.of(asked).overhead_j == asked.overhead.energy.energy_j
    assert Figures.of(calculated).overhead_j is None
    assert Figures.of(calculated).energy.energy_j == calculated.overhead.energy.energy_j


def test_what_was_not_avoided_is_not_counted() -> None:
    told = receipt(observe=True)
    avoided = Avoided(energy=Reading(energy_j=5.0, low_j=1.0, high_j=9.0), baseline="x", hypothetical=True)
    assert Figures.of(replace(told, avoided=avoided)).avoided_j() is None
    assert Figures.of(replace(told, avoided=replace(avoided, hypothetical=False))).avoided_j() == 5.0
    assert Figures.of(replace(told, avoided=None)).avoided_j() is None


def test_a_model_that_failed_counts_no_tokens() -> None:
    with offline(FakeProvider("", error(500))) as client:
        told = client.ask("Say hello to Ada.", model="gpt-5.5").greenai
    figures = Figures.of(told)
    assert [a.state for a in told.attempts] == ["discarded", "failed"]
    assert (figures.model, figures.provider, figures.usage.input_tokens) == ("gpt-5.4-nano", "openai", 12)

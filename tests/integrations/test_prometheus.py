"""The page that Prometheus reads, as its own parser understands it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from greenai import GreenAIError, MissingExtra, Receipt, hooks
from greenai.integrations import prometheus
from greenai.testing import FakeProvider, error, offline

ADA = "Say hello to Ada."


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    registry = CollectorRegistry()
    prometheus.instrument(registry)
    yield registry
    prometheus.uninstrument()


def samples(name: str) -> dict[tuple[str, ...], float]:
    """The values of one sample's name, by its labels' values in the order of the labels' names."""
    body, _ = prometheus.metrics()
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name == name
    }


def total(name: str) -> float:
    return sum(samples(name).values())


def summed(*values: float | None) -> Any:
    return pytest.approx(sum(v for v in values if v is not None))


@pytest.mark.usefixtures("registry")
def test_the_counters_sum_what_the_receipts_say() -> None:
    with offline() as client:
        receipts = [client.ask(f"Say hello to {name}.", temperature=0).greenai for name in ("Ada", "Bo", "Ada")]
        receipts.append(client.ask("What is 18% of 240?").greenai)
    assert samples("greenai_calls_total") == {
        ("modelled_api", "gpt-5.4-nano", "small", "default"): 2,
        ("modelled_known_deployment", "gpt-5.4-nano", "cache", "default"): 1,
        ("modelled_known_deployment", "calc", "answerer", "default"): 1,
    }
    assert total("greenai_energy_joules_total") == summed(*(r.energy.energy_j for r in receipts))
    assert total("greenai_energy_joules_low_total") == summed(*(r.energy.low_j for r in receipts))
    assert total("greenai_energy_joules_high_total") == summed(*(r.energy.high_j for r in receipts))
    assert total("greenai_overhead_joules_total") == summed(*(r.overhead.energy.energy_j for r in receipts[:2]))
    assert total("greenai_cost_usd_total") == summed(*(r.cost_usd for r in receipts))
    assert total("greenai_carbon_grams_total") == summed(*(r.carbon_g for r in receipts))
    avoided = [r.avoided.energy.energy_j for r in receipts if r.avoided is not None]
    assert total("greenai_avoided_joules_total") == summed(*avoided)
    assert samples("greenai_tokens_total") == {
        ("gpt-5.4-nano", "default", "input"): 24,
        ("gpt-5.4-nano", "default", "output"): sum(a.usage.output_tokens or 0 for r in receipts for a in r.attempts),
    }
    assert samples("greenai_call_energy_joules_count") == {("small",): 2, ("cache",): 1, ("answerer",): 1}
    assert samples("greenai_call_duration_seconds_count") == {("small",): 2, ("cache",): 1, ("answerer",): 1}


@pytest.mark.usefixtures("registry")
def test_a_failed_call_is_counted_by_its_errors_class() -> None:
    with offline(FakeProvider(error(429))) as client, pytest.raises(Exception, match="scripted"):
        client.ask(ADA, greenai={"project": "docs"})
    assert samples("greenai_failed_calls_total") == {("RateLimitError", "docs"): 1}
    assert samples("greenai_call_duration_seconds_count") == {("failed",): 1}
    assert samples("greenai_calls_total") == {}


@pytest.mark.usefixtures("registry")
def test_a_budget_tells_what_is_left() -> None:
    settings = {"projects": {"docs": {"budget": {"energy": "50 Wh/day", "timezone": "UTC"}}}}
    with offline(settings=settings) as client:
        receipt = client.ask(ADA, greenai={"project": "docs"}).greenai
    left = receipt.budget
    assert left is not None
    labels = ("50 Wh/day", "project/docs", "Wh")
    assert samples("greenai_budget_left") == {labels: pytest.approx(left.left)}
    assert samples("greenai_budget_limit") == {labels: 50}
    assert samples("greenai_budget_ends_timestamp_seconds") == {labels: left.ends}


@pytest.mark.usefixtures("registry")
def test_unknown_energy_is_counted_as_a_call_and_not_as_zero() -> None:
    with offline(base_url="http://models.invalid/v1") as client:
        client.ask(ADA, model="nobody-knows-it")
    assert samples("greenai_calls_total") == {("unknown", "nobody-knows-it", "large", "default"): 1}
    assert samples("greenai_energy_joules_total") == {}


@pytest.mark.usefixtures("registry")
def test_names_from_an_apps_users_are_bounded() -> None:
    with offline() as client:
        for n in range(70):
            client.ask("What is 18% of 240?", greenai={"project": f"user-{n}"})
    calls = samples("greenai_calls_total")
    assert len(calls) == 65
    assert calls["modelled_known_deployment", "calc", "answerer", "other"] == 6


def test_instrumenting_twice_counts_once_and_leaving_takes_the_figures_out(registry: CollectorRegistry) -> None:
    prometheus.instrument(registry)
    with offline() as client:
        client.ask(ADA)
    assert total("greenai_calls_total") == 1
    prometheus.uninstrument()
    prometheus.uninstrument()
    assert hooks.everywhere() == ()
    assert list(registry.collect()) == []
    prometheus.instrument(registry)
    assert total("greenai_calls_total") == 0


def test_the_registry_is_that_of_the_package_where_none_is_named() -> None:
    prometheus.instrument()
    try:
        with offline() as client:
            client.ask(ADA)
        assert REGISTRY.get_sample_value("greenai_failed_calls_total") is None
        assert total("greenai_calls_total") == 1
    finally:
        prometheus.uninstrument()
    assert "greenai_calls" not in {family.name for family in REGISTRY.collect()}


def test_the_page_has_the_content_type_that_prometheus_asks_for(registry: CollectorRegistry) -> None:
    body, kind = prometheus.metrics()
    assert kind.startswith("text/plain; version=")
    assert b"# TYPE greenai_energy_joules_total counter" in body


def test_without_instrument_the_page_says_what_to_do() -> None:
    with pytest.raises(GreenAIError) as raised:
        prometheus.metrics()
    assert str(raised.value) == (
        "No call is counted for Prometheus yet. When the app starts, call: "
        "from greenai.integrations import prometheus; prometheus.instrument()"
    )


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra) as raised:
        prometheus.instrument()
    assert str(raised.value) == (
        "Prometheus (prometheus.instrument) needs the package prometheus-client, which is not installed. "
        'Install it with: pip install "greenai[prometheus]"'
    )


WORKER = """
from greenai.integrations import prometheus
from greenai.testing import offline
prometheus.instrument()
with offline() as client:
    client.ask("What is 18% of 240?")
print(prometheus.metrics()[0].decode())
"""


def test_several_workers_of_one_server_are_summed(tmp_path: Path) -> None:
    pages = [
        subprocess.run(
            [sys.executable, "-c", WORKER],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for _ in range(2)
    ]  # fmt: skip
    counted = [
        sum(s.value for f in text_string_to_metric_families(page) for s in f.samples if s.name == "greenai_calls_total")
        for page in pages
    ]
    assert counted == [1, 2]


def test_a_receipt_that_cannot_be_counted_costs_nobody_the_answer(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(receipt: Receipt) -> None:
        raise RuntimeError("broken")

    remove = hooks.observe(broken)
    with offline() as client:
        assert client.ask(ADA).text
    remove()
    assert total("greenai_calls_total") == 1
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1

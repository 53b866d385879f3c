"""Prometheus: what the calls of this process took, in a registry that it scrapes. The only door to prometheus_client.

    from greenai.integrations import prometheus

    prometheus.instrument()
    prometheus_client.start_http_server(9464)  # or prometheus.metrics(), for a page of your own

What a budget has left is what the latest call that it held for left of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenai import hooks
from greenai._locks import Lock
from greenai.errors import GreenAIError, MissingExtra
from greenai.hooks import Asked
from greenai.integrations.figures import ENERGY_BUCKETS_J, Bounded, Figures
from greenai.readings import BudgetLeft
from greenai.values import Receipt

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["instrument", "metrics", "uninstrument"]

# Where a histogram of one call's duration is cut, in seconds.
DURATION_BUCKETS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)

OF_CALL = ("outcome", "project", "model", "evidence")
OF_BUDGET = ("scope", "budget", "unit")

_changing = Lock()
_state: dict[str, Any] = {}


def instrument(registry: CollectorRegistry | None = None) -> None:
    """Count every call of this process, also of clients that are there already.

    Called again it changes nothing, unless it names another registry.

    Args:
        registry: where the figures are kept; None is the one that prometheus_client itself serves.

    Raises:
        MissingExtra: prometheus-client is not installed.
    """
    client = _client()
    kept: CollectorRegistry = client.REGISTRY if registry is None else registry
    with _changing:
        if _state.get("registry") is kept:
            return
        _remove()
        counting = Counting(kept)
        _state.update(registry=kept, counting=counting, remove=hooks.observe(counting))


def uninstrument() -> None:
    """Count nothing from now on, and take the figures out of their registry; nothing where nothing is counted."""
    with _changing:
        _remove()


def _remove() -> None:
    remove: Callable[[], None] | None = _state.pop("remove", None)
    if remove is not None:
        remove()
        _state["counting"].unregister()
    _state.clear()


def metrics() -> tuple[bytes, str]:
    """Return the page that Prometheus reads, and its content type; of all processes where they share a folder.

    Raises:
        GreenAIError: nothing is counted yet.
    """
    registry = _state.get("registry")
    if registry is None:
        raise GreenAIError(
            "No call is counted for Prometheus yet. When the app starts, call: "
            "from greenai.integrations import prometheus; prometheus.instrument()"
        )
    client = _client()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # several workers of one server: prometheus_client's own switch
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = client.CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return client.generate_latest(registry), client.CONTENT_TYPE_LATEST


class Counting:
    """The observer: counts each call, with names of which there are never too many."""

    def __init__(self, registry: CollectorRegistry) -> None:
        client = _client()
        self._registry, self._all = registry, list[Any]()
        self._projects, self._models, self._scopes, self._errors = Bounded(), Bounded(), Bounded(), Bounded()

        def made(kind: Any, name: str, about: str, labels: tuple[str, ...], **more: Any) -> Any:
            metric = kind(f"greenai_{name}", about, labels, registry=registry, **more)
            self._all.append(metric)
            return metric

        counter, gauge, histogram = client.Counter, client.Gauge, client.Histogram
        energy = "Energy of calls in joules: of the models, or greenai's own where none was asked"
        self._calls = made(counter, "calls", "Calls that have a receipt.", OF_CALL)
        self._failed = made(counter, "failed_calls", "Calls that ended with an error.", ("error", "project"))
        self._energy = (
            made(counter, "energy_joules", f"{energy}.", OF_CALL),
            made(counter, "energy_joules_low", f"{energy}; the low end.", OF_CALL),
            made(counter, "energy_joules_high", f"{energy}; the high end.", OF_CALL),
        )
        self._overhead = made(counter, "overhead_joules", "Energy of greenai's own work for models' answers.", OF_CALL)
        self._avoided = made(counter, "avoided_joules", "Energy avoided against the receipt's baseline.", OF_CALL)
        self._tokens = made(counter, "tokens", "Tokens of calls.", ("type", "project", "model"))
        self._cost = made(counter, "cost_usd", "Cost of calls in US dollars.", OF_CALL)
        self._carbon = made(counter, "carbon_grams", "Carbon dioxide equivalent of calls, location-based.", OF_CALL)
        self._per_call = made(
            histogram, "call_energy_joules", "Energy of one call in joules.", ("outcome",), buckets=ENERGY_BUCKETS_J
        )
        self._duration = made(
            histogram, "call_duration_seconds", "Duration of a call.", ("outcome",), buckets=DURATION_BUCKETS_S
        )
        recent = {"multiprocess_mode": "mostrecent"}
        self._left = made(gauge, "budget_left", "What is left of a budget, after the latest call.", OF_BUDGET, **recent)
        self._limit = made(gauge, "budget_limit", "The limit of that budget.", OF_BUDGET, **recent)
        self._ends = made(
            gauge, "budget_ends_timestamp_seconds", "When that budget's window ends.", OF_BUDGET, **recent
        )

    def finished(self, receipt: Receipt, asked: Asked, /) -> None:
        """Count a call that has a receipt."""
        figures = Figures.of(receipt)
        project, model = self._projects(receipt.project), self._models(figures.model)
        labels = (figures.outcome, project, model, figures.evidence)
        self._calls.labels(*labels).inc()
        self._duration.labels(figures.outcome).observe(asked.duration_ns / 1e9)
        if (joules := figures.joules()) is not None:
            self._per_call.labels(figures.outcome).observe(joules[0])
            for metric, value in zip(self._energy, joules, strict=True):
                metric.labels(*labels).inc(value)
        sums = (
            (self._overhead, figures.overhead_j),
            (self._avoided, figures.avoided_j()),
            (self._cost, receipt.cost_usd),
            (self._carbon, receipt.carbon_g),
        )
        for metric, amount in sums:
            if amount is not None:
                metric.labels(*labels).inc(amount)
        usage = figures.usage
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count is not None:
                self._tokens.labels(kind, project, model).inc(count)
        if receipt.budget is not None:
            self._budget(receipt.budget)

    def _budget(self, budget: BudgetLeft) -> None:
        labels = (self._scopes(budget.scope), budget.budget, budget.unit)
        self._left.labels(*labels).set(budget.left)
        self._limit.labels(*labels).set(budget.limit)
        if budget.ends is not None:
            self._ends.labels(*labels).set(budget.ends)

    def failed(self, error: BaseException, asked: Asked, /) -> None:
        """Count a call that ended with an error."""
        self._failed.labels(self._errors(type(error).__name__), self._projects(asked.project)).inc()
        self._duration.labels("failed").observe(asked.duration_ns / 1e9)

    def unregister(self) -> None:
        """Take the figures out of their registry."""
        for metric in self._all:
            self._registry.unregister(metric)


def _client() -> Any:
    try:
        import prometheus_client
    except ImportError:
        raise MissingExtra("prometheus", "prometheus-client", "Prometheus (prometheus.instrument)") from None
    return prometheus_client

"""What telemetry adds to a call, in turns in one process: nobody told, a block, Prometheus, OpenTelemetry.

The call is answered by the calculator, so that nothing else takes long; its time is printed beside what is added.

    python benchmarks/telemetry.py [CALLS]
"""

from __future__ import annotations

import statistics
import sys
import timeit
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from time import perf_counter_ns

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

import greenai
from greenai import Client, hooks
from greenai.integrations import otel, prometheus
from greenai.steps import Flow, Steps
from greenai.steps.telling import watched
from greenai.testing import offline
from greenai.values import Answer, Request

QUESTION = "What is 18% of 240?"
ROUND = 50


class Nowhere(SpanExporter):
    """Takes spans and keeps none."""

    def export(self, spans: object) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


@contextmanager
def opentelemetry(tracers: TracerProvider | None, meters: MeterProvider | None) -> Generator[None]:
    otel.instrument(tracer_provider=tracers, meter_provider=meters)
    yield
    otel.uninstrument()


@contextmanager
def counted() -> Generator[None]:
    prometheus.instrument(CollectorRegistry())
    yield
    prometheus.uninstrument()


def measured(client: Client, ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each call, the ways in turns, so that a machine that slows down slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with way():
                for _ in range(ROUND):
                    began = perf_counter_ns()
                    client.ask(QUESTION)
                    times[name].append((perf_counter_ns() - began) / 1e3)
    return times


def bare_us(request: Request, steps: Steps, answer: Answer) -> float:
    """Microseconds that telling adds where nobody listens: a flow that is told about, less the same flow alone."""

    def flow() -> Flow[Answer]:
        return answer
        yield

    def run(made: Flow[Answer]) -> None:
        try:
            next(made)
        except StopIteration:
            return

    def best(work: Callable[[], None]) -> float:
        return min(timeit.repeat(work, number=20_000, repeat=7)) / 20_000 * 1e6

    return best(lambda: run(watched(flow(), request, steps, lambda done: done))) - best(lambda: run(flow()))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Nowhere()))
    meters = MeterProvider([InMemoryMetricReader()])
    ways: dict[str, Callable[[], object]] = {
        "nobody": nullcontext,
        "collecting()": greenai.collecting,
        "prometheus": counted,
        "otel, without an SDK": lambda: opentelemetry(None, None),
        "otel, SDK and batches": lambda: opentelemetry(tracers, meters),
    }
    with offline() as client:
        client.ask(QUESTION)
        times = measured(client, ways, max(calls // ROUND, 1))
        alone = statistics.median(times["nobody"])
        print(f"{'told':<24}{'p50 us':>10}{'added us':>10}{'p95 us':>10}")
        for name, taken in times.items():
            middle = statistics.median(taken)
            print(f"{name:<24}{middle:>10.1f}{middle - alone:>10.1f}{statistics.quantiles(taken, n=20)[-1]:>10.1f}")
        session = client._session
        request = session.request("ask", session.ask_messages(QUESTION, None), None, stream=False, arguments={})
        steps = session.steps_of(request)
        answer = session.answer(request)
        silent, logged = (bare_us(request, here, answer) for here in (replace(steps, observers=()), steps))
        print(f"telling where nobody listens, by itself: {silent:.2f} us; with the observer that logs: {logged:.2f} us")
    assert hooks.everywhere() == ()
    tracers.shutdown()
    meters.shutdown()


if __name__ == "__main__":
    main()

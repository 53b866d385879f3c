"""Spans and metrics, as OpenTelemetry's own SDK and a receiver of its protocol see them."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from greenai import AsyncClient, MissingExtra, hooks
from greenai.integrations import otel
from greenai.testing import FakeProvider, FakeReply, error, offline

ADA = "Say hello to Ada."
SECRET = "the word is heliotrope"


@dataclass
class Told:
    """What an SDK was told of this process's calls."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    tracers: TracerProvider = field(default_factory=lambda: TracerProvider(shutdown_on_exit=False))

    def __post_init__(self) -> None:
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider(metric_readers=[self.reader], shutdown_on_exit=False)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        metrics = [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    def total(self, name: str) -> float:
        return sum(point.value for point in self.points(name))


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    otel.instrument(tracer_provider=told.tracers, meter_provider=told.meters)
    yield told
    otel.uninstrument()
    told.tracers.shutdown()
    told.meters.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


# --- spans --------------------------------------------------------------------------------


def test_a_call_is_a_span_with_the_receipts_figures(told: Told) -> None:
    with offline() as client:
        receipt = client.ask(ADA, model="gpt-5.4-nano", temperature=0.5, max_tokens=20, n=1).greenai
    (span,) = told.spans
    assert (span.name, span.kind, span.status.status_code) == ("chat gpt-5.4-nano", SpanKind.CLIENT, StatusCode.UNSET)
    found = attributes(span)
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.provider.name"] == "openai"
    assert found["gen_ai.request.model"] == "gpt-5.4-nano"
    assert found["gen_ai.response.model"] == "gpt-5.4-nano"
    assert (found["gen_ai.request.temperature"], found["gen_ai.request.max_tokens"]) == (0.5, 20)
    assert "gen_ai.request.choice.count" not in found
    assert "gen_ai.request.stream" not in found
    (usage,) = [a.usage for a in receipt.attempts]
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (12, usage.output_tokens)
    assert found["greenai.call_id"] == receipt.call_id
    assert found["greenai.outcome"] == receipt.outcome
    assert found["greenai.energy.joules"] == receipt.energy.energy_j
    assert found["greenai.energy.joules.low"] == receipt.energy.low_j
    assert found["greenai.energy.joules.high"] == receipt.energy.high_j
    assert (found["greenai.evidence"], found["greenai.method"]) == (receipt.energy.evidence, receipt.energy.method)
    assert (found["greenai.carbon.grams"], found["greenai.cost.usd"]) == (receipt.carbon_g, receipt.cost_usd)


def test_a_span_lasts_as_long_as_its_call(told: Told) -> None:
    with offline(FakeProvider(FakeReply(delay_s=0.05))) as client:
        receipt = client.ask(ADA).greenai
    (span,) = told.spans
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time >= 0.05e9
    assert abs(span.end_time / 1e9 - receipt.created) < 5


def test_a_span_is_below_the_one_that_was_current_when_its_call_began(told: Told) -> None:
    tracer = told.tracers.get_tracer("app")
    with offline() as client:
        with tracer.start_as_current_span("page") as page:
            client.ask(ADA)
            stream = client.ask("Say hello to Grace.", stream=True)
        with tracer.start_as_current_span("later"):
            list(stream)
        client.ask("Say hello to Bo.")
    spans = [s for s in told.spans if s.name.startswith("chat")]
    assert [s.parent.span_id if s.parent else None for s in spans] == [page.get_span_context().span_id] * 2 + [None]
    assert attributes(spans[1])["gen_ai.request.stream"] is True


def test_awaited_calls_are_below_their_own_tasks_span(told: Told) -> None:
    tracer = told.tracers.get_tracer("app")

    async def one(client: AsyncClient, name: str) -> None:
        with tracer.start_as_current_span(name):
            await client.ask(f"Say hello to {name}.")

    async def everything() -> None:
        async with offline(FakeProvider(default=FakeReply(delay_s=0.01)), client=AsyncClient) as client:
            await asyncio.gather(one(client, "Ada"), one(client, "Bo"))

    asyncio.run(everything())
    parents = {s.context.span_id: s.name for s in told.spans if s.context is not None}
    found = sorted(parents[s.parent.span_id] for s in told.spans if s.parent is not None)
    assert found == ["Ada", "Bo"]


def test_an_escalation_is_linked_to_the_call_before_it(told: Told) -> None:
    with offline() as client:
        client.escalate(client.ask(ADA))
    first, second = told.spans
    (link,) = second.links
    assert first.context is not None
    assert link.context.span_id == first.context.span_id
    assert dict(link.attributes or {}) == {"greenai.link": "escalated"}
    assert first.links == ()


def test_a_failed_call_has_its_errors_class_and_not_its_message(told: Told) -> None:
    with offline(FakeProvider(error(400, SECRET))) as client:
        with pytest.raises(Exception, match=SECRET):
            client.ask(ADA)
        with pytest.raises(Exception, match="no messages"):
            client.chat.completions.create(messages=[])
    asked, refused = told.spans
    assert (asked.kind, refused.kind) == (SpanKind.CLIENT, SpanKind.INTERNAL)
    assert [attributes(s)["error.type"] for s in told.spans] == ["BadRequestError", "InvalidRequest"]
    assert [attributes(s)["gen_ai.provider.name"] for s in told.spans] == ["openai", "greenai"]
    assert {s.status.status_code for s in told.spans} == {StatusCode.ERROR}
    assert SECRET not in str([s.to_json() for s in told.spans])


def test_no_prompt_and_no_answer_is_in_a_span(told: Told) -> None:
    with offline(FakeProvider(FakeReply(text=f"Well, {SECRET}."))) as client:
        client.ask(f"Say it: {SECRET}", system=SECRET)
    assert SECRET not in str([s.to_json() for s in told.spans])
    assert SECRET not in str(told.reader.get_metrics_data())


def test_a_stored_answer_has_greenais_own_energy_and_no_provider(told: Told) -> None:
    with offline() as client:
        client.ask(ADA, temperature=0)
        receipt = client.ask(ADA, temperature=0).greenai
    stored = told.spans[1]
    found = attributes(stored)
    assert receipt.outcome == found["greenai.outcome"] == "cache"
    assert (stored.kind, found["gen_ai.provider.name"]) == (SpanKind.INTERNAL, "greenai")
    assert found["greenai.energy.joules"] == receipt.overhead.energy.energy_j
    assert "greenai.overhead.joules" not in found
    assert "gen_ai.usage.output_tokens" not in found


def test_each_of_several_attempts_is_an_event(told: Told) -> None:
    with offline(FakeProvider(FakeReply(text="", output_tokens=3), "Hello, Ada.")) as client:
        receipt = client.ask(ADA, model="gpt-5.5").greenai
    (span,) = told.spans
    events = [dict(e.attributes or {}) for e in span.events]
    assert [(e["greenai.attempt.model"], e["greenai.attempt.state"]) for e in events] == [
        ("openai/gpt-5.4-nano", "discarded"),
        ("openai/gpt-5.5", "answered"),
    ]
    assert sum(e["greenai.attempt.joules"] for e in events) == pytest.approx(receipt.energy.energy_j)
    assert attributes(span)["gen_ai.usage.input_tokens"] == 24


# --- metrics ------------------------------------------------------------------------------


def test_the_counters_sum_what_the_receipts_say(told: Told) -> None:
    with offline() as client:
        receipts = [client.ask(f"Say hello to {name}.", temperature=0).greenai for name in ("Ada", "Bo", "Ada")]
        receipts.append(client.ask("What is 18% of 240?").greenai)

    def summed(*values: float | None) -> Any:
        return pytest.approx(sum(v for v in values if v is not None))

    assert told.total("greenai.calls") == 4
    assert told.total("greenai.energy.joules") == summed(*(r.energy.energy_j for r in receipts))
    assert told.total("greenai.energy.joules.low") == summed(*(r.energy.low_j for r in receipts))
    assert told.total("greenai.energy.joules.high") == summed(*(r.energy.high_j for r in receipts))
    assert told.total("greenai.overhead.joules") == summed(*(r.overhead.energy.energy_j for r in receipts[:2]))
    assert told.total("greenai.cost.usd") == summed(*(r.cost_usd for r in receipts))
    assert told.total("greenai.carbon.grams") == summed(*(r.carbon_g for r in receipts))
    assert told.total("greenai.avoided.joules") == summed(
        *(r.avoided.energy.energy_j for r in receipts if r.avoided is not None)
    )
    assert sum(p.count for p in told.points("greenai.energy.joules.per_call")) == 4
    assert {dict(p.attributes)["greenai.outcome"] for p in told.points("greenai.calls")} == {
        "small",
        "cache",
        "answerer",
    }


def test_the_names_of_generative_ai_have_their_metrics(told: Told) -> None:
    with offline(FakeProvider("Hi.", error(429))) as client:
        client.ask(ADA, model="gpt-5.4-nano")
        with pytest.raises(Exception, match="scripted"):
            client.ask("Say hello to Bo.", model="gpt-5.4-nano")
    tokens = {dict(p.attributes)["gen_ai.token.type"]: p for p in told.points("gen_ai.client.token.usage")}
    assert (tokens["input"].sum, tokens["output"].sum) == (12, 1)
    assert list(tokens["input"].explicit_bounds[:4]) == [1, 4, 16, 64]
    durations = told.points("gen_ai.client.operation.duration")
    assert [dict(p.attributes).get("error.type") for p in durations] == [None, "RateLimitError"]
    for point in [*tokens.values(), *durations]:
        found = dict(point.attributes)
        assert (found["gen_ai.operation.name"], found["gen_ai.provider.name"]) == ("chat", "openai")
        assert found["gen_ai.request.model"] == "gpt-5.4-nano"


def test_unknown_energy_is_counted_as_a_call_and_not_as_zero(told: Told) -> None:
    with offline(base_url="http://models.invalid/v1") as client:
        client.ask(ADA, model="nobody-knows-it")
    (call,) = told.points("greenai.calls")
    assert dict(call.attributes)["greenai.evidence"] == "unknown"
    assert told.points("greenai.energy.joules") == []
    assert "greenai.energy.joules" not in attributes(told.spans[0])


def test_names_from_an_apps_users_are_bounded(told: Told) -> None:
    with offline() as client:
        for n in range(70):
            client.ask("What is 18% of 240?", greenai={"project": f"user-{n}"})
    projects = {dict(p.attributes)["greenai.project"] for p in told.points("greenai.calls")}
    assert len(projects) == 65
    assert "other" in projects
    assert told.total("greenai.calls") == 70


def test_calls_of_many_threads_are_all_counted(told: Told) -> None:
    with offline() as client, ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: client.ask("What is 18% of 240?").greenai, range(200)))
    assert told.total("greenai.calls") == len(told.spans) == 200
    energies = [r.energy.energy_j or 0.0 for r in receipts]
    assert told.total("greenai.energy.joules") == pytest.approx(sum(energies))


# --- on and off ---------------------------------------------------------------------------


def test_instrumenting_twice_tells_once_and_leaving_twice_is_fine(told: Told) -> None:
    otel.instrument(tracer_provider=told.tracers, meter_provider=told.meters)
    with offline() as client:
        client.ask(ADA)
        assert len(told.spans) == 1
        otel.uninstrument()
        otel.uninstrument()
        client.ask("Say hello to Bo.")
    assert len(told.spans) == 1
    assert hooks.everywhere() == ()


def test_who_comes_back_counts_on(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    with offline() as client:
        client.ask(ADA)
        otel.uninstrument()
        otel.instrument(tracer_provider=told.tracers, meter_provider=told.meters)
        client.ask("Say hello to Bo.")
    assert told.total("greenai.calls") == 2
    assert caplog.records == []


def test_other_providers_take_the_place_of_the_first(told: Told) -> None:
    other = Told()
    otel.instrument(tracer_provider=other.tracers, meter_provider=other.meters)
    with offline() as client:
        client.ask(ADA)
    assert (len(told.spans), len(other.spans)) == (0, 1)
    other.meters.shutdown()


def test_without_an_sdk_nothing_is_recorded_and_nothing_breaks() -> None:
    otel.instrument()
    try:
        with offline() as client:
            assert client.ask(ADA).text
    finally:
        otel.uninstrument()
    assert not trace.get_current_span().is_recording()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra) as raised:
        otel.instrument()
    assert str(raised.value) == (
        "OpenTelemetry (otel.instrument) needs the package opentelemetry-api, which is not installed. "
        'Install it with: pip install "greenai[otel]"'
    )
    assert hooks.everywhere() == ()


# --- over the wire ------------------------------------------------------------------------


class Receiver(ThreadingHTTPServer):
    """Takes OTLP over HTTP, as a collector does, and keeps the bodies."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = {"/v1/traces": [], "/v1/metrics": []}
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies[self.path].append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


def test_spans_and_metrics_arrive_at_a_receiver_of_the_protocol() -> None:
    spans = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    metrics = importlib.import_module("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    receiver = Receiver()
    thread = Thread(target=receiver.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{receiver.server_port}"
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans.OTLPSpanExporter(f"{address}/v1/traces")))
    exporter = metrics.OTLPMetricExporter(f"{address}/v1/metrics")
    meters = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], shutdown_on_exit=False)
    otel.instrument(tracer_provider=tracers, meter_provider=meters)
    try:
        with offline() as client:
            receipt = client.ask(ADA).greenai
        assert meters.force_flush()
    finally:
        otel.uninstrument()
        tracers.shutdown()
        meters.shutdown()
        receiver.shutdown()
        thread.join()
        receiver.server_close()

    (trace_body,) = receiver.bodies["/v1/traces"]
    (span,) = ExportTraceServiceRequest.FromString(trace_body).resource_spans[0].scope_spans[0].spans
    values = {a.key: a.value for a in span.attributes}
    assert span.name == "chat auto"
    assert values["greenai.energy.joules"].double_value == receipt.energy.energy_j
    told = ExportMetricsServiceRequest.FromString(receiver.bodies["/v1/metrics"][0])
    found = {m.name: m for m in told.resource_metrics[0].scope_metrics[0].metrics}
    (point,) = found["greenai.energy.joules"].sum.data_points
    assert (found["greenai.energy.joules"].unit, found["greenai.energy.joules"].sum.is_monotonic) == ("J", True)
    assert point.as_double == receipt.energy.energy_j
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration", "greenai.energy.joules.high"} <= set(found)

"""Write fixtures/otel.jsonl and fixtures/otel_console.json: spans of opentelemetry-instrumentation-openai-v2.

In a venv of its own:

    pip install openai opentelemetry-sdk opentelemetry-instrumentation-openai-v2 "opentelemetry-util-genai<1.2" \
        opentelemetry-exporter-otlp-json-file
    python tests/audit/make/make_otel.py
    python tests/audit/make/make_otel.py default

The second run leaves the instrumentation as it comes: older conventions, and no contents. It writes otel_default.jsonl.
"""

# ruff: noqa: E402 - the libraries read the environment as they load

from __future__ import annotations

import os
import sys

DEFAULT = "default" in sys.argv
if not DEFAULT:
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "span_only"

import io
from collections.abc import Sequence

from making import OTHERS, Ask, create, loopback, send, versions, workload_of, write
from openai import OpenAI
from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

PACKAGES = (
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-openai-v2",
    "opentelemetry-util-genai",
    "opentelemetry-exporter-otlp-json-file",
)

VECTORS = [ask for ask in OTHERS if ask.kind == "embeddings"]  # it does not trace the Responses API


def traced(url: str, asks: Sequence[Ask], lines: io.StringIO, console: io.StringIO) -> None:
    """Send one project's calls; a service of a name of its own, as deployments have."""
    provider = TracerProvider(resource=Resource({"service.name": asks[0].project}))
    provider.add_span_processor(BatchSpanProcessor(FileSpanExporter(stream=lines)))
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=console)))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    with provider.get_tracer("app").start_as_current_span("work"):  # a span that is no call
        for ask in asks:
            send(lambda ask=ask: create(client, ask))
    instrumentor.uninstrument()
    provider.shutdown()


def main() -> None:
    lines, console, others = io.StringIO(), io.StringIO(), io.StringIO()
    with loopback() as (url, _):
        for project in ("support", "reports"):
            traced(url, workload_of(project), lines, console)
        traced(url, VECTORS, others, io.StringIO())
    if DEFAULT:
        write("otel_default.jsonl", lines.getvalue())
        return
    write("otel.jsonl", lines.getvalue())
    write("otel_others.jsonl", others.getvalue())
    write("otel_console.json", console.getvalue())
    versions("otel", *PACKAGES, "openai")


if __name__ == "__main__":
    main()

"""Write fixtures/openinference.jsonl.gz: spans of openinference-instrumentation-openai, as Phoenix and Arize take them.

In a venv of its own:

    pip install openai openinference-instrumentation-openai opentelemetry-sdk opentelemetry-exporter-otlp-json-file
    python tests/audit/make/make_openinference.py
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from making import Ask, create, loopback, send, versions, workload_of, write
from openai import OpenAI
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

PACKAGES = ("openinference-instrumentation-openai", "opentelemetry-sdk", "opentelemetry-exporter-otlp-json-file")


def traced(url: str, asks: Sequence[Ask], lines: io.StringIO) -> None:
    """Send one project's calls; the project is named as Phoenix has it."""
    provider = TracerProvider(resource=Resource({"openinference.project.name": asks[0].project}))
    provider.add_span_processor(BatchSpanProcessor(FileSpanExporter(stream=lines)))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    with provider.get_tracer("app").start_as_current_span("work"):  # a span that is no call
        for ask in asks:
            send(lambda ask=ask: create(client, ask))
    instrumentor.uninstrument()
    provider.shutdown()


def main() -> None:
    lines = io.StringIO()
    with loopback() as (url, _):
        for project in ("support", "reports"):
            traced(url, workload_of(project), lines)
    write("openinference.jsonl.gz", lines.getvalue())
    versions("openinference", *PACKAGES, "openai")


if __name__ == "__main__":
    main()

"""Write fixtures/langfuse_otlp.jsonl.gz and langfuse_observations.jsonl: calls traced by Langfuse's drop-in for openai.

In a venv of its own:

    pip install langfuse openai opentelemetry-exporter-otlp-json-file
    python tests/audit/make/make_langfuse.py

The first holds the SDK's spans as a collector's file exporter writes them. Langfuse's server turns each into an
observation, which its API and its exports give back: the second is made of the same spans with the SDK's own type of an
observation (`langfuse.api.ObservationV2`), not by a server; usage as its documentation says that openai's is kept.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from langfuse import Langfuse
from langfuse.api import ObservationV2
from langfuse.openai import OpenAI
from making import OTHERS, WORKLOAD, Ask, create, jsonl, loopback, send, versions, write
from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

OWN = "langfuse.observation."


class Both(SpanExporter):
    """Keeps spans, and writes them as OTLP."""

    def __init__(self, lines: io.StringIO) -> None:
        self.spans: list[ReadableSpan] = []
        self._file = FileSpanExporter(stream=lines)

    def export(self, spans: Any) -> SpanExportResult:
        self.spans += spans
        return self._file.export(spans)


def at(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def counted(usage: dict[str, Any]) -> dict[str, int]:
    """Return openai's usage as Langfuse's server keeps it: details apart from the rest, and the total."""
    if "total_tokens" not in usage:
        return usage  # in Langfuse's own names, as that of an embedding
    sides = (("input", "prompt_tokens"), ("output", "completion_tokens"))
    kept = {side: usage.get(whole, usage.get(f"{side}_tokens", 0)) for side, whole in sides}
    for side, whole in sides:
        for name, count in (usage.get(f"{whole}_details") or usage.get(f"{side}_tokens_details") or {}).items():
            kept[f"{side}_{name}"] = count
            kept[side] -= count
    return {**kept, "total": usage["total_tokens"]}


def observation(span: ReadableSpan) -> dict[str, Any]:
    """Return what Langfuse's API says of a span."""
    told = {name.removeprefix(OWN): value for name, value in span.attributes.items() if name.startswith(OWN)}
    metadata = {name.removeprefix("metadata."): value for name, value in told.items() if name.startswith("metadata.")}
    made = ObservationV2(
        id=f"{span.context.span_id:016x}",
        trace_id=f"{span.context.trace_id:032x}",
        start_time=at(span.start_time),
        end_time=at(span.end_time),
        project_id="cm0000000000000000000000",
        type=told["type"].upper(),
        name=span.name,
        level=told.get("level", "DEFAULT"),
        status_message=told.get("status_message"),
        environment="default",
        latency=(span.end_time - span.start_time) / 1e9,
        input=told.get("input"),
        output=told.get("output"),
        metadata={name: value for name, value in metadata.items() if "." not in name},
        model=told.get("model.name"),
        model_parameters=json.loads(told.get("model.parameters", "{}")),
        usage_details=counted(json.loads(told["usage_details"])) if "usage_details" in told else {},
        cost_details={},
    )
    return json.loads(made.model_dump_json(by_alias=True, exclude_unset=True))


def asked(client: OpenAI, asks: Sequence[Ask]) -> None:
    for ask in asks:
        send(lambda ask=ask: create(client, ask, metadata={"project": ask.project}))


def main() -> None:
    lines = io.StringIO()
    kept = Both(lines)
    langfuse = Langfuse(public_key="pk-lf-none", secret_key="sk-lf-none", span_exporter=kept)
    with loopback() as (url, _):
        client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        with langfuse.start_as_current_observation(name="work"):  # an observation that is no call
            asked(client, WORKLOAD)
        langfuse.flush()
        otlp, first = lines.getvalue(), len(kept.spans)
        asked(client, OTHERS)
        langfuse.flush()
    write("langfuse_otlp.jsonl.gz", otlp)
    write("langfuse_observations.jsonl", jsonl([observation(span) for span in kept.spans[:first]]))
    write("langfuse_observations_others.jsonl", jsonl([observation(span) for span in kept.spans[first:]]))
    versions("langfuse", "langfuse", "openai", "opentelemetry-exporter-otlp-json-file")


if __name__ == "__main__":
    main()

"""MLflow's traces, a line each as `Trace.to_json` gives them: the spans of a trace that are calls to a model.

Fields of mlflow 3.17 (`entities/trace.py`, `entities/span.py`, `tracing/constant.py`) and of what its autolog writes
for openai, 2026-11-22. Inputs and outputs of such a span are the request and the response. Spans of chains, tools and
agents are no calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from greenai.audit.formats.base import Format, NoCall, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import asked, kind_of, said
from greenai.audit.formats.fields import count_of, dollars, found, items, json_of, mapping, moment, text
from greenai.audit.values import Logged

__all__ = ["FORMAT"]

_CALLS = frozenset(("CHAT_MODEL", "LLM", "EMBEDDING"))


def _detect(sample: Sample) -> Recognised | None:
    if sample.share("info", "data") > 0.5 and all("spans" in mapping(one.get("data")) for one in sample.records[:1]):
        version = text(_metadata(sample.records[0]).get("mlflow.trace_schema.version"))
        return Recognised(score=0.95, reason='records with "info" and the "spans" of "data": traces', version=version)
    return None


def _metadata(trace: Mapping[str, Any]) -> Mapping[str, Any]:
    info = mapping(trace.get("info"))
    return mapping(found(info, ("trace_metadata", "request_metadata")))


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the calls of one trace."""
    if "spans" not in mapping(record.get("data")):
        raise Unreadable('no "spans" in "data"')
    spans = [mapping(span) for span in items(mapping(record["data"])["spans"])]
    kept = [(span, _told(span)) for span in spans]
    own = tuple(_call(record, span, told, where) for span, told in kept if told.get("spanType") in _CALLS)
    if not own:
        raise NoCall
    return own


def _told(span: Mapping[str, Any]) -> dict[str, Any]:
    """Return mlflow's attributes of a span by their names without its own; each is JSON in a text."""
    given = mapping(span.get("attributes"))
    return {name.removeprefix("mlflow."): json_of(value) for name, value in given.items()}


def _call(trace: Mapping[str, Any], span: Mapping[str, Any], told: Mapping[str, Any], where: str) -> Logged:
    info, metadata = mapping(trace.get("info")), _metadata(trace)
    place = mapping(mapping(info.get("trace_location")).get("mlflow_experiment"))
    inputs, outputs = mapping(told.get("spanInputs")), mapping(told.get("spanOutputs"))
    begun, ended = moment(span.get("start_time_unix_nano")), moment(span.get("end_time_unix_nano"))
    status = mapping(span.get("status"))
    known: dict[str, Any] = {
        **asked(inputs),
        **_counted(mapping(told.get("chat.tokenUsage"))),
        **said(outputs),
        "kind": kind_of(inputs, str(outputs.get("object") or "")),
        "trace_id": text(metadata.get("mlflow.trace.session")) or text(info.get("trace_id")),
        "created": begun,
        "latency_s": None if begun is None or ended is None else max(ended - begun, 0.0),
        "project": text(mapping(info.get("tags")).get("project")) or text(place.get("experiment_id")),
        "user": text(metadata.get("mlflow.trace.user")) or text(inputs.get("user")),
        "model": text(outputs.get("model")) or text(found(told, ("llm.model",))) or text(inputs.get("model")),
        "provider": text(told.get("llm.provider")),
        "cost_usd": dollars(mapping(told.get("llm.cost")).get("total_cost")),
        "ok": status.get("code", status.get("status_code")) not in ("STATUS_CODE_ERROR", "ERROR"),
        "span": text(span.get("span_id")),
        "parent": text(span.get("parent_span_id")),
    }
    if told.get("spanType") == "EMBEDDING":
        known["kind"] = "embeddings"
    return made(known, where)


def _counted(usage: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the tokens as mlflow counts them, where it does."""
    named = {
        "input_tokens": "input_tokens", "output_tokens": "output_tokens", "cached_tokens": "cache_read_input_tokens",
    }  # fmt: skip
    read = {name: count_of(usage.get(theirs)) for name, theirs in named.items()}
    return {name: value for name, value in read.items() if value is not None}


FORMAT = Format(
    name="mlflow",
    known_by='traces with "info" and "data", whose "spans" have attributes of mlflow',
    detect=_detect,
    calls=calls,
    lacks=frozenset(("feature", "status", "attempt")),
)

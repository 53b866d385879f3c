"""Langfuse's exports of observations: JSON, JSONL or CSV, of the page, the API or the export to blob storage.

Names of langfuse 5.0.4 (`api/commons/types/observation_v2.py`: camelCase) and of the field reference of the export to
blob storage (snake_case, JSON columns as text in CSV), 2026-11-22. `usage_details` counts parts apart or within their
sum, depending on who wrote them; its `total` tells which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from greenai.audit.formats.base import Format, NoCall, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import arguments, kind_of, messages_of, said, tokens, tool_chars
from greenai.audit.formats.fields import count_of, dollars, found, items, json_of, mapping, moment, number, snake, text
from greenai.audit.values import Kind, Logged

__all__ = ["FORMAT", "observed"]

_MODELS = frozenset(("GENERATION", "EMBEDDING"))
# What the SDK's drop-in for openai writes of arguments that were not given (langfuse 5.0.4, `openai.py`).
_NOT_GIVEN = {"temperature": 1, "max_tokens": "Infinity", "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}


def _detect(sample: Sample) -> Recognised | None:
    for trace, usage in (("traceId", "usageDetails"), ("trace_id", "usage_details"), ("traceId", "usage")):
        if sample.share("type", trace, usage) > 0.5:
            return Recognised(score=0.95, reason=f'records with "type", "{trace}" and "{usage}": observations')
    return None


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the call of one observation."""
    row = snake(record)
    if "type" not in row:
        raise Unreadable('no "type"')
    if str(row["type"]).upper() not in _MODELS:
        raise NoCall
    return (observed(row, where),)


def observed(row: Mapping[str, Any], where: str) -> Logged:
    """Return the call of an observation by its names in snake_case."""
    given = _given(row)
    parameters = mapping(row.get("model_parameters"))
    body = {name: value for name, value in parameters.items() if value != _NOT_GIVEN.get(name)}
    body |= given if isinstance(given, dict) and ("messages" in given or "input" in given) else {"messages": given}
    # The SDK's attributes have texts of metadata as JSON.
    metadata = {name: json_of(value) for name, value in mapping(row.get("metadata")).items()}
    begun, ended = moment(row.get("start_time")), moment(row.get("end_time"))
    took = number(row.get("latency"))
    if begun is not None and ended is not None:
        took = ended - begun  # an export has it in seconds, older ones in milliseconds
    known: dict[str, Any] = {
        **_answered(row),
        **_counted(row),
        "call_id": text(row.get("id")),
        "trace_id": text(row.get("trace_id")),
        "created": begun,
        "latency_s": took,
        "project": text(metadata.get("project") or found(row, ("project_name", "project_id"))),
        "user": text(row.get("user_id")),
        "feature": text(metadata.get("feature") or found(row, ("trace_name", "prompt_name", "name"))),
        "model": text(found(row, ("provided_model_name", "model"))),
        "kind": _kind(row, body),
        "messages": messages_of(body),
        "arguments": arguments(body),
        "tool_chars": tool_chars(body),
        "cost_usd": _cost(row),
        "ok": str(row.get("level") or "").upper() != "ERROR",
        "span": text(row.get("id")),
        "parent": text(row.get("parent_observation_id")),
    }
    return made(known, where)


def _given(row: Mapping[str, Any]) -> Any:
    """Return what was asked; of a function that the SDK's decorator watches, what it was called with."""
    given = json_of(row.get("input"))
    named = mapping(given).get("kwargs")
    return named if isinstance(named, dict) and ("messages" in named or "input" in named) else given


def _kind(row: Mapping[str, Any], body: Mapping[str, Any]) -> Kind:
    if str(row.get("type")).upper() == "EMBEDDING":
        return "embeddings"
    first = mapping(next(iter(items(row.get("output"))), None))
    return "responses" if "type" in first else kind_of(body)  # items of a response stand as a list


def _answered(row: Mapping[str, Any]) -> dict[str, Any]:
    output = json_of(row.get("output"))
    if isinstance(output, list) and output:
        spoken = said({"output": output}) if "type" in mapping(output[0]) else said(mapping(output[0]))
    elif isinstance(output, Mapping):
        spoken = said(mapping(output))
    else:
        spoken = {"answer": text(output)}
    kept = ("answer", "tool_calls", "called", "finish_reason")
    return {name: spoken[name] for name in kept if spoken.get(name) is not None}


def _counted(row: Mapping[str, Any]) -> dict[str, int | None]:
    usage = mapping(found(row, ("usage_details", "usage")))
    if any(name.endswith("_tokens_details") for name in usage):
        return tokens(usage)
    if str(usage.get("unit") or "TOKENS").upper() != "TOKENS":
        return {}  # characters, seconds, images
    counted = {name: count_of(value) for name, value in usage.items()}
    counts = {name: count for name, count in counted.items() if count is not None}
    total = counts.pop("total", counts.pop("total_tokens", None))
    apart = total is not None and total == sum(counts.values())
    known = {
        "input_tokens": _sum(counts, ("input", "prompt", "cache"), apart=apart),
        "output_tokens": _sum(counts, ("output", "completion", "reasoning"), apart=apart),
        "cached_tokens": next((counts[name] for name in counts if "cache" in name and "creation" not in name), None),
        "reasoning_tokens": next((counts[name] for name in counts if "reasoning" in name), None),
    }
    if known["input_tokens"] is None:
        known["input_tokens"] = count_of(found(row, ("input_tokens", "prompt_tokens", "input_usage")))
        known["output_tokens"] = count_of(found(row, ("output_tokens", "completion_tokens", "output_usage")))
    return {name: value for name, value in known.items() if value is not None}


def _sum(counts: Mapping[str, int], begins: tuple[str, ...], *, apart: bool) -> int | None:
    """Return the tokens of one side: of all its parts where these are apart, else the whole that holds them."""
    side = {name: count for name, count in counts.items() if name.startswith(begins)}
    if not side:
        return None
    whole = next((side[name] for name in side if name in {*begins, "prompt_tokens", "completion_tokens"}), None)
    return sum(side.values()) if apart or whole is None else whole


def _cost(row: Mapping[str, Any]) -> float | None:
    total = dollars(found(row, ("total_cost", "calculated_total_cost")))
    return total if total is not None else dollars(mapping(row.get("cost_details")).get("total"))


FORMAT = Format(
    name="langfuse",
    known_by='observations with "type", "traceId" (or "trace_id") and "usageDetails" (or "usage_details")',
    detect=_detect,
    calls=calls,
    lacks=frozenset(("status", "attempt", "provider")),
)

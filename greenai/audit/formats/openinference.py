"""Spans of OpenInference, which Phoenix and Arize take: a call's attributes, flat or nested, as `otel` finds the spans.

Attributes of openinference-semantic-conventions 0.1.42 as openinference-instrumentation-openai 0.1.66 writes them
(`llm.input_messages.0.message.role`), 2026-11-22. Phoenix gives the same out as nested JSON, or as a table with a
column for each (`attributes.llm.model_name`), by its documented schema. Spans of chains, tools and agents are no calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from greenai.audit.formats.chat import arguments, tool_chars
from greenai.audit.formats.fields import count_of, dollars, found, items, json_of, mapping, text
from greenai.audit.values import Logged

__all__ = ["PROJECT", "is_call", "observed", "unfolded"]

PROJECT = "openinference.project.name"
_KIND = "openinference.span.kind"
_TABLE = "attributes."
_TOKENS = {
    "input_tokens": "prompt", "output_tokens": "completion", "cached_tokens": "prompt_details.cache_read",
    "reasoning_tokens": "completion_details.reasoning",
}  # fmt: skip
_MODELS = ("llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name")


def unfolded(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a row of Phoenix's table as the span that it is; None for another record."""
    own = {name.removeprefix(_TABLE): value for name, value in record.items() if name.startswith(_TABLE)}
    if not own:
        return None
    context = {name: record.get(f"context.{name}") for name in ("trace_id", "span_id")}
    return {**record, "context": context, "attributes": own}


def is_call(span: Mapping[str, Any]) -> bool:
    """Say whether a span is a call to a model, by what OpenInference says of it."""
    attributes = mapping(span.get("attributes"))
    inner = mapping(mapping(attributes.get("openinference")).get("span")).get("kind")
    return str(attributes.get(_KIND) or inner or span.get("span_kind")).upper() in {"LLM", "EMBEDDING"}


def observed(span: Mapping[str, Any], known: Mapping[str, Any], where: str) -> Logged:
    """Return the call of a span; `known` is what any span tells, by the names of `Logged`."""
    told = dict(_flat(mapping(span.get("attributes"))))
    parameters = mapping(json_of(told.get("llm.invocation_parameters")))
    tools = [mapping(json_of(tool)) for tool in _numbered(told, "llm.tools", "tool.json_schema")]
    asked = {**parameters, **({"tools": tools} if tools else {})}
    output = mapping(json_of(told.get("output.value")))
    answer = next(_messages(told, "llm.output_messages"), {})
    called = tuple(str(mapping(one.get("function")).get("name")) for one in answer.get("tool_calls", ()))
    ended = mapping(next(iter(items(output.get("choices"))), None)).get("finish_reason")
    counts = {name: count_of(told.get(f"llm.token_count.{theirs}")) for name, theirs in _TOKENS.items()}
    vectors = _KIND in told and str(told[_KIND]).upper() == "EMBEDDING"
    made: dict[str, Any] = {
        **known,
        **counts,
        "project": text(told.get(PROJECT)) or known.get("project"),
        "user": text(told.get("user.id")),
        "model": text(found(told, _MODELS)) or text(parameters.get("model")),
        "provider": text(found(told, ("llm.provider", "llm.system"))),
        "kind": "embeddings" if vectors else "responses" if output.get("object") == "response" else "chat",
        "messages": tuple(_messages(told, "llm.input_messages")) or None,
        "answer": text(answer.get("content")),
        "tool_calls": bool(called),
        "called": called,
        "finish_reason": text(told.get("llm.finish_reason") or ended),
        "arguments": arguments(asked),
        "tool_chars": tool_chars(asked),
        "cost_usd": dollars(told.get("llm.cost.total")),
    }
    return Logged(where=where, **made)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested attributes by their names with points, as OpenTelemetry has them."""
    parts: Iterable[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    if parts is None:
        yield name, value
        return
    for key, inner in parts:
        yield from _flat(inner, f"{name}.{key}" if name else str(key))


def _numbered(told: Mapping[str, Any], prefix: str, name: str) -> Iterator[Any]:
    """Yield the values of numbered attributes, as far as they are numbered without a gap."""
    for number in count():
        if f"{prefix}.{number}.{name}" not in told:
            return
        yield told[f"{prefix}.{number}.{name}"]


def _messages(told: Mapping[str, Any], prefix: str) -> Iterator[dict[str, Any]]:
    for number, role in enumerate(_numbered(told, prefix, "message.role")):
        begins = f"{prefix}.{number}.message"
        texts = [
            {"type": "text", "text": part} for part in _numbered(told, f"{begins}.contents", "message_content.text")
        ]
        message: dict[str, Any] = {"role": str(role), "content": texts or text(told.get(f"{begins}.content"))}
        calls = [
            {
                "function": {
                    "name": name,
                    "arguments": told.get(f"{begins}.tool_calls.{at}.tool_call.function.arguments"),
                }
            }
            for at, name in enumerate(_numbered(told, f"{begins}.tool_calls", "tool_call.function.name"))
        ]
        yield {**message, "tool_calls": calls} if calls else message

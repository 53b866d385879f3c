"""OpenTelemetry's GenAI spans: OTLP as JSON lines (the collector's file exporter) and the SDK's console JSON.

Attributes of opentelemetry-semantic-conventions 0.66b2 and opentelemetry-util-genai 1.3b0 (`gen_ai.input.messages`),
of the conventions before them (`gen_ai.usage.prompt_tokens`, `gen_ai.prompt.0.content`), and of Langfuse's SDK 5.0.4,
which sends its observations as spans; 2026-11-22. OpenInference's are read by `openinference.py`. Spans of agents and
tools are no calls of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from greenai.audit.formats import langfuse, openinference
from greenai.audit.formats.base import Format, NoCall, Recognised, Sample, Unreadable
from greenai.audit.formats.chat import tool_chars
from greenai.audit.formats.fields import count_of, dollars, found, items, json_of, mapping, moment, text
from greenai.audit.values import Kind, Logged

__all__ = ["FORMAT"]

_VALUES = ("stringValue", "intValue", "doubleValue", "boolValue")
_REQUEST = "gen_ai.request."
_ARGUMENTS = {
    "choice.count": "n", "frequency_penalty": "frequency_penalty", "max_tokens": "max_tokens",
    "presence_penalty": "presence_penalty", "reasoning.level": "reasoning_effort", "seed": "seed",
    "stop_sequences": "stop", "stream": "stream", "temperature": "temperature", "top_p": "top_p",
}  # fmt: skip
_NOT_ASKED = frozenset(("invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval"))
_PROJECT = ("greenai.project", "project", "project.name", "gen_ai.project")
_FEATURE = ("greenai.feature", "feature", "gen_ai.agent.name")
_LANGFUSE = "langfuse.observation."


def _detect(sample: Sample) -> Recognised | None:
    if sample.share("resourceSpans") > 0.5:
        return Recognised(score=0.95, reason='lines with "resourceSpans": OTLP as JSON')
    if sample.share("context", "attributes", "start_time", "resource") > 0.5:
        return Recognised(score=0.95, reason='objects with "context" and "attributes": spans of the SDK\'s console')
    if sample.share("span_kind", "start_time") > 0.5 and any(
        openinference.unfolded(record) or "attributes" in record for record in sample.records
    ):
        return Recognised(score=0.9, reason='records with "span_kind" and attributes: spans of Phoenix')
    return None


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the calls among the spans of one record."""
    record = openinference.unfolded(record) or record
    others: dict[str, str | None] = {}
    if "resourceSpans" in record:
        made = tuple(_packaged(record, where, others))
    elif "attributes" in record and "name" in record:
        resource = mapping(mapping(record.get("resource")).get("attributes"))
        made = tuple(_spans(({**record, "attributes": mapping(record["attributes"])},), resource, where, others))
    else:
        raise Unreadable("neither resourceSpans nor a span")
    if not made:
        raise NoCall
    return tuple(replace(call, parent=_around(call.parent, others)) for call in made)


def _around(parent: str | None, others: Mapping[str, str | None]) -> str | None:
    """Return the next span around one that may be a call, past those of the same record that are none."""
    for _ in others:  # spans that are around one another, as no library writes them, end it too
        if parent is None or parent not in others:
            break
        parent = others[parent]
    return parent


def _packaged(record: Mapping[str, Any], where: str, others: dict[str, str | None]) -> Iterator[Logged]:
    for package in items(record.get("resourceSpans")):
        resource = _attributes(mapping(mapping(package).get("resource")).get("attributes"))
        for scope in items(mapping(package).get("scopeSpans")):
            spans = ({**span, "attributes": _attributes(span.get("attributes"))} for span in _listed(scope))
            yield from _spans(spans, resource, where, others)


def _listed(scope: Any) -> Iterator[Mapping[str, Any]]:
    for span in items(mapping(scope).get("spans")):
        if isinstance(span, Mapping):
            yield cast("Mapping[str, Any]", span)


def _attributes(given: Any) -> dict[str, Any]:
    return {str(part.get("key")): _value(mapping(part.get("value"))) for part in map(mapping, items(given))}


def _value(value: Mapping[str, Any]) -> Any:
    if "arrayValue" in value:
        return [_value(mapping(part)) for part in items(mapping(value["arrayValue"]).get("values"))]
    if "kvlistValue" in value:
        return _attributes(mapping(value["kvlistValue"]).get("values"))
    return found(value, _VALUES)


def _spans(
    spans: Iterable[Mapping[str, Any]], resource: Mapping[str, Any], where: str, others: dict[str, str | None]
) -> Iterator[Logged]:
    """Yield the calls among spans; `others` takes those that are none, with the span around each."""
    for span in spans:
        attributes, (own, parent) = span["attributes"], _ids(span)
        if str(attributes.get(f"{_LANGFUSE}type", "")).upper() in {"GENERATION", "EMBEDDING"}:
            yield replace(langfuse.observed(_observation(span, attributes), where), span=own, parent=parent)
        elif openinference.is_call(span):
            yield replace(openinference.observed(span, _of_any(span, resource), where), span=own, parent=parent)
        elif _is_call(attributes):
            yield replace(_call(span, attributes, resource, where), span=own, parent=parent)
        elif own is not None:
            others[own] = parent


def _ids(span: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return a span's id and that of the one around it; OTLP has them at the span, the SDK's console in `context`."""
    own = text(span.get("spanId") or mapping(span.get("context")).get("span_id"))
    around = text(found(span, ("parentSpanId", "parent_id")))
    return own and own.removeprefix("0x"), around and around.removeprefix("0x")


def _of_any(span: Mapping[str, Any], resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a span tells whatever it is of, by the names of `Logged`."""
    begun, ended = _time(span, "startTimeUnixNano", "start_time"), _time(span, "endTimeUnixNano", "end_time")
    return {
        "call_id": text(span.get("spanId") or mapping(span.get("context")).get("span_id")),
        "trace_id": text(span.get("traceId") or mapping(span.get("context")).get("trace_id")),
        "created": begun,
        "latency_s": None if begun is None or ended is None else max(ended - begun, 0.0),
        "project": text(found(resource, (openinference.PROJECT, *_PROJECT, "service.name"))),
        "ok": not _failed(span),
    }


def _is_call(attributes: Mapping[str, Any]) -> bool:
    named = any(name in attributes for name in ("gen_ai.request.model", "gen_ai.response.model"))
    return named and attributes.get("gen_ai.operation.name") not in _NOT_ASKED


def _call(span: Mapping[str, Any], attributes: Mapping[str, Any], resource: Mapping[str, Any], where: str) -> Logged:
    known = _of_any(span, resource)
    details = {**attributes, **_told(span)}
    answer, called, finish = _answer(details)
    status = count_of(found(attributes, ("http.response.status_code", "http.status_code")))
    return Logged(
        where=where,
        call_id=text(attributes.get("gen_ai.response.id")) or text(span.get("spanId")),
        trace_id=known["trace_id"],
        created=known["created"],
        latency_s=known["latency_s"],
        project=text(found(attributes, _PROJECT)) or known["project"],
        user=text(found(attributes, ("enduser.id", "user.id"))),
        feature=text(found(attributes, _FEATURE)),
        model=text(found(attributes, ("gen_ai.response.model", "gen_ai.request.model"))),
        provider=text(found(attributes, ("gen_ai.provider.name", "gen_ai.system"))),
        kind=_kind(attributes),
        messages=_messages(details),
        answer=answer,
        tool_calls=called is None or bool(called),
        called=called,
        finish_reason=finish,
        arguments=_arguments(attributes),
        tool_chars=tool_chars({"tools": attributes.get("gen_ai.tool.definitions")}),
        input_tokens=_count(attributes, "input_tokens", "prompt_tokens"),
        output_tokens=_count(attributes, "output_tokens", "completion_tokens"),
        cached_tokens=_count(attributes, "cache_read.input_tokens", "cache_read_input_tokens"),
        reasoning_tokens=_count(attributes, "reasoning.output_tokens", "reasoning_tokens"),
        cost_usd=dollars(attributes.get("gen_ai.usage.cost")),
        ok=known["ok"] and attributes.get("error.type") is None,
        status=status if status is not None else count_of(attributes.get("error.type")),
    )


def _count(attributes: Mapping[str, Any], *names: str) -> int | None:
    return count_of(found(attributes, [f"gen_ai.usage.{name}" for name in names]))


def _time(span: Mapping[str, Any], *names: str) -> float | None:
    return moment(found(span, names))


def _failed(span: Mapping[str, Any]) -> bool:
    status = mapping(span.get("status"))
    return str(found(status, ("code", "status_code")) or span.get("status_code") or "") in {
        "2",
        "ERROR",
        "STATUS_CODE_ERROR",
        "StatusCode.ERROR",
    }


def _kind(attributes: Mapping[str, Any]) -> Kind:
    operation = str(attributes.get("gen_ai.operation.name") or "chat")
    kinds: dict[str, Kind] = {"embeddings": "embeddings", "text_completion": "completion", "responses": "responses"}
    return kinds.get(operation, "chat")


def _arguments(attributes: Mapping[str, Any]) -> dict[str, Any]:
    named = {ours: attributes.get(_REQUEST + theirs) for theirs, ours in _ARGUMENTS.items()}
    tier = found(attributes, ("openai.request.service_tier", "gen_ai.openai.request.service_tier"))
    tools = [text(mapping(tool).get("name")) for tool in items(attributes.get("gen_ai.tool.definitions"))]
    form = text(attributes.get("gen_ai.openai.request.response_format") or attributes.get("gen_ai.output.type"))
    named |= {"service_tier": tier, "tools": [tool for tool in tools if tool] or None}
    named["response_format"] = {"type": form} if form and form != "text" else None
    return {name: value for name, value in named.items() if value is not None}


def _told(span: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents that a span's events hold, where its attributes do not."""
    told: dict[str, Any] = {}
    for event in map(mapping, items(span.get("events"))):
        given = event.get("attributes")
        told |= mapping(given) if isinstance(given, Mapping) else _attributes(given)
    return {name: value for name, value in told.items() if name.startswith("gen_ai.")}


def _messages(attributes: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...] | None:
    system = _parts(items(attributes.get("gen_ai.system_instructions")))
    head = ({"role": "system", "content": system},) if system else ()
    given = items(attributes.get("gen_ai.input.messages"))
    if given:
        return (*head, *(_message(mapping(part)) for part in given))
    old = json_of(attributes.get("gen_ai.prompt"))
    if isinstance(old, list):
        return (*head, *(_message(mapping(part)) for part in old))
    return (*head, *_indexed(attributes, "gen_ai.prompt.")) or None


def _message(part: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = items(part.get("parts"))
    content = _parts(parts) if parts else part.get("content")
    message: dict[str, Any] = {"role": str(part.get("role") or "user"), "content": content}
    asked = [piece for piece in map(mapping, parts) if piece.get("type") == "tool_call"]
    if asked:
        message["tool_calls"] = [
            {"function": {"name": piece.get("name"), "arguments": piece.get("arguments")}} for piece in asked
        ]
    return message


def _parts(parts: Iterable[Any]) -> str | None:
    pieces = [mapping(part) for part in parts]
    texts = [text(found(piece, ("content", "response"))) for piece in pieces if piece.get("type") != "reasoning"]
    return "".join(piece for piece in texts if piece) or None


def _indexed(attributes: Mapping[str, Any], prefix: str) -> Iterator[Mapping[str, Any]]:
    """Return the messages that stand as one attribute for each of their fields, numbered."""
    number_of = 0
    while f"{prefix}{number_of}.role" in attributes or f"{prefix}{number_of}.content" in attributes:
        begins = f"{prefix}{number_of}."
        yield {name.removeprefix(begins): value for name, value in attributes.items() if name.startswith(begins)}
        number_of += 1


def _answer(attributes: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...] | None, str | None]:
    """Return the answer's text, the tools that it calls (None where it calls some without a name), and its end."""
    finish = [str(reason) for reason in items(attributes.get("gen_ai.response.finish_reasons"))]
    given = [mapping(part) for part in items(attributes.get("gen_ai.output.messages"))]
    message = _message(given[0]) if given else next(_indexed(attributes, "gen_ai.completion."), {})
    reason = finish[0] if finish else text(found(given[0] if given else message, ("finish_reason",)))
    reason = {"tool_call": "tool_calls"}.get(reason or "", reason)
    named = [mapping(mapping(one).get("function")).get("name") for one in items(message.get("tool_calls"))]
    called = tuple(name for name in map(text, (*named, message.get("tool_calls.0.name"))) if name)
    unnamed = not called and (named or reason == "tool_calls")
    return text(message.get("content")), None if unnamed else called, reason


def _observation(span: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a span of Langfuse's SDK as its export names the same."""
    own = {name.removeprefix(_LANGFUSE): value for name, value in attributes.items() if name.startswith(_LANGFUSE)}
    metadata = {name.removeprefix("metadata."): value for name, value in own.items() if name.startswith("metadata.")}
    return {
        **own,
        "id": span.get("spanId") or mapping(span.get("context")).get("span_id"),
        "trace_id": span.get("traceId") or mapping(span.get("context")).get("trace_id"),
        "start_time": found(span, ("startTimeUnixNano", "start_time")),
        "end_time": found(span, ("endTimeUnixNano", "end_time")),
        "model": own.get("model.name"),
        "model_parameters": own.get("model.parameters"),
        "metadata": metadata,
        "user_id": found(attributes, ("user.id", "langfuse.user.id")),
        "name": span.get("name"),
        "trace_name": attributes.get("langfuse.trace.name"),
    }


FORMAT = Format(
    name="otel",
    known_by='lines with "resourceSpans" (OTLP as JSON), spans with "context" and "attributes" (SDK\'s console), or '
    "Phoenix's",
    detect=_detect,
    calls=calls,
    lacks=frozenset(("attempt",)),
)

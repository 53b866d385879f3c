"""litellm's logs: rows of the proxy's spend logs, and the payload that its callbacks get.

Fields of litellm 1.105.3, 2026-11-22: `SpendLogsPayload` in `proxy/_types.py` (the table `LiteLLM_SpendLogs` in
`proxy/schema.prisma`, whose JSON columns an export writes as text) and `StandardLoggingPayload` in `types/utils.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from greenai.audit.formats.base import Format, NoCall, Recognised, Sample, Unreadable, made
from greenai.audit.formats.chat import arguments, kind_of, messages_of, said, tokens, tool_chars
from greenai.audit.formats.fields import count_of, dollars, found, items, mapping, moment, number, text, truth
from greenai.audit.values import Logged
from greenai.values import text_of

__all__ = ["FORMAT"]

_WRAPPED = ("standard_logging_object", "standard_logging_payload")
# What stands in the place of what was left out (litellm 1.105.3, `proxy/spend_tracking/spend_tracking_utils.py`).
_CUT = "(litellm_truncated skipped "
# Calls through litellm's proxy that no model answers.
_OTHER = ("mcp", "health", "file", "list_", "vector_store", "rerank", "search")


def _detect(sample: Sample) -> Recognised | None:
    if sample.share("request_id", "call_type", "spend", "startTime") > 0.5:
        return Recognised(score=0.95, reason='rows with "request_id", "call_type" and "spend": spend logs')
    if sample.share("call_type", "response_cost", "model_parameters") > 0.5:
        return Recognised(score=0.95, reason='"call_type", "response_cost", "model_parameters": payloads of a callback')
    if any(sample.share(name) > 0.5 for name in _WRAPPED):
        return Recognised(score=0.9, reason='"standard_logging_object": arguments of a callback')
    return None


def calls(record: Mapping[str, Any], where: str) -> Iterable[Logged]:
    """Return the call of one row or payload."""
    row = mapping(found(record, _WRAPPED)) or record
    if "call_type" not in row:
        raise Unreadable('no "call_type"')
    kind = str(row.get("call_type") or "")
    if any(name in kind for name in _OTHER) or truth(row.get("cache_hit")):
        raise NoCall  # what litellm's own cache answered, no model was asked
    metadata = mapping(row.get("metadata"))
    asked, answered = _asked(row), _answered(row, metadata)
    failed = str(row.get("status") or metadata.get("status") or "").lower() == "failure"
    known: dict[str, Any] = {
        **answered,
        **_who(row, metadata),
        **_when(row),
        "call_id": text(found(row, ("litellm_call_id", "request_id", "id"))),
        "trace_id": text(found(row, ("trace_id", "session_id"))),
        "model": text(row.get("model")),
        "provider": text(row.get("custom_llm_provider")),
        "kind": kind_of(asked, _kind(kind)),
        "messages": messages_of(asked),
        "cut": _is_cut(messages_of(asked) or ()),
        "arguments": arguments(asked),
        "tool_chars": tool_chars(asked),
        "cost_usd": _cost(row),
        "ok": not failed,
        "status": _status(row, metadata),
        "attempt": _attempt(metadata),
    }
    return (made(known, where),)


def _is_cut(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the middle of what a user asked was left out, as spend logs do from 2,048 characters on."""
    return any(_CUT in text_of(one.get("content")) for one in messages if one.get("role") == "user")


def _cost(row: Mapping[str, Any]) -> float | None:
    """Return what a call cost; litellm writes 0 as well where it could not tell, with why beside it."""
    failed = found(row, ("response_cost_failure_debug_info",)) is not None
    return None if failed else dollars(found(row, ("response_cost", "spend")))


def _kind(call_type: str) -> str:
    """Return litellm's name of a call as openai's path has it: `acompletion` is chat."""
    return {"completion": "chat", "acompletion": "chat", "": ""}.get(call_type, call_type)


def _asked(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's body: as the app sent it to the proxy where that is kept, else what the payload has."""
    body = {**mapping(row.get("proxy_server_request")), **mapping(row.get("model_parameters"))}
    if row.get("stream") is not None:
        body["stream"] = row["stream"]
    messages = row.get("messages")
    if items(messages) or (isinstance(messages, str) and messages not in {"", "{}", "[]"}):
        body["messages"] = messages
    return body


def _answered(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    reply = mapping(row.get("response"))
    spoken = said(reply) if reply else {"answer": text(row.get("response"))}
    if spoken.get("answer") in ("{}", "[]"):
        spoken["answer"] = None
    usage = mapping(metadata.get("usage_object")) or mapping(mapping(row.get("hidden_params")).get("usage_object"))
    extra = mapping(metadata.get("additional_usage_values"))
    counted = {**tokens(extra), **tokens(usage)}
    for name, column in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
        if count_of(row.get(column)) is not None:
            counted[name] = count_of(row.get(column))
    return {**spoken, **counted}


def _who(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    own = {**mapping(metadata.get("requester_metadata")), **mapping(metadata.get("spend_logs_metadata"))}
    tags = dict(part.split(":", 1) for part in map(str, items(row.get("request_tags"))) if ":" in part)
    key = ("user_api_key_project_alias", "user_api_key_project_id", "user_api_key_team_alias", "user_api_key_team_id")
    project = own.get("project") or tags.get("project") or found(metadata, ("project", *key)) or row.get("team_id")
    user = found(row, ("end_user", "user")) or found(metadata, ("user_api_key_end_user_id", "user_api_key_user_id"))
    return {
        "project": text(project),
        "user": text(user),
        "feature": text(own.get("feature") or tags.get("feature")),
    }


def _when(row: Mapping[str, Any]) -> dict[str, Any]:
    begun, ended = moment(row.get("startTime")), moment(row.get("endTime"))
    took = number(row.get("response_time"))
    if took is None and begun is not None and ended is not None:
        took = max(ended - begun, 0.0)
    return {"created": begun, "latency_s": took}


def _status(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> int | None:
    error = mapping(row.get("error_information")) or mapping(metadata.get("error_information"))
    return count_of(error.get("error_code"))


def _attempt(metadata: Mapping[str, Any]) -> int | None:
    retries = count_of(metadata.get("attempted_retries"))
    return None if retries is None else retries + 1


FORMAT = Format(
    name="litellm",
    known_by='rows with "call_type" and "spend" (spend logs) or "response_cost" (payloads of callbacks)',
    detect=_detect,
    calls=calls,
)

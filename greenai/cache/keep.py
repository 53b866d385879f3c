"""Which answers are kept, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from greenai.values import Assessment, Reply, Request

__all__ = ["ttl_for"]

DEFAULT_TTL_S = 86_400.0
VOLATILE_LIMIT = 0.5
_LINKS = ("http://", "https://", "gs://", "s3://")


def ttl_for(request: Request, assessment: Assessment, reply: Reply) -> float | None:
    """Return for how long this answer may be given again, in seconds; None if it must not be kept."""
    if request.options.cache in ("off", "read") or assessment.volatile >= VOLATILE_LIMIT:
        return None
    if assessment.one_off:
        return None
    if not _is_whole(reply) or not _is_repeatable(request):
        return None
    ttl_s = DEFAULT_TTL_S if request.options.ttl_s is None else request.options.ttl_s
    return ttl_s if ttl_s > 0 else None


def _is_whole(reply: Reply) -> bool:
    """True for one finished text: not cut, not filtered, not refused, no tool call."""
    if not reply.complete or reply.finish_reason != "stop" or reply.tool_calls or not reply.text.strip():
        return False
    native = [dict(choice) for choice in getattr(reply.native, "choices", None) or ()]
    choices = native if reply.body is None else reply.body.get("choices") or ()
    return all(_is_bare(choice) for choice in choices)


def _is_bare(choice: Mapping[str, Any]) -> bool:
    """True where a message is text alone: a replayed stream has no place for log probabilities, reasoning or audio."""
    message = dict(choice.get("message") or {})
    more = (value for name, value in message.items() if name not in ("role", "content"))
    return _is_empty(choice.get("logprobs")) and all(_is_empty(value) for value in more)


def _is_empty(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(_is_empty(item) for item in cast("Mapping[str, object]", value).values())
    return value is None or value in ([], "")


def _is_repeatable(request: Request) -> bool:
    """True where a stored answer serves as well as a new one: no sampling asked for, nothing outside the request.

    An absent temperature counts as no wish to sample, although many providers then sample at 1: the README says so.
    """
    arguments = request.arguments
    temperature, count = arguments.get("temperature"), arguments.get("n")
    if temperature is not None and temperature > 0:
        return False
    if count is not None and count != 1:
        return False
    if arguments.get("web_search_options") is not None or "audio" in (arguments.get("modalities") or ()):
        return False
    if any(_is_server_tool(tool) for tool in arguments.get("tools") or ()):
        return False
    return not any(_points_outside(message.get("content")) for message in request.messages)


def _is_server_tool(tool: object) -> bool:
    return not isinstance(tool, Mapping) or cast("Mapping[str, Any]", tool).get("type") not in ("function", "custom")


def _points_outside(content: object) -> bool:
    """True where a part's content is somewhere else, and may change there: a link or the id of a file."""
    if not isinstance(content, (list, tuple)):
        return False
    parts = cast("Sequence[object]", content)
    return any(
        isinstance(p, Mapping) and cast("Mapping[str, Any]", p).get("type") != "text" and _has_link(p) for p in parts
    )


def _has_link(value: object) -> bool:
    if isinstance(value, str):
        return value.lower().startswith(_LINKS)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value)
        return "file_id" in items or any(_has_link(item) for item in items.values())
    return isinstance(value, (list, tuple)) and any(_has_link(item) for item in cast("Sequence[object]", value))

"""Requests and answers in openai's shapes, as nearly every log holds them: chat, responses, completions, embeddings.

Read of the openai package 2.54 (types of chat, responses and completions), 2026-11-22. A message of anthropic's is
nearly one of these: what it has elsewhere (`system`, `stop_reason`, tools among the parts, cached tokens beside
`input_tokens` and not among them: its API's reference, "Messages") is read there too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from greenai.audit.formats.fields import count_of, found, items, json_of, mapping, text
from greenai.audit.values import Kind

__all__ = ["ARGUMENTS", "arguments", "asked", "kind_of", "messages_of", "said", "tokens", "tool_chars"]

ARGUMENTS = (
    "frequency_penalty", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "n",
    "parallel_tool_calls", "presence_penalty", "reasoning_effort", "response_format", "seed", "service_tier", "stop",
    "stream", "temperature", "tool_choice", "top_p", "verbosity",
)  # fmt: skip
"""What of a request is kept besides its messages, by openai's names; `tools` are kept by their names."""

_KINDS: Mapping[str, Kind] = {
    "embed": "embeddings", "response": "responses", "text_completion": "completion",
    **dict.fromkeys(("image", "audio", "speech", "transcription", "moderation", "video", "ocr"), "other"),
}  # fmt: skip
_TEXT_PARTS = frozenset(("text", "input_text", "output_text", "refusal"))


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a request's body says, by the names of `Logged`."""
    return {
        "model": text(body.get("model")),
        "messages": messages_of(body),
        "arguments": arguments(body),
        "tool_chars": tool_chars(body),
        "user": text(body.get("user")),
        "project": text(mapping(body.get("metadata")).get("project")),
        "feature": text(mapping(body.get("metadata")).get("feature")),
        "kind": kind_of(body),
    }


def kind_of(body: Mapping[str, Any], said: str = "") -> Kind:
    """Return the kind of call, by what names it (a path, an object's type) or else by the fields of its body."""
    for name, kind in () if "chat/completions" in said else _KINDS.items():
        if name in said:
            return kind
    if "completions" in said and "chat" not in said:
        return "completion"
    if said or "messages" in body:
        return "chat"
    if "prompt" in body:
        return "completion"
    return "responses" if "input" in body and ("instructions" in body or "max_output_tokens" in body) else "chat"


def messages_of(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...] | None:
    """Return the messages of a request of any kind; None where it has none."""
    given = json_of(found(body, ("messages", "input", "prompt")))
    head = text(body.get("instructions")) or _content(body.get("system"))
    first = ({"role": "system", "content": head},) if head else ()
    if isinstance(given, str):
        return (*first, {"role": "user", "content": given})
    if isinstance(given, Mapping):
        inner = cast("Mapping[str, Any]", given)
        return messages_of(inner) if "messages" in inner else (*first, _message(inner))
    if not isinstance(given, Sequence) or not given:
        return first or None
    return (*first, *(_message(part) for part in given))


def _message(part: Any) -> Mapping[str, Any]:
    """Return one of a request's messages, or an item of the Responses API, or whatever was asked, as a message."""
    if not isinstance(part, Mapping):
        return {"role": "user", "content": part if isinstance(part, str) else str(part)}
    message = cast("Mapping[str, Any]", part)
    if "role" in message:
        return message
    if "content" in message:
        return {"role": "user", **message}
    return _of_responses(message)


def _of_responses(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item of the Responses API as a message; anything else as the text that it is."""
    kind = item.get("type")
    if kind == "function_call_output":
        return {"role": "tool", "content": item.get("output")}
    if kind == "function_call":
        called = {"name": item.get("name"), "arguments": item.get("arguments")}
        return {"role": "assistant", "content": None, "tool_calls": [{"function": called}]}
    if kind == "reasoning":
        return {"role": "assistant", "content": None}
    return {"role": "user", "content": text(item.get("text")) or json.dumps(item, default=str)}


def arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a request by openai's names, tools by theirs."""
    kept = {name: json_of(body[name]) for name in ARGUMENTS if body.get(name) not in (None, "")}
    effort = mapping(body.get("reasoning")).get("effort")
    if effort is not None:
        kept.setdefault("reasoning_effort", effort)
    tools = [tool for tool in (_tool(given) for given in items(body.get("tools") or body.get("functions"))) if tool]
    return {**kept, "tools": tools} if tools else kept


def tool_chars(body: Mapping[str, Any]) -> dict[str, int]:
    """Return how long each tool's definition is as JSON, by its name."""
    found_of: dict[str, int] = {}
    for given in items(body.get("tools") or body.get("functions")):
        name = _tool(given)
        if name is not None:
            found_of[name] = len(json.dumps(json_of(given), ensure_ascii=False, default=str))
    return found_of


def _tool(given: Any) -> str | None:
    tool = mapping(given)
    return text(tool.get("name")) or text(mapping(tool.get("function")).get("name")) or text(tool.get("type"))


def said(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer's body says, by the names of `Logged`: only what it tells."""
    known: dict[str, Any] = {**_choice(body), **_output(body), **tokens(mapping(body.get("usage")))}
    for name, value in (("call_id", body.get("id")), ("model", body.get("model"))):
        if text(value):
            known[name] = text(value)
    return known


def _choice(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read the first choice of a chat completion or of a completion."""
    choices = items(body.get("choices"))
    if not choices:
        return {}
    choice = mapping(choices[0])
    message = mapping(choice.get("message")) or mapping(choice.get("delta"))
    return {
        "answer": _content(message.get("content")) if message else text(choice.get("text")),
        "tool_calls": bool(message.get("tool_calls") or message.get("function_call")),
        "called": _called(message),
        "finish_reason": text(choice.get("finish_reason")),
    }


def _output(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read the items of a response of the Responses API, or a message that stands for itself."""
    if "role" in body and "choices" not in body:
        parts = [mapping(part) for part in items(body.get("content"))]
        used = tuple(text(part.get("name")) or "tool" for part in parts if part.get("type") == "tool_use")
        known = {
            "answer": _content(body.get("content")),
            "tool_calls": bool(used) or bool(body.get("tool_calls")),
            "called": used or _called(body),
        }
        why = text(body.get("stop_reason"))
        return {**known, "finish_reason": {"max_tokens": "length", "end_turn": "stop"}.get(why, why)} if why else known
    if "output" not in body or "choices" in body:
        return {}
    parts = [mapping(part) for part in items(body.get("output"))]
    spoken = [_content(part.get("content")) for part in parts if part.get("type") in (None, "message")]
    why = text(mapping(body.get("incomplete_details")).get("reason"))
    return {
        "answer": "".join(part for part in spoken if part) or text(body.get("output_text")),
        "tool_calls": any("call" in str(part.get("type")) for part in parts),
        "called": tuple(_item(part) for part in parts if "call" in str(part.get("type"))),
        "finish_reason": "length" if why == "max_output_tokens" else why or text(body.get("status")),
        "kind": "responses",
    }


def _called(message: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the tools that a message calls."""
    given = items(message.get("tool_calls")) or [message.get("function_call")]
    return tuple(name for name in map(_tool, given) if name)


def _item(part: Mapping[str, Any]) -> str:
    """Return the tool that an item of a response calls: a function by its name, a built-in tool by its type."""
    return text(part.get("name")) or str(part.get("type")).removesuffix("_call")


def _content(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        return None
    parts = [mapping(part) for part in cast("Sequence[Any]", content)]
    texts = [text(part.get("text")) or text(part.get("refusal")) for part in parts if part.get("type") in _TEXT_PARTS]
    return "".join(part for part in texts if part) or None


def tokens(usage: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the tokens of a `usage`, of the chat API or of responses; only what it tells."""
    sent = mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    made = mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    named = {
        "input_tokens": found(usage, ("prompt_tokens", "input_tokens")),
        "output_tokens": found(usage, ("completion_tokens", "output_tokens")),
        "cached_tokens": found(sent, ("cached_tokens", "cache_read")),
        "reasoning_tokens": found(made, ("reasoning_tokens", "reasoning", "thinking_tokens")),
    }
    known = {name: count_of(value) for name, value in named.items() if count_of(value) is not None}
    return known if "prompt_tokens" in usage else known | _beside(usage, known)


def _beside(usage: Mapping[str, Any], known: Mapping[str, int | None]) -> dict[str, int | None]:
    """Return the tokens of a prompt where those that were read from or written to a cache are counted apart."""
    read, made = (count_of(usage.get(f"cache_{name}_input_tokens")) for name in ("read", "creation"))
    fresh = known.get("input_tokens")
    if fresh is None or (read is None and made is None):
        return {}
    return {"input_tokens": fresh + (read or 0) + (made or 0), "cached_tokens": read or 0}

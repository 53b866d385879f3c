"""Anthropic's Messages API: requests read and written. What it answers is in messages_reply.py.

here                         openai's chat
─────────────────────────    ─────────────────────────────────────────
system                       the first message
tool_use, tool_result        tool_calls, messages of the role tool
stop_sequences               stop
thinking, output_config      themselves: the fields that say how much a Claude model reasons
any other field              under extra_body, as it is
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from greenai.values import Draft, Message, Reply, text_of
from greenai.wire import Asked
from greenai.wire.changes import GONE, changes, put
from greenai.wire.fields import listed, mapping, text
from greenai.wire.messages_reply import MessagesSeen, events_of, message_from, reply_of

__all__ = ["DIALECT"]

_OWN = ("model", "messages", "stream", "system")
_CHAT = {
    "max_tokens": "max_tokens",
    "metadata": "metadata",
    "service_tier": "service_tier",
    "stop_sequences": "stop",
    "temperature": "temperature",
    "thinking": "thinking",
    "tool_choice": "tool_choice",
    "tools": "tools",
    "top_p": "top_p",
}
_NATIVE = {chat: native for native, chat in _CHAT.items()} | {"max_completion_tokens": "max_tokens"}
# Sources: platform.claude.com/docs/en/build-with-claude/adaptive-thinking and …/extended-thinking, 2026-11-21.
_ADAPTIVE = re.compile(r"claude-(opus|sonnet)-4-[6-9]")
_LEAST_BUDGET = 1024
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096}


class Messages:
    """POST …/v1/messages."""

    name = "messages"

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:  # noqa: ARG002  # other APIs name the model there
        """Read a request's JSON."""
        arguments: dict[str, Any] = {chat: _read(n, body[n]) for n, chat in _CHAT.items() if n in body}
        extra = {name: value for name, value in body.items() if name not in _CHAT and name not in _OWN}
        system = [{"role": "system", "content": body["system"]}] if body.get("system") else []
        said = [message for native in listed(body.get("messages")) for message in _chat_messages(mapping(native))]
        return Asked(
            model=text(body.get("model")) or None,
            messages=[*system, *said],
            arguments={**arguments, **({"extra_body": extra} if extra else {})},
            stream=body.get("stream") is True,
        )

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:
        """Return path and JSON of the request as the draft has it."""
        sent, changed = {**body, "model": draft.rung.name}, changes(asked, draft)
        for name, value in changed.arguments.items():
            if name == "reasoning_effort":
                sent |= {} if value is GONE else _thinking(str(value), sent)
            elif name in _NATIVE and name not in ("tools", "tool_choice"):  # which nothing here changes
                put(sent, _NATIVE[name], value)
        for name, value in changed.own.items():
            put(sent, name, value)  # after the others: what went out as openai's may come in as its own
        if changed.messages:
            sent |= _rewritten(body, draft.messages)
        return path, sent

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read a message."""
        return reply_of(body, model, latency_s)

    def seen(self, model: str, asked: Asked) -> MessagesSeen:  # noqa: ARG002  # nothing is hidden here
        """Return what takes in the events of a stream."""
        return MessagesSeen(model)

    def body(self, reply: Reply) -> dict[str, Any]:
        """Return a reply as a message's JSON."""
        return message_from(reply)

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:  # noqa: ARG002
        """Return a reply as the events that a live stream would have brought."""
        return events_of(message_from(reply))

    def refusal(self, code: str, message: str) -> dict[str, Any]:
        """Return an error's JSON."""
        return {"type": "error", "error": {"type": code, "message": message}}


# --- reading ------------------------------------------------------------------------------


def _read(name: str, value: object) -> object:
    if name == "tools" and isinstance(value, list):
        return [_tool(mapping(tool)) for tool in value]
    return _choice(mapping(value)) if name == "tool_choice" else value


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool of the app's as openai's function; one of the provider's stays what it is, and is told by that."""
    if tool.get("type") not in (None, "custom"):
        return dict(tool)
    names = ("name", "description", "input_schema", "type")
    function = {"name": tool.get("name"), "parameters": tool.get("input_schema")}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    return {"type": "function", "function": function, **{n: v for n, v in tool.items() if n not in names}}


def _choice(choice: Mapping[str, Any]) -> object:
    kind = choice.get("type")
    if kind == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return {"any": "required", "auto": "auto", "none": "none"}.get(str(kind), dict(choice))


def _chat_messages(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one message as openai has it: several, where it brings the results of tools."""
    content = message.get("content")
    if not isinstance(content, list):
        return [dict(message)]
    blocks = [mapping(block) for block in content]
    results = [_result(block) for block in blocks if block.get("type") == "tool_result"]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    parts = [_part(block) for block in blocks if block.get("type") not in ("tool_result", "tool_use")]
    if not (parts or calls):
        return results or [dict(message)]
    said: dict[str, Any] = {"role": message.get("role"), "content": parts or None}
    return [*results, {**said, "tool_calls": calls} if calls else said]


def _result(block: Mapping[str, Any]) -> dict[str, Any]:
    content = block.get("content")
    said = [_part(mapping(part)) for part in content] if isinstance(content, list) else content or ""
    failed = {"is_error": True} if block.get("is_error") else {}
    return {"role": "tool", "tool_call_id": block.get("tool_use_id"), "content": said, **failed}


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block.get("name"), "arguments": json.dumps(block.get("input"), ensure_ascii=False)}
    return {"id": block.get("id"), "type": "function", "function": function}


def _part(block: Mapping[str, Any]) -> dict[str, Any]:
    source = mapping(block.get("source"))
    if block.get("type") == "image" and source.get("type") == "base64":
        return {
            "type": "image_url",
            "image_url": {"url": f"data:{source.get('media_type')};base64,{source.get('data')}"},
        }
    if block.get("type") == "image" and source.get("type") == "url":
        return {"type": "image_url", "image_url": {"url": source.get("url")}}
    return dict(block)


# --- writing ------------------------------------------------------------------------------


def _thinking(effort: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that ask a model for reasoning, where nobody's own fields rule that out.

    A budget lies below the limit of the answer, and thinking goes with no temperature but 1.
    """
    model, limit = text(sent.get("model")), sent.get("max_tokens")
    if effort == "none" or sent.get("temperature") not in (None, 1):
        return {}
    if _ADAPTIVE.search(model):
        return {
            "thinking": {"type": "adaptive"},
            "output_config": {**mapping(sent.get("output_config")), "effort": effort},
        }
    budget = _BUDGETS.get(effort, _BUDGETS["high"])
    if isinstance(limit, int):
        budget = min(budget, limit - 1)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= _LEAST_BUDGET else {}


def _rewritten(body: Mapping[str, Any], messages: Sequence[Message]) -> dict[str, Any]:
    """Return `system` and `messages` as a draft has them; what nobody changed stays as the app wrote it."""
    systems = [message for message in messages if message.get("role") == "system"]
    left = [message for message in messages if message.get("role") != "system"]
    kept: list[Any] = []
    for native in listed(body.get("messages")):
        own = _chat_messages(mapping(native))
        same, left = left[: len(own)], left[len(own) :]
        kept.append(native if same == own else _plain(same[-1]) if same else native)
    return {**({"system": _system(systems)} if systems else {}), "messages": [*kept, *map(_plain, left)]}


def _plain(message: Message) -> dict[str, Any]:
    role = "assistant" if message.get("role") == "assistant" else "user"
    return {"role": role, "content": text_of(message.get("content"))}


def _system(systems: Sequence[Message]) -> object:
    if len(systems) == 1:
        return systems[0].get("content")
    blocks: list[Any] = []
    for message in systems:
        content = message.get("content")
        blocks += content if isinstance(content, list) else [{"type": "text", "text": text_of(content)}]
    return blocks


DIALECT = Messages()

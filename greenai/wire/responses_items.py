"""Items of the Responses API as chat's messages, and back: what the flow reads of a conversation."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from greenai.values import Message
from greenai.wire.fields import listed, mapping, text

__all__ = ["items_of", "message_of", "messages_of", "output_of"]

INSTRUCTIONS = "instructions"
"""The type that marks the message which is no item of the input."""

_CALLS = frozenset(("function_call", "custom_tool_call"))
_OUTPUTS = frozenset(("function_call_output", "custom_tool_call_output"))
_FOR_THE_APP = _CALLS | frozenset((
    "computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request",
))  # fmt: skip
"""What the app has to do before the conversation goes on."""
_SAID = frozenset(("message", "reasoning"))
_TEXTS = frozenset(("input_text", "text"))


# --- what is asked ----------------------------------------------------------------------------


def messages_of(instructions: object, given: object) -> list[dict[str, Any]]:
    """Return what a request says as messages. Two that are equal were written alike."""
    head = [{"role": "system", "type": INSTRUCTIONS, "content": instructions}] if isinstance(instructions, str) else []
    said = [*head, *(_message(item) for item in _listed(given))]
    # A prompt or a conversation that the provider keeps may be all that is asked.
    return said or [{"role": "user", "type": INSTRUCTIONS, "content": ""}]


def items_of(
    instructions: object, given: object, before: Sequence[Message], after: Sequence[Message]
) -> dict[str, Any]:
    """Return `instructions` and `input` of messages that were changed, each where it is another one now."""
    items = _listed(given)
    known = list(zip([m for m in before if m.get("type") != INSTRUCTIONS], items, strict=True))
    told = next((message["content"] or None for message in after if message.get("type") == INSTRUCTIONS), None)
    written = [_item(message, known) for message in after if message.get("type") != INSTRUCTIONS]
    found: dict[str, Any] = {} if written == items else {"input": written}
    return found if told == instructions else {**found, "instructions": told}


def _item(message: Message, known: Sequence[tuple[Message, Any]]) -> Any:
    return next((item for old, item in known if old == message), dict(message))


def _listed(given: object) -> list[Any]:
    return [{"role": "user", "content": given}] if isinstance(given, str) else listed(given)


def _message(given: object) -> dict[str, Any]:
    item = mapping(given)
    kind = item.get("type")
    if kind in _CALLS:
        return {"role": "assistant", "content": None, "tool_calls": [_call(item)]}
    if kind in _OUTPUTS:
        rest = {name: value for name, value in item.items() if name not in ("call_id", "output")}
        return {**rest, "role": "tool", "tool_call_id": item.get("call_id"), "content": _content(item.get("output"))}
    if "role" in item:
        return {**item, "content": _content(item.get("content"))}
    return {"role": "assistant", "content": [dict(item)]}


def _content(content: object) -> Any:
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(given: object) -> Any:
    """Return a part as chat has it, where nothing of it is lost; any other stays as it is."""
    part = mapping(given)
    kind, names = part.get("type"), part.keys()
    if kind in _TEXTS and set(names) == {"type", "text"}:
        return {"type": "text", "text": part["text"]}
    if kind == "input_image" and isinstance(part.get("image_url"), str) and names <= {"type", "image_url", "detail"}:
        detail = {"detail": part["detail"]} if "detail" in part else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    return given


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as chat has it, and what else the item says beside it."""
    name = "input" if item.get("type") == "custom_tool_call" else "arguments"
    kind = "custom" if name == "input" else "function"
    rest = {f"item_{key}": value for key, value in item.items() if key not in ("type", "call_id", "name", name)}
    said = {"name": item.get("name"), name: item.get(name)}
    return {"id": item.get("call_id"), "type": kind, kind: said, **rest}


# --- what is answered -------------------------------------------------------------------------


def message_of(output: Sequence[Any]) -> tuple[dict[str, Any], bool]:
    """Return an answer's items as one message, and whether it shows reasoning."""
    said, refused, found = list[str](), list[str](), list[Any]()
    calls, ran = list[dict[str, Any]](), list[str]()
    thought = False
    for given in output:
        item = mapping(given)
        kind = text(item.get("type"))
        if kind in _FOR_THE_APP:
            calls.append(_call(item))
        elif kind and kind not in _SAID:
            ran.append(kind)
        thought = thought or (kind == "reasoning" and bool(item.get("summary") or item.get("content")))
        for part in map(mapping, listed(item.get("content")) if kind == "message" else ()):
            said.append(text(part.get("text")))
            refused.append(text(part.get("refusal")))
            found.extend(listed(part.get("annotations")))
    message = {"role": "assistant", "content": "".join(said), "refusal": "".join(refused) or None}
    more = {"tool_calls": calls, "annotations": found, "executed_tools": ran}
    return {**message, **{name: value for name, value in more.items() if value}}, thought


def output_of(message: Mapping[str, Any], said: str) -> list[dict[str, Any]]:
    """Return the items of an answer that was a chat completion's message."""
    refused, items = text(message.get("refusal")), list[dict[str, Any]]()
    if said or refused or not message.get("tool_calls"):
        part = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
        if refused:
            part = {"type": "refusal", "refusal": refused}
        items.append({"type": "message", "role": "assistant", "content": [part], **_state("msg")})
    for call in map(mapping, listed(message.get("tool_calls"))):
        function = mapping(call.get("function"))
        of = {"call_id": call.get("id"), "name": function.get("name"), "arguments": _json(function.get("arguments"))}
        items.append({"type": "function_call", **of, **_state("fc")})
    return items


def _state(kind: str) -> dict[str, Any]:
    return {"id": f"{kind}_{uuid.uuid4().hex}", "status": "completed"}


def _json(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)

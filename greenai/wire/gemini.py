"""Google's generateContent: requests read and written. What it answers is in gemini_reply.py.

here                              openai's chat
──────────────────────────────    ─────────────────────────────────────────
the path                          model, and whether it streams
systemInstruction                 the first message
functionCall, functionResponse    tool_calls, messages of the role tool
generationConfig                  temperature, max_tokens, stop, n, seed, …; the rest under extra_body
tools, toolConfig                 tools, tool_choice
any other field                   under extra_body, as it is
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
from greenai.wire.gemini_reply import GeminiSeen, call_of, content_from, events_of, reply_of

__all__ = ["DIALECT"]

_PATH = re.compile(r"(?P<model>[^/:]+):(?P<stream>streamG|g)enerateContent$")
_CONFIG = "generationConfig"
_OWN = ("contents", "systemInstruction", "tools", "toolConfig", _CONFIG)
_CHAT = {
    "candidateCount": "n",
    "frequencyPenalty": "frequency_penalty",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "seed": "seed",
    "stopSequences": "stop",
    "temperature": "temperature",
    "topP": "top_p",
}
_NATIVE = {chat: native for native, chat in _CHAT.items()} | {"max_completion_tokens": "maxOutputTokens"}
_MODES = {"ANY": "required", "AUTO": "auto", "NONE": "none"}
# Source: ai.google.dev/gemini-api/docs/thinking, 2026-11-21. 128 is the least that 2.5 Pro takes, 512 of Flash-Lite.
_BUDGETS = {"none": 0, "minimal": 128, "low": 1024, "medium": 8192, "high": 24576}


class Gemini:
    """POST …/models/{name}:generateContent and :streamGenerateContent, as events."""

    name = "gemini"

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:
        """Read a request's path and JSON."""
        found = _PATH.search(path)
        config = mapping(body.get(_CONFIG))
        arguments = {chat: config[native] for native, chat in _CHAT.items() if native in config}
        extra: dict[str, Any] = {name: value for name, value in body.items() if name not in _OWN}
        if rest := {name: value for name, value in config.items() if name not in _CHAT}:
            extra[_CONFIG] = rest
        arguments |= _tools(body)
        system = text_of(mapping(body.get("systemInstruction")).get("parts"))
        said = [message for content in listed(body.get("contents")) for message in _chat_messages(mapping(content))]
        return Asked(
            model=found["model"] if found else None,
            messages=[*([{"role": "system", "content": system}] if system else []), *said],
            arguments={**arguments, **({"extra_body": extra} if extra else {})},
            stream=found is not None and found["stream"] == "streamG",
        )

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:
        """Return path and JSON of the request as the draft has it."""
        sent, changed = dict(body), changes(asked, draft)
        config: dict[str, Any] = dict(mapping(body.get(_CONFIG)))
        for name, value in changed.own.items():
            if name == _CONFIG:
                kept = {native: config[native] for native in _CHAT if native in config}
                config = {**({} if value is GONE else mapping(value)), **kept}
            else:
                put(sent, name, value)
        for name, value in changed.arguments.items():
            if name == "reasoning_effort" and value is not GONE:
                config["thinkingConfig"] = {**mapping(config.get("thinkingConfig")), **_thinking(str(value), draft)}
            elif name in _NATIVE:
                put(config, _NATIVE[name], value)
        if config != body.get(_CONFIG, {}):
            sent[_CONFIG] = config
        if changed.messages:
            sent |= _rewritten(body, draft.messages)
        return _path(path, asked, draft), sent

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read a whole response."""
        return reply_of(body, model, latency_s)

    def seen(self, model: str, asked: Asked) -> GeminiSeen:  # noqa: ARG002  # nothing is hidden here
        """Return what takes in the events of a stream."""
        return GeminiSeen(model)

    def body(self, reply: Reply) -> dict[str, Any]:
        """Return a reply as a response's JSON."""
        return content_from(reply)

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:  # noqa: ARG002
        """Return a reply as the events that a live stream would have brought."""
        return events_of(content_from(reply))

    def refusal(self, code: str, message: str) -> dict[str, Any]:
        """Return an error's JSON."""
        return {"error": {"code": 403, "message": message, "status": code.upper()}}


# --- reading ------------------------------------------------------------------------------


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools as openai has them; one of the provider's stays what it is, and is told by that."""
    found: list[dict[str, Any]] = []
    for tool in map(mapping, listed(body.get("tools"))):
        declared = tool.get("functionDeclarations")
        found += [{"type": "function", "function": _function(mapping(one))} for one in listed(declared)]
        found += [{"type": name, name: value} for name, value in tool.items() if name != "functionDeclarations"]
    arguments: dict[str, Any] = {"tools": found} if found else {}
    config = body.get("toolConfig")
    if config is not None:
        calling = mapping(mapping(config).get("functionCallingConfig"))
        plain = calling.keys() <= {"mode"} and mapping(config).keys() <= {"functionCallingConfig"}
        arguments["tool_choice"] = _MODES.get(text(calling.get("mode")), config) if plain else config
    return arguments


def _function(declared: Mapping[str, Any]) -> dict[str, Any]:
    schema = declared.get("parametersJsonSchema", declared.get("parameters"))
    rest = {name: value for name, value in declared.items() if name not in ("parametersJsonSchema", "parameters")}
    return {**rest, **({} if schema is None else {"parameters": schema})}


def _chat_messages(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one content as openai's messages: several, where it brings the results of functions."""
    role = "assistant" if content.get("role") == "model" else "user"
    parts = [mapping(part) for part in listed(content.get("parts"))]
    results = [_result(mapping(part["functionResponse"])) for part in parts if "functionResponse" in part]
    calls = [call_of(part) for part in parts if "functionCall" in part]
    said = [_part(part) for part in parts if not {"functionCall", "functionResponse"} & part.keys()]
    if not (said or calls) and results:
        return results
    words: Any = said or None
    if len(said) == 1 and said[0].keys() == {"type", "text"}:
        words = said[0]["text"]
    message: dict[str, Any] = {"role": role, "content": words}
    return [*results, {**message, "tool_calls": calls} if calls else message]


def _result(response: Mapping[str, Any]) -> dict[str, Any]:
    said = {n: value for n, value in response.items() if n not in ("id", "name")}
    return {
        "role": "tool",
        "tool_call_id": response.get("id") or response.get("name"),
        "content": json.dumps(said.get("response", said), ensure_ascii=False, sort_keys=True),
    }


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if set(part) == {"text"}:
        return {"type": "text", "text": part["text"]}
    data = mapping(part.get("inlineData"))
    if set(part) == {"inlineData"} and text(data.get("mimeType")).startswith("image/"):
        return {"type": "image_url", "image_url": {"url": f"data:{data['mimeType']};base64,{data.get('data')}"}}
    return {"type": "part", **part}


# --- writing ------------------------------------------------------------------------------


def _path(path: str, asked: Asked, draft: Draft) -> str:
    if draft.rung.name == asked.model:
        return path
    return _PATH.sub(lambda found: f"{draft.rung.name}:{found['stream']}enerateContent", path)


def _thinking(effort: str, draft: Draft) -> dict[str, Any]:
    """Return the native fields of an effort: models up to 2.5 have a budget, later ones a level."""
    if "gemini-2" in draft.rung.name and effort in _BUDGETS:
        return {"thinkingBudget": _BUDGETS[effort]}
    return {"thinkingLevel": effort}


def _rewritten(body: Mapping[str, Any], messages: Sequence[Message]) -> dict[str, Any]:
    """Return system instruction and contents as a draft has them; what nobody changed stays as the app wrote it."""
    systems = [text_of(message.get("content")) for message in messages if message.get("role") == "system"]
    left = [message for message in messages if message.get("role") != "system"]
    kept: list[Any] = []
    for native in listed(body.get("contents")):
        own = _chat_messages(mapping(native))
        same, left = left[: len(own)], left[len(own) :]
        kept.append(native if same == own else _plain(same[-1]) if same else native)
    system = {"systemInstruction": {"parts": [{"text": said} for said in systems]}} if systems else {}
    return {**system, "contents": [*kept, *map(_plain, left)]}


def _plain(message: Message) -> dict[str, Any]:
    role = "model" if message.get("role") == "assistant" else "user"
    return {"role": role, "parts": [{"text": text_of(message.get("content"))}]}


DIALECT = Gemini()

"""openai's Responses API: POST …/responses, and nothing below it; what is stored there is fetched untouched.

    here                    in chat's words                       note
    ────────────────────    ──────────────────────────────────    ───────────────────────────────────────────
    instructions, input     messages                              a call of a function is a message's tool_calls
    reasoning.effort        reasoning_effort                      what else is in `reasoning` stays beside it
    max_output_tokens       max_completion_tokens
    text.format             response_format
    store, unless false     never cached here                     an app may go on from the answer's id
    background              its energy is unknown                 the answer comes later, with its usage

The events of its streams are in responses_stream.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from greenai._params import KNOWN
from greenai.reported import energy_j
from greenai.thoughts import thinks
from greenai.values import PENDING, Draft, Reply
from greenai.wire import Asked
from greenai.wire.fields import count, listed, mapping, text, usage_of
from greenai.wire.responses_items import items_of, message_of, messages_of, output_of
from greenai.wire.responses_stream import ResponsesSeen, events_of

__all__ = ["DIALECT", "chat_usage"]

_READ = frozenset(("model", "input", "instructions", "stream", "reasoning", "max_output_tokens", "text", "tools"))
"""Fields that are read into chat's; of the others, those that chat has under the same name stay what they are."""

UNNAMED = "unnamed"
"""The model of a request that leaves it to a prompt which the provider keeps. It is not sent."""

_ECHOED = frozenset(("metadata",))
"""Comes back in the answer, so that it has to be a part of a stored one's key."""

_UNCHANGED = frozenset(("tools", "response_format", "verbosity", "stream_options", "logprobs", "extra_body"))
"""Chat's arguments that the flow leaves as they are, or that have no place here."""

_AT_THE_PROVIDER = ("previous_response_id", "conversation", "prompt", "background")
_TOOLS = frozenset(("function", "custom"))
"""Kinds of tools that the app runs itself."""

_LIMITS = ("max_completion_tokens", "max_tokens")
_ENDED: Mapping[str, str] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_INCOMPLETE: Mapping[str | None, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_LATER = ("queued", "in_progress")


class Responses:
    """POST …/responses."""

    name = "responses"

    def read(self, path: str, body: Mapping[str, Any]) -> Asked:  # noqa: ARG002  # other APIs name the model there
        """Read a request's JSON."""
        return Asked(
            model=text(body.get("model")) or UNNAMED,
            messages=messages_of(body.get("instructions"), body.get("input")) or _unsaid(body),
            arguments=_arguments(body),
            stream=body.get("stream") is True,
            exact=_is_exact(body),
        )

    def written(self, path: str, body: Mapping[str, Any], asked: Asked, draft: Draft) -> tuple[str, dict[str, Any]]:
        """Return path and JSON of the request as the draft has it: what it did not change is as it was."""
        sent = {**body, "model": draft.rung.name} if body.get("model") else dict(body)
        before, after = _fields(asked.arguments, {}), _fields(draft.arguments, draft.extra)
        for name in before.keys() - after.keys():
            sent.pop(name, None)
        sent |= {name: value for name, value in after.items() if name not in before or before[name] != value}
        if list(draft.messages) != asked.messages:
            sent |= items_of(body.get("instructions"), body.get("input"), asked.messages, draft.messages)
        return path, sent

    def reply(self, body: Mapping[str, Any], model: str, latency_s: float) -> Reply:
        """Read a response."""
        message, thought = message_of(listed(body.get("output")))
        usage, said, status = chat_usage(body.get("usage")), text(message["content"]), body.get("status")
        named = text(body.get("model")) or model
        finish = _finish(body, calls=bool(message.get("tool_calls")))
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        return Reply(
            model=named,
            text=said,
            finish_reason=finish,
            usage=usage_of(usage),
            latency_s=latency_s,
            body={"object": "chat.completion", "model": named, "choices": [choice], "usage": usage, "wire": dict(body)},
            tool_calls=bool(message.get("tool_calls")),
            reasoning_text=thought or thinks(said),
            reported_energy_j=energy_j(body),
            complete=status not in ("failed", "cancelled"),
            service_tier=text(body.get("service_tier")) or None,
        )

    def seen(self, model: str, asked: Asked) -> ResponsesSeen:  # noqa: ARG002  # other APIs hide what was not asked for
        """Return what takes in the events of a stream."""
        return ResponsesSeen(model, self.reply)

    def body(self, reply: Reply) -> dict[str, Any]:
        """Return the response's JSON for a reply that did not come from this API just now."""
        given: dict[str, Any] = dict(reply.body) if reply.body is not None else reply.native.to_dict(mode="json")
        known = {"id": f"resp_{text(given.get('id')).removeprefix('chatcmpl-')}", "created_at": int(time.time())}
        wire = given.get("wire")
        if not isinstance(wire, Mapping):
            return {**_made(given, reply), **known}
        return {**wire, **known, **({"completed_at": known["created_at"]} if wire.get("completed_at") else {})}

    def events(self, reply: Reply, asked: Asked) -> Iterator[bytes]:  # noqa: ARG002  # other APIs hide what was not asked for
        """Return such a reply as the events of a stream."""
        return events_of(self.body(reply))

    def refusal(self, code: str, message: str) -> dict[str, Any]:
        """Return an error's JSON."""
        return {"error": {"message": message, "type": code, "param": None, "code": code}}


# --- the request ------------------------------------------------------------------------------


def _arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in body.items() if name not in _READ}
    known = {name: value for name, value in given.items() if name in KNOWN - _ECHOED}
    extra = {name: value for name, value in given.items() if name not in known}
    reasoning, form = mapping(body.get("reasoning")), mapping(body.get("text"))
    # What is the default says nothing; any other way of reasoning is something that the app asks for.
    besides = {n: v for n, v in reasoning.items() if n != "effort" and (n, v) != ("mode", "standard")}
    shape = mapping(form.get("format"))
    extra |= {"text": rest} if (rest := {n: v for n, v in form.items() if n not in ("format", "verbosity")}) else {}
    found: dict[str, Any] = {
        "reasoning_effort": reasoning.get("effort"),
        "max_completion_tokens": body.get("max_output_tokens"),
        "response_format": _chat_format(shape) if shape.get("type") not in (None, "text") else None,
        "verbosity": form.get("verbosity"),
        "tools": [_chat_tool(tool) for tool in listed(body.get("tools"))] if body.get("tools") is not None else None,
        "extra_body": extra | ({"reasoning": besides} if besides else {}),
    }
    return {**known, **{name: value for name, value in found.items() if value not in (None, {})}}


def _unsaid(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an empty message for a request that says nothing itself, and goes on from what the provider keeps."""
    return [{"role": "user", "content": ""}] if any(body.get(name) for name in _AT_THE_PROVIDER) else []


def _is_exact(body: Mapping[str, Any]) -> bool:
    """Say whether a request leans on what the provider keeps or runs, which other models may not have or know."""
    kept = any(body.get(name) for name in _AT_THE_PROVIDER)
    return kept or any(mapping(tool).get("type") not in _TOOLS for tool in listed(body.get("tools")))


def _chat_format(shape: Mapping[str, Any]) -> dict[str, Any]:
    if shape.get("type") != "json_schema":
        return dict(shape)
    return {"type": "json_schema", "json_schema": {name: value for name, value in shape.items() if name != "type"}}


def _chat_tool(tool: object) -> Any:
    given = mapping(tool)
    if given.get("type") not in _TOOLS:
        return tool
    kind = str(given["type"])
    return {"type": kind, kind: {name: value for name, value in given.items() if name != "type"}}


def _fields(arguments: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return chat's arguments, and a provider's own fields beside them, under the names that they have here."""
    found = {**mapping(arguments.get("extra_body")), **extra}
    found |= {name: value for name, value in arguments.items() if name not in _UNCHANGED}
    effort, limits = found.pop("reasoning_effort", None), [found.pop(name, None) for name in _LIMITS]
    reasoning = {**mapping(found.pop("reasoning", None)), **({} if effort is None else {"effort": effort})}
    found |= {"reasoning": reasoning} if reasoning else {}
    given = [limit for limit in limits if limit is not None]
    return found | ({"max_output_tokens": min(given)} if given else {})


# --- the response -----------------------------------------------------------------------------


def _finish(body: Mapping[str, Any], *, calls: bool) -> str | None:
    """Return how a response ended, in chat's words."""
    status = body.get("status")
    if status in _LATER:
        return PENDING
    if status in ("failed", "cancelled"):
        return None
    if status == "incomplete":
        return _ENDED.get(text(mapping(body.get("incomplete_details")).get("reason")), "length")
    return "tool_calls" if calls else "stop"


def chat_usage(usage: object) -> dict[str, Any]:
    """Return the usage in chat's names."""
    said = mapping(usage)
    sent, made = count(said.get("input_tokens")), count(said.get("output_tokens"))
    read = mapping(said.get("input_tokens_details")).get("cached_tokens")
    thought = mapping(said.get("output_tokens_details")).get("reasoning_tokens")
    return {
        "prompt_tokens": sent,
        "completion_tokens": made,
        "total_tokens": said.get("total_tokens"),
        "prompt_tokens_details": {"cached_tokens": read},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def _made(completion: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    """Return a response made of a chat completion: what a rung that speaks chat answered."""
    message = mapping(mapping(_first(listed(completion.get("choices")))).get("message"))
    reason = _INCOMPLETE.get(reply.finish_reason)
    return {
        "object": "response",
        "status": "completed" if reason is None else "incomplete",
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": None,
        "metadata": {},
        "model": text(completion.get("model")) or reply.model,
        "output": output_of(message, reply.text),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": _own_usage(mapping(completion.get("usage"))),
        "user": None,
    }


def _own_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    sent, made = count(usage.get("prompt_tokens")) or 0, count(usage.get("completion_tokens")) or 0
    read = count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens")) or 0
    thought = count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": sent + made,
    }


def _first(items: Sequence[Any]) -> Any:
    return items[0] if items else None


DIALECT = Responses()

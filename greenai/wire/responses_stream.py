"""Streams of the Responses API: what was seen of a live one, and a stored answer as the events of one.

    response.created, response.in_progress
      of each item: .output_item.added, its parts in pieces, .output_item.done
    response.completed, .incomplete or .failed: the whole response, with its usage

Events of other kinds are handed on and tell nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from greenai.deltas import pieces_of
from greenai.values import Reply, Usage
from greenai.wire import sse
from greenai.wire.fields import listed, mapping, text
from greenai.wire.sse import Event

__all__ = ["ResponsesSeen", "events_of"]

_LAST = frozenset(("response.completed", "response.incomplete", "response.failed"))
_TEXT = "response.output_text.delta"
_THOUGHT = "response.reasoning_text.delta"
_SUMMARY = "response.reasoning_summary_text.delta"
_EMPTY = ("output", "usage", "completed_at", "incomplete_details", "error")

Named = tuple[str, dict[str, Any]]


class ResponsesSeen:
    """What has been seen of a stream of typed events. Its last one holds everything."""

    def __init__(self, model: str, read: Callable[[Mapping[str, Any], str, float], Reply]) -> None:
        self._model = model
        self._read = read
        self._last: Mapping[str, Any] | None = None
        self._head: Mapping[str, Any] = {}
        self._items: dict[int, Any] = {}
        self._said: list[str] = []
        self._pieces = self._characters = 0
        self._thought = False

    def add(self, event: Event) -> bool:
        """Take one event in; the app gets every one of them."""
        data = event.json()
        if data is None:
            return True
        kind = text(data.get("type")) or event.name
        if kind in _LAST:
            self._last = mapping(data.get("response"))
        elif kind == "response.output_item.done" and type(data.get("output_index")) is int:
            self._items[data["output_index"]] = data.get("item")
        elif kind == "response.created":
            self._head = mapping(data.get("response"))
        elif isinstance(data.get("delta"), str):
            self._take(kind, data["delta"])
        return True

    def _take(self, kind: str, delta: str) -> None:
        if kind == _TEXT:
            self._said.append(delta)
        self._thought = self._thought or kind in (_THOUGHT, _SUMMARY)
        self._pieces += 1
        self._characters += len(delta)

    def reply(self, latency_s: float, *, complete: bool) -> Reply:  # noqa: ARG002  # only the last event says so
        """Return what was seen as a reply."""
        if self._last is not None:
            # Some servers leave out of the whole what came before it.
            items = {"output": [self._items[n] for n in sorted(self._items)]} if not self._last.get("output") else {}
            return self._read({**self._last, **items}, self._model, latency_s)
        # A cut stream has no usage. A piece is at least one token, and a token about four characters.
        tokens = max(self._pieces, self._characters // 4)
        return Reply(
            model=text(self._head.get("model")) or self._model,
            text="".join(self._said),
            finish_reason=None,
            usage=Usage(output_tokens=tokens, estimated=True),
            latency_s=latency_s,
            reasoning_text=self._thought,
            complete=False,
            service_tier=text(self._head.get("service_tier")) or None,
        )


# --- a stored answer --------------------------------------------------------------------------


def events_of(response: Mapping[str, Any]) -> Iterator[bytes]:
    """Return a response as the events of a stream, numbered."""
    numbers = itertools.count()
    for name, data in _events(response):
        yield sse.written({"type": name, "sequence_number": next(numbers), **data}, name)


def _events(response: Mapping[str, Any]) -> Iterator[Named]:
    begun = {**response, "status": "in_progress", **{name: None for name in _EMPTY if name in response}, "output": []}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(map(mapping, listed(response.get("output")))):
        place = {"output_index": index}
        yield "response.output_item.added", {**place, "item": _begun(item)}
        for name, data in _inside(item):
            yield f"response.{name}", {"item_id": item.get("id"), **place, **data}
        yield "response.output_item.done", {**place, "item": item}
    status = response.get("status")
    last = status if status in ("incomplete", "failed") else "completed"
    yield f"response.{last}", {"response": response}


def _begun(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as it is when nothing of it has come."""
    empty: dict[str, Any] = {name: [] for name in ("content", "summary") if isinstance(item.get(name), list)}
    empty |= {name: "" for name in ("arguments", "input") if isinstance(item.get(name), str)}
    return {**item, **empty, **({"status": "in_progress"} if "status" in item else {})}


def _inside(item: Mapping[str, Any]) -> Iterator[Named]:
    kind = item.get("type")
    if kind == "message":
        for index, part in enumerate(map(mapping, listed(item.get("content")))):
            yield from _part({"content_index": index}, part)
    elif kind == "reasoning":
        yield from _thoughts(item)
    elif kind in ("function_call", "custom_tool_call"):
        name, of = ("function_call_arguments", "arguments")
        if kind == "custom_tool_call":
            name, of = ("custom_tool_call_input", "input")
        yield from _pieces(name, {}, text(item.get(of)))
        named = {"name": item.get("name")} if of == "arguments" else {}
        yield f"{name}.done", {**named, of: text(item.get(of))}


def _part(place: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[Named]:
    field = "refusal" if part.get("type") == "refusal" else "text"
    name, whole = "refusal" if field == "refusal" else "output_text", text(part.get(field))
    logprobs = {"logprobs": listed(part.get("logprobs"))} if field == "text" else {}
    empty: dict[str, Any] = {name: [] for name in ("annotations", "logprobs") if isinstance(part.get(name), list)}
    yield "content_part.added", {**place, "part": {**part, field: "", **empty}}
    for piece, of_it in _cut(whole, listed(part.get("logprobs"))):
        yield f"{name}.delta", {**place, "delta": piece, **({"logprobs": of_it} if logprobs else {})}
    yield f"{name}.done", {**place, field: whole, **logprobs}
    yield "content_part.done", {**place, "part": part}


def _cut(whole: str, logprobs: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Cut a text in pieces: into tokens, where their probabilities are there."""
    tokens = [text(mapping(token).get("token")) for token in logprobs]
    if tokens and "".join(tokens) == whole:
        yield from ((token, [one]) for token, one in zip(tokens, logprobs, strict=True))
    else:
        yield from ((piece, list[Any]()) for piece in pieces_of(whole))


def _thoughts(item: Mapping[str, Any]) -> Iterator[Named]:
    for index, part in enumerate(map(mapping, listed(item.get("summary")))):
        place, whole = {"summary_index": index}, text(part.get("text"))
        yield "reasoning_summary_part.added", {**place, "part": {**part, "text": ""}}
        yield from _pieces("reasoning_summary_text", place, whole)
        yield "reasoning_summary_text.done", {**place, "text": whole}
        yield "reasoning_summary_part.done", {**place, "part": part}
    for index, part in enumerate(map(mapping, listed(item.get("content")))):
        place, whole = {"content_index": index}, text(part.get("text"))
        yield from _pieces("reasoning_text", place, whole)
        yield "reasoning_text.done", {**place, "text": whole}


def _pieces(name: str, place: Mapping[str, Any], whole: str) -> Iterator[Named]:
    for piece in pieces_of(whole):
        yield f"{name}.delta", {**place, "delta": piece}

"""Anthropic's messages as answers: whole, streamed, stored."""

from __future__ import annotations

import json
from typing import Any

import host_scenes
import pytest

from greenai.cache.keep import is_kept
from greenai.values import Usage
from greenai.wire.messages_reply import MessagesSeen, events_of, message_from, reply_of
from greenai.wire.sse import Splitter

TEXT = {"type": "text", "text": "Hello there."}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {"city": "Paris"}}
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "sig"}


def seen(parts: list[bytes]) -> MessagesSeen:
    taken, splitter = MessagesSeen("m"), Splitter()
    for part in parts:
        assert all(taken.add(event) for event in splitter.feed(part))
    return taken


def test_usage_has_in_it_what_was_cached() -> None:
    reply = reply_of(host_scenes.message(), "m", 1.5)
    assert (reply.text, reply.finish_reason, reply.model) == ("Hello there.", "stop", host_scenes.MODEL)
    assert reply.usage == Usage(input_tokens=127, output_tokens=5, cached_tokens=100)


def test_thoughts_are_told_from_the_text() -> None:
    usage = {**host_scenes.USAGE, "output_tokens_details": {"thinking_tokens": 4}, "service_tier": "priority"}
    reply = reply_of(host_scenes.message(content=[THOUGHT, TEXT], usage=usage), "m", 1)
    assert (reply.text, reply.reasoning_text, reply.usage.reasoning_tokens) == ("Hello there.", True, 4)
    assert reply.service_tier == "priority"
    assert not reply_of(host_scenes.message(), "m", 1).reasoning_text


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_how_it_ended(stop: str, finish: str) -> None:
    assert reply_of(host_scenes.message(stop_reason=stop), "m", 1).finish_reason == finish


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"content": [THOUGHT, TEXT]}, True),
        ({"content": [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, TEXT]}, False),
        ({"content": [{**TEXT, "citations": [{"type": "web_search_result_location"}]}]}, False),
        ({"container": {"id": "c"}}, False),
        ({"usage": {**host_scenes.USAGE, "server_tool_use": {"web_search_requests": 1}}}, False),
    ],
)
def test_what_was_looked_up_is_not_kept(changes: dict[str, Any], *, kept: bool) -> None:
    body = reply_of(host_scenes.message(**changes), "m", 1).body
    assert body is not None
    assert is_kept(body) is kept


BLOCKS: dict[str, list[dict[str, Any]]] = {
    "a text": [{"type": "text", "text": "Hello there, whoever you are and wherever you may be."}],
    "thoughts, a text and a call": [THOUGHT, TEXT, USE],
    "nothing": [],
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_stored_message_is_the_same_as_a_stream(name: str) -> None:
    message = host_scenes.message(content=BLOCKS[name], stop_reason="tool_use" if name.startswith("th") else "end_turn")
    reply = seen(list(events_of(message))).reply(1, complete=True)
    assert reply.body is not None
    assert reply.body["wire"] == message
    assert reply.complete


def test_a_stored_message_has_an_id_of_its_own() -> None:
    reply = reply_of(host_scenes.message(), "m", 1)
    first, again = message_from(reply), message_from(reply)
    assert first["id"] != again["id"]
    assert {**first, "id": "msg_1"} == host_scenes.message()


def test_a_stream_is_put_together() -> None:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"city":', '"Paris"}')]
    begun = {**USE, "input": {}}
    reply = seen(host_scenes.message_events(*deltas, stop="tool_use", block=begun)).reply(1, complete=True)
    assert (reply.tool_calls, reply.finish_reason) == (True, "tool_calls")
    assert reply.usage == Usage(input_tokens=127, output_tokens=5, cached_tokens=100)
    assert reply.body is not None
    assert reply.body["wire"]["content"] == [USE]


@pytest.mark.parametrize("after", [0, 1, 4, 5, 6])
def test_a_stream_that_is_cut_is_counted_and_not_kept(after: int) -> None:
    reply = seen(host_scenes.message_events()[:after]).reply(1, complete=True)
    assert (reply.complete, reply.body, reply.usage.estimated) == (False, None, True)
    assert reply.usage.output_tokens == {0: 0, 1: 1, 4: 1, 5: 3, 6: 3}[after]
    assert reply.usage.input_tokens == (127 if after else None)


def test_an_error_in_a_stream_cuts_it() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
    reply = seen([*host_scenes.message_events()[:5], host_scenes.named(error)]).reply(1, complete=True)
    assert (reply.complete, reply.text) == (False, "Hello there.")


def test_what_is_no_message_costs_nobody_the_answer() -> None:
    reply = reply_of(json.loads('{"content": "odd", "usage": 3, "stop_reason": 1}'), "m", 1)
    assert (reply.text, reply.finish_reason, reply.usage) == ("", None, Usage())

"""Google's answers to generateContent: whole, streamed, stored."""

from __future__ import annotations

import json
from typing import Any

import host_scenes
import pytest

from greenai.cache.keep import is_kept
from greenai.values import Usage
from greenai.wire.gemini_reply import GeminiSeen, content_from, events_of, reply_of
from greenai.wire.sse import Splitter

THOUGHT = {"text": "Let me see.", "thought": True}
CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}


def seen(parts: list[bytes]) -> GeminiSeen:
    taken, splitter = GeminiSeen("m"), Splitter()
    for part in parts:
        assert all(taken.add(event) for event in splitter.feed(part))
    return taken


def test_it_is_read() -> None:
    reply = reply_of(host_scenes.content(), "m", 1)
    assert (reply.text, reply.finish_reason, reply.model) == ("Hello there.", "stop", "gemini-2.5-flash")
    assert reply.usage == Usage(input_tokens=127, output_tokens=5, cached_tokens=100)


def test_thoughts_count_as_output_and_are_told_from_the_text() -> None:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 30, "toolUsePromptTokenCount": 3}
    reply = reply_of(host_scenes.content(THOUGHT, "Hello.", usageMetadata=usage), "m", 1)
    assert (reply.text, reply.reasoning_text) == ("Hello.", True)
    assert reply.usage == Usage(input_tokens=10, output_tokens=35, reasoning_tokens=30)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("CONTINUATION", "continuation")],
)
def test_how_it_ended(reason: str, finish: str) -> None:
    body = host_scenes.content()
    body["candidates"][0]["finishReason"] = reason
    assert reply_of(body, "m", 1).finish_reason == finish


def test_a_call_of_a_function_ended_it() -> None:
    reply = reply_of(host_scenes.content(CALL), "m", 1)
    assert (reply.tool_calls, reply.finish_reason) == (True, "tool_calls")


def test_a_prompt_that_was_blocked_has_no_answer() -> None:
    reply = reply_of({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}, "m", 1)
    assert (reply.text, reply.finish_reason) == ("", "content_filter")
    assert reply.usage == Usage(input_tokens=3)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (host_scenes.content(), True),
        (host_scenes.content(THOUGHT, "Hello."), True),
        (host_scenes.content({"executableCode": {"code": "1"}}, "Hello."), False),
        (host_scenes.content({"inlineData": {"mimeType": "image/png", "data": ""}}), False),
        ({**host_scenes.content(), "candidates": [{**host_scenes.content()["candidates"][0], "groundingMetadata": {"webSearchQueries": ["q"]}}]}, False),
        ({**host_scenes.content(), "candidates": host_scenes.content()["candidates"] * 2}, False),
    ],
)  # fmt: skip
def test_what_was_looked_up_is_not_kept(body: dict[str, Any], *, kept: bool) -> None:
    completion = reply_of(body, "m", 1).body
    assert completion is not None
    assert is_kept(completion) is kept


PARTS: dict[str, list[Any]] = {
    "a text": ["Hello there, whoever you are and wherever you may be."],
    "thoughts and a text": [THOUGHT, "Hello there."],
    "a text and a call": ["Wait.", CALL],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_stored_response_is_the_same_as_a_stream(name: str) -> None:
    body = host_scenes.content(*PARTS[name])
    reply = seen(list(events_of(body))).reply(1, complete=True)
    assert reply.complete
    assert reply.body is not None
    assert reply.body["wire"] == body


def test_a_stored_response_has_an_id_of_its_own() -> None:
    reply = reply_of(host_scenes.content(), "m", 1)
    first, again = content_from(reply), content_from(reply)
    assert first["responseId"] != again["responseId"]
    assert {**first, "responseId": "response-1"} == host_scenes.content()


def test_a_stream_is_put_together() -> None:
    reply = seen(host_scenes.content_events("Hel", "lo ", "there.")).reply(1, complete=True)
    assert (reply.text, reply.finish_reason, reply.complete) == ("Hello there.", "stop", True)
    assert reply.body is not None
    assert reply.body["wire"] == host_scenes.content()


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_stream_that_is_cut_is_counted_and_not_kept(after: int) -> None:
    reply = seen(host_scenes.content_events("Hel", "lo ", "there.")[:after]).reply(1, complete=True)
    assert (reply.complete, reply.body, reply.usage.output_tokens) == (False, None, after)
    assert reply.usage.estimated


def test_several_candidates_are_not_kept() -> None:
    body = host_scenes.content()
    body["candidates"].append({**body["candidates"][0], "index": 1})
    reply = seen([host_scenes.data(body)]).reply(1, complete=True)
    assert (reply.complete, reply.body) == (True, None)


def test_what_is_no_response_costs_nobody_the_answer() -> None:
    reply = reply_of(json.loads('{"candidates": ["odd"], "usageMetadata": 3}'), "m", 1)
    assert (reply.text, reply.finish_reason, reply.usage) == ("", None, Usage())

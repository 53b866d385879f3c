"""Whatever puts deltas together gets from a replay what it got from the live stream, and the message of a response."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta

from greenai.deltas import Record, cut, message_of, pieces_of, split
from greenai.shapes import chunk_from
from greenai.streams import Seen, replay

ROLE = {"role": "assistant", "content": "", "refusal": None}


def recorded(deltas: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    record = Record()
    for delta in deltas:
        if delta.keys() == {"content"} and isinstance(delta["content"], str):
            record.text(delta["content"])
        else:
            record.add(delta)
    return record.pieces()


def as_openai(deltas: Sequence[Mapping[str, Any]]) -> dict[Any, Any]:
    whole: dict[Any, Any] = {}
    for delta in deltas:
        whole = accumulate_delta(whole, copy.deepcopy(dict(delta)))
    return whole


def naively(deltas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """As many apps do it: texts are joined, everything else is kept in a list."""
    texts: dict[str, str] = {}
    rest: dict[str, list[Any]] = {}
    for delta in deltas:
        for name, value in delta.items():
            if isinstance(value, str) and name != "role":
                texts[name] = texts.get(name, "") + value
            else:
                rest.setdefault(name, []).append(value)
    return {"texts": texts, "rest": {name: [v for v in found if v is not None] for name, found in rest.items()}}


def replayed(deltas: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    pieces = recorded(deltas)
    message, logprobs = message_of(pieces)
    made = cut(message, logprobs)
    return [piece["delta"] for piece in split(made if made == pieces else pieces)]


WORDS = st.text(max_size=40)
DELTA = st.one_of(
    st.fixed_dictionaries({"content": WORDS}),
    st.fixed_dictionaries({"reasoning_content": WORDS}),
    st.fixed_dictionaries({"content": st.none(), "reasoning_content": WORDS}),
    st.fixed_dictionaries({"reasoning": WORDS, "reasoning_content": WORDS}),
    st.fixed_dictionaries(
        {
            "tool_calls": st.lists(
                st.fixed_dictionaries(
                    {"index": st.just(0), "function": st.fixed_dictionaries({"arguments": WORDS})},
                    optional={"id": st.just("c1"), "type": st.just("function")},
                ),
                min_size=1,
                max_size=1,
            )
        }
    ),
    st.just({}),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(DELTA, max_size=12))
def test_a_replay_is_put_together_as_the_live_stream_was(deltas: list[dict[str, Any]]) -> None:
    live = [ROLE, *deltas]
    again = replayed(live)
    assert as_openai(again) == as_openai(live)
    assert naively(again) == naively(live)
    assert message_of([{"delta": delta} for delta in again]) == message_of([{"delta": delta} for delta in live])


MESSAGES = [
    {"role": "assistant", "content": "Jane Austen wrote Emma, which appeared in 1815.", "refusal": None},
    {"role": "assistant", "content": "Hi.", "refusal": None, "annotations": [], "audio": None},
    {"role": "assistant", "content": "Hi.", "refusal": None, "reasoning_content": "The user greets me; so do I, then."},
    {
        "role": "assistant",
        "content": "Hi.",
        "refusal": None,
        "thinking_blocks": [{"type": "thinking", "thinking": "A greeting.", "signature": "EqoB"}],
    },
    {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Lyon"}'}},
            {"id": "c2", "type": "function", "function": {"name": "look", "arguments": '{"city": "Nice"}'}},
        ],
    },
    {"role": "assistant", "content": "", "refusal": None},
]


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_a_message_that_was_cut_is_put_together_again(message: dict[str, Any]) -> None:
    pieces = list(split(cut(message)))
    assert message_of(pieces) == (message, None)
    whole = as_openai([piece["delta"] for piece in pieces])
    for call in whole.get("tool_calls", ()):
        del call["index"]
    assert whole == message


def token(text: str) -> dict[str, Any]:
    return {"token": text, "bytes": None, "logprob": -0.1, "top_logprobs": []}


@pytest.mark.parametrize("tokens", [["Jane", " Austen"], ["something", " else"]], ids=str)
def test_log_probabilities_stay_with_their_words(tokens: list[str]) -> None:
    message = {"role": "assistant", "content": "Jane Austen", "refusal": None}
    logprobs = {"content": [token(t) for t in tokens], "refusal": None}
    pieces = list(split(cut(message, logprobs)))
    assert message_of(pieces) == (message, logprobs)
    assert sum("logprobs" in piece for piece in pieces) == (2 if tokens[0] == "Jane" else 1)


def test_thoughts_that_come_in_parts_are_one_block_until_they_are_signed() -> None:
    def block(**fields: Any) -> dict[str, Any]:
        return {"thinking_blocks": [{"type": "thinking", **fields}]}

    deltas = [
        ROLE,
        block(thinking="A gree", signature=""),
        block(thinking="ting.", signature=""),
        block(signature="Eq"),
    ]
    deltas += [block(thinking="More.", signature=""), {"content": "Hi."}]
    message, _ = message_of([{"delta": delta} for delta in deltas])
    assert message["thinking_blocks"] == [
        {"type": "thinking", "thinking": "A greeting.", "signature": "Eq"},
        {"type": "thinking", "thinking": "More.", "signature": ""},
    ]
    assert naively(replayed(deltas)) == naively(deltas)


def test_what_a_server_repeats_is_said_once() -> None:
    def part(arguments: str) -> dict[str, Any]:
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}
        return {"tool_calls": [call]}

    message, _ = message_of([{"delta": delta} for delta in (ROLE, part('{"a"'), part(": 1}"))])
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    ]


@pytest.mark.parametrize("odd", [{"tool_calls": ["text"]}, {"tool_calls": [{"index": "0"}]}, {"content": {}}], ids=str)
def test_an_odd_message_settles_its_stream_all_the_same(odd: dict[str, Any]) -> None:
    seen = Seen("m")
    for delta, finish in ((ROLE, None), (odd, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        seen.add(
            chunk_from({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
        )
    assert seen.reply(0.1, complete=True).finish_reason == "stop"


def test_what_was_recorded_stays_as_it_came() -> None:
    deltas = [ROLE, {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}]
    pieces = recorded(deltas)
    before = copy.deepcopy(pieces)
    message_of(pieces)
    assert pieces == before


def test_a_text_is_cut_into_many_pieces() -> None:
    text = "The quick brown fox jumps over the lazy dog, again and again."
    assert "".join(pieces_of(text)) == text
    assert len(list(pieces_of(text))) == 3
    assert list(pieces_of("")) == []


HEAD: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "system_fingerprint": "fp",
}
USAGE = chunk_from(
    {**HEAD, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}},
)


def chunk(delta: Mapping[str, Any], finish: str | None = None, **choice: Any) -> Any:
    return chunk_from({**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **choice}]})


def test_a_stream_without_its_usage_is_not_whole() -> None:
    seen = Seen("m")
    for one in (chunk(ROLE), chunk({"content": "Hi."}), chunk({}, "stop")):
        seen.add(one)
    assert seen.reply(0.1, complete=True).body is None
    seen.add(USAGE)
    assert seen.reply(0.1, complete=True).body is not None


def test_a_stream_with_log_probabilities_is_replayed_with_them() -> None:
    words = ["Jane", " Austen", ", in", " 1815", "."]
    live = [chunk(ROLE)]
    live += [chunk({"content": w}, logprobs={"content": [token(w)], "refusal": None}) for w in words]
    live += [chunk({}, "stop")]
    seen = Seen("m")
    for one in (*live, USAGE):
        seen.add(one)
    reply = seen.reply(0.1, complete=True)
    assert reply.body is not None
    choice = reply.body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Jane Austen, in 1815.", "refusal": None}
    assert choice["logprobs"] == {"content": [token(w) for w in words], "refusal": None}
    assert reply.body["system_fingerprint"] == "fp"
    assert reply.deltas == (), "it can be made from the message"
    again = replay(reply, with_usage=False)
    assert [c.to_dict(mode="json")["choices"][0]["delta"] for c in again] == [
        c.to_dict(mode="json")["choices"][0]["delta"] for c in live
    ]
    assert [c.choices[0].logprobs for c in again] == [c.choices[0].logprobs for c in live]


def test_signed_thoughts_are_replayed_as_they_came() -> None:
    def block(**fields: Any) -> dict[str, Any]:
        return {"thinking_blocks": [{"type": "thinking", **fields}], "reasoning_content": fields.get("thinking", "")}

    deltas = [ROLE, block(thinking="A gree"), block(thinking="ting."), block(signature="Eq"), {"content": "Hi."}]
    seen = Seen("m")
    for one in [*(chunk(delta) for delta in deltas), chunk({}, "stop"), USAGE]:
        seen.add(one)
    reply = seen.reply(0.1, complete=True)
    assert reply.body is not None
    message = reply.body["choices"][0]["message"]
    assert message["thinking_blocks"] == [{"type": "thinking", "thinking": "A greeting.", "signature": "Eq"}]
    assert message["reasoning_content"] == "A greeting."
    assert reply.deltas
    again = [c.choices[0].delta.to_dict(mode="json") for c in replay(reply, with_usage=False)]
    assert naively(again) == naively(deltas)

"""Requests of Anthropic's Messages API, read and written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import host_scenes
import pytest

from greenai.values import Draft, Reply, Rung, Usage
from greenai.wire import dialect_of
from greenai.wire.messages import DIALECT

PATH = "/v1/messages"
ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": "Name a colour."}],
}


def drafted(body: dict[str, Any], **changes: Any) -> Draft:
    asked = DIALECT.read(PATH, body)
    rung = Rung(model=f"anthropic/{asked.model}")
    return replace(Draft(rung=rung, messages=tuple(asked.messages), arguments=asked.arguments), **changes)


def sent(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    path, written = DIALECT.written(PATH, body, DIALECT.read(PATH, body), drafted(body, **changes))
    assert path == PATH
    return written


@pytest.mark.parametrize(
    "path",
    ["/v1/messages", "/v1/messages/", "/anthropic/v1/messages"],
)
def test_its_path(path: str) -> None:
    assert dialect_of("POST", path) is DIALECT


@pytest.mark.parametrize(
    "path", ["/v1/messages/count_tokens", "/v1/messages/batches", "/v1/messages/batches/b1/cancel", "/v1/complete"]
)
def test_paths_that_ask_no_model(path: str) -> None:
    assert dialect_of("POST", path) is None


BODIES: dict[str, dict[str, Any]] = {
    "plain": ASKED,
    "every field": {
        **ASKED,
        "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        "stop_sequences": ["END"],
        "temperature": 0,
        "top_k": 5,
        "top_p": 0.9,
        "metadata": {"user_id": "u1"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        "tool_choice": {"type": "tool", "name": "f"},
        "service_tier": "auto",
        "stream": True,
    },
    "a tool loop with pictures": {
        **ASKED,
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "7"}, {"type": "text", "text": "And?"}]},
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_what_nothing_changed_is_sent_as_it_was_written(name: str) -> None:
    assert sent(BODIES[name]) == BODIES[name]


def test_a_tool_loop_is_read_as_openai_has_it() -> None:
    asked = DIALECT.read(PATH, BODIES["a tool loop with pictures"])
    assert asked.messages == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "7"},
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
    ]


def test_arguments_are_read_under_openais_names() -> None:
    asked = DIALECT.read(PATH, BODIES["every field"])
    assert asked.stream
    assert asked.arguments == {
        "max_tokens": 2000,
        "stop": ["END"],
        "temperature": 0,
        "top_p": 0.9,
        "metadata": {"user_id": "u1"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "service_tier": "auto",
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
                "strict": True,
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "extra_body": {"top_k": 5, "output_config": BODIES["every field"]["output_config"]},
    }


def test_a_tool_of_the_providers_stays_one() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search"}
    assert DIALECT.read(PATH, {**ASKED, "tools": [tool]}).arguments["tools"] == [tool]


@pytest.mark.parametrize(
    ("choice", "read"),
    [("auto", "auto"), ("any", "required"), ("none", "none"), ("later", {"type": "later"})],
)
def test_choices_of_tools(choice: str, read: object) -> None:
    assert DIALECT.read(PATH, {**ASKED, "tool_choice": {"type": choice}}).arguments["tool_choice"] == read


def test_changed_fields_are_written_under_their_own_names() -> None:
    body = {**ASKED, "stop_sequences": ["a"], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    arguments = {"max_tokens": 100, "stop": ["b"]}
    assert sent(body, arguments=arguments, extra={"output_config": {"effort": "low"}}) == {
        **ASKED,
        "max_tokens": 100,
        "stop_sequences": ["b"],
        "output_config": {"effort": "low"},
    }


def test_a_sentence_to_the_model_goes_into_system() -> None:
    more = {"role": "system", "content": "Be brief."}
    assert sent(ASKED, messages=(more, *ASKED["messages"])) == {**ASKED, "system": "Be brief."}
    body = BODIES["a tool loop with pictures"]
    before = drafted(body).messages
    assert sent(body, messages=({**before[0], "content": "Be kind.\n\nBe brief."}, *before[1:])) == {
        **body,
        "system": "Be kind.\n\nBe brief.",
    }
    blocks = BODIES["every field"]
    before = drafted(blocks).messages
    assert sent(blocks, messages=(before[0], more, *before[1:]))["system"] == [
        *blocks["system"],
        {"type": "text", "text": "Be brief."},
    ]


def test_a_changed_message_is_written_and_the_others_stay() -> None:
    body = BODIES["a tool loop with pictures"]
    before = drafted(body).messages
    written = sent(body, messages=(*before[:-1], {"role": "user", "content": "And now?"}))
    assert written["messages"] == [*body["messages"][:2], {"role": "user", "content": "And now?"}]


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        ("claude-haiku-4-5", "medium", {"thinking": {"type": "enabled", "budget_tokens": 1999}}),
        ("claude-haiku-4-5", "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("claude-opus-4-8", "medium", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
        ("claude-haiku-4-5", "none", {}),
    ],
)
def test_an_effort_is_written_as_the_model_has_it(model: str, effort: str, fields: dict[str, Any]) -> None:
    body = {**ASKED, "model": model}
    assert sent(body, arguments={"max_tokens": 2000, "reasoning_effort": effort}) == {**body, **fields}


@pytest.mark.parametrize("own", [{"temperature": 0.2}, {"max_tokens": 1024}])
def test_an_effort_that_the_apps_own_fields_rule_out_is_left_out(own: dict[str, Any]) -> None:
    body = {**ASKED, **own}
    arguments = {**DIALECT.read(PATH, body).arguments, "reasoning_effort": "medium"}
    assert sent(body, arguments=arguments) == body


def test_its_errors() -> None:
    error = {"type": "budget_exceeded", "message": "no"}
    assert DIALECT.refusal("budget_exceeded", "no") == {"type": "error", "error": error}


def test_a_completion_becomes_a_message() -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = {"choices": [{"message": {"content": "Wait.", "tool_calls": [call]}}]}
    usage = Usage(input_tokens=10, output_tokens=4, cached_tokens=3)
    reply = Reply(model="m", text="Wait.", finish_reason="tool_calls", usage=usage, latency_s=1, body=body)
    made = DIALECT.body(reply)
    assert made.pop("id").startswith("msg_")
    assert made == {
        **{name: value for name, value in host_scenes.message().items() if name != "id"},
        "model": "m",
        "content": [
            {"type": "text", "text": "Wait.", "citations": None},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {
            "input_tokens": 7,
            "output_tokens": 4,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 3,
        },
    }

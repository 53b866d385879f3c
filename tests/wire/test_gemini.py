"""Requests of Google's generateContent, read and written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from greenai.values import Draft, Reply, Rung, Usage
from greenai.wire import dialect_of
from greenai.wire.gemini import DIALECT

PATH = "/v1beta/models/gemini-2.5-flash:generateContent"
ASKED: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Name a colour."}]}]}
BODIES: dict[str, dict[str, Any]] = {
    "plain": ASKED,
    "every field": {
        **ASKED,
        "systemInstruction": {"role": "user", "parts": [{"text": "Be kind."}]},
        "generationConfig": {
            "temperature": 0,
            "topP": 0.9,
            "topK": 5,
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "candidateCount": 1,
            "seed": 7,
            "responseMimeType": "application/json",
            "thinkingConfig": {"thinkingBudget": 512},
        },
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "safetySettings": [{"category": "c", "threshold": "t"}],
        "cachedContent": "cachedContents/1",
    },
    "a tool loop with pictures": {
        "contents": [
            {"role": "user", "parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}, {"fileData": {"fileUri": "https://a.b/c"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "s"}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": 7}}}]},
        ]
    },
}  # fmt: skip


def drafted(body: dict[str, Any], path: str = PATH, **changes: Any) -> Draft:
    asked = DIALECT.read(path, body)
    rung = Rung(model=f"gemini/{asked.model}")
    return replace(Draft(rung=rung, messages=tuple(asked.messages), arguments=asked.arguments), **changes)


def sent(body: dict[str, Any], path: str = PATH, **changes: Any) -> dict[str, Any]:
    _, written = DIALECT.written(path, body, DIALECT.read(path, body), drafted(body, path, **changes))
    return written


@pytest.mark.parametrize(
    ("path", "model", "streams"),
    [
        (PATH, "gemini-2.5-flash", False),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "gemini-2.5-flash", True),
        ("/v1/projects/p/locations/l/publishers/google/models/gemini-3-pro:generateContent", "gemini-3-pro", False),
        ("/v1beta/tunedModels/mine-123:generateContent", "mine-123", False),
    ],
)
def test_its_path_names_the_model(path: str, model: str, *, streams: bool) -> None:
    assert dialect_of("POST", path) is DIALECT
    asked = DIALECT.read(path, ASKED)
    assert (asked.model, asked.stream) == (model, streams)
    assert DIALECT.written(path, ASKED, asked, drafted(ASKED, path)) == (path, ASKED)


@pytest.mark.parametrize("ending", ["countTokens", "embedContent", "batchGenerateContent", "predict"])
def test_paths_that_ask_no_model(ending: str) -> None:
    assert dialect_of("POST", f"/v1beta/models/gemini-2.5-flash:{ending}") is None


@pytest.mark.parametrize("name", BODIES)
def test_what_nothing_changed_is_sent_as_it_was_written(name: str) -> None:
    assert sent(BODIES[name]) == BODIES[name]


def test_arguments_are_read_under_openais_names() -> None:
    asked = DIALECT.read(PATH, BODIES["every field"])
    assert asked.messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Name a colour."},
    ]
    assert asked.arguments == {
        "temperature": 0,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop": ["END"],
        "n": 1,
        "seed": 7,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "required",
        "extra_body": {
            "safetySettings": [{"category": "c", "threshold": "t"}],
            "cachedContent": "cachedContents/1",
            "generationConfig": {
                "topK": 5,
                "responseMimeType": "application/json",
                "thinkingConfig": {"thinkingBudget": 512},
            },
        },
    }


def test_a_tool_loop_is_read_as_openai_has_it() -> None:
    call = {"name": "f", "arguments": '{"a": 1}'}
    assert DIALECT.read(PATH, BODIES["a tool loop with pictures"]).messages == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "part", "fileData": {"fileUri": "https://a.b/c"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "f", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "f", "content": '{"result": 7}'},
    ]


def test_a_tool_of_the_providers_stays_one() -> None:
    tools = DIALECT.read(PATH, {**ASKED, "tools": [{"googleSearch": {}}]}).arguments["tools"]
    assert tools == [{"type": "googleSearch", "googleSearch": {}}]


def test_functions_that_are_allowed_by_name_stay_as_they_are() -> None:
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}
    assert DIALECT.read(PATH, {**ASKED, "toolConfig": config}).arguments["tool_choice"] == config


def test_changed_fields_are_written_under_their_own_names() -> None:
    body = BODIES["every field"]
    arguments = {**DIALECT.read(PATH, body).arguments, "max_tokens": 50, "reasoning_effort": "none"}
    del arguments["temperature"]
    arguments["extra_body"] = {**arguments["extra_body"], "generationConfig": {"topK": 5}}
    config = sent(body, arguments=arguments)["generationConfig"]
    assert config == {
        "topP": 0.9,
        "topK": 5,
        "maxOutputTokens": 50,
        "stopSequences": ["END"],
        "candidateCount": 1,
        "seed": 7,
        "thinkingConfig": {"thinkingBudget": 0},
    }


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "minimal", {"thinkingBudget": 128}),
        ("gemini-3.5-flash", "minimal", {"thinkingLevel": "minimal"}),
        ("gemini-3-pro", "low", {"thinkingLevel": "low"}),
    ],
)
def test_an_effort_is_written_as_the_model_has_it(model: str, effort: str, fields: dict[str, Any]) -> None:
    path = f"/v1beta/models/{model}:generateContent"
    written = sent(ASKED, path, arguments={"reasoning_effort": effort})
    assert written == {**ASKED, "generationConfig": {"thinkingConfig": fields}}


def test_another_model_is_named_in_the_path() -> None:
    asked = DIALECT.read(PATH, ASKED)
    draft = drafted(ASKED, rung=Rung(model="gemini/gemini-2.5-flash-lite"))
    path, _ = DIALECT.written(PATH, ASKED, asked, draft)
    assert path == "/v1beta/models/gemini-2.5-flash-lite:generateContent"


def test_a_sentence_to_the_model_goes_into_the_system_instruction() -> None:
    before = drafted(ASKED).messages
    assert sent(ASKED, messages=({"role": "system", "content": "Be brief."}, *before)) == {
        **ASKED,
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    written = sent(ASKED, messages=({"role": "user", "content": "Name two."},))
    assert written == {"contents": [{"role": "user", "parts": [{"text": "Name two."}]}]}


def test_its_errors() -> None:
    error = {"code": 403, "message": "no", "status": "BUDGET_EXCEEDED"}
    assert DIALECT.refusal("budget_exceeded", "no") == {"error": error}


def test_a_completion_becomes_a_response() -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = {"choices": [{"message": {"content": "Wait.", "tool_calls": [call]}}]}
    usage = Usage(input_tokens=10, output_tokens=4)
    reply = Reply(model="m", text="Wait.", finish_reason="tool_calls", usage=usage, latency_s=1, body=body)
    made = DIALECT.body(reply)
    assert made.pop("responseId")
    parts = [{"text": "Wait."}, {"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}}]
    assert made == {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14},
        "modelVersion": "m",
    }

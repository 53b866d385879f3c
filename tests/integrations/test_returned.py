"""What functions return is read by the library that made it, and made anew from JSON by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import BaseModel

from greenai.integrations import returned
from tests.servers import completion_body

MESSAGE = Message.construct(
    id="m", type="message", role="assistant", model="claude-haiku-4-5", content=[{"type": "text", "text": "Hello."}],
    stop_reason="end_turn", stop_sequence=None, usage={"input_tokens": 10, "output_tokens": 4},
)  # fmt: skip
RESPONSE = Response.construct(
    id="r", object="response", created_at=1, model="gpt-5.5", status="completed",
    output=[{"type": "message", "id": "x", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]}],
    usage={"input_tokens": 10, "output_tokens": 4, "total_tokens": 14},
)  # fmt: skip
GOOGLE = GenerateContentResponse.model_validate(
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello."}]}, "finishReason": "STOP"}],
        "modelVersion": "gemini-2.5-flash",
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4},
    }
)
COMPLETION = ChatCompletion.construct(
    **completion_body("Hello.", {"prompt_tokens": 10, "completion_tokens": 4}, model="gpt-5.5")
)


@pytest.mark.parametrize(
    ("value", "model"),
    [
        (COMPLETION, "gpt-5.5"),
        (MESSAGE, "claude-haiku-4-5"),
        (RESPONSE, "gpt-5.5"),
        (GOOGLE, "gemini-2.5-flash"),
        (completion_body("Hello.", {"prompt_tokens": 10, "completion_tokens": 4}), "scripted-model"),
    ],
    ids=["completion", "message", "response", "google", "json"],
)
def test_a_providers_response_says_its_model_text_and_tokens(value: Any, model: str) -> None:
    reply = returned.read(value, "another", 0.5)
    assert reply is not None
    assert (reply.model, reply.text, reply.finish_reason, reply.latency_s) == (model, "Hello.", "stop", 0.5)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (10, 4)
    assert reply.body is not None
    again = returned.again(reply.body)
    assert type(again) is type(value)
    assert again == value


@pytest.mark.parametrize("value", ["Hello.", {"label": "good"}, ["a", 1], 3.5])
def test_text_and_json_are_their_own_text(value: Any) -> None:
    reply = returned.read(value, "gpt-5.5", 0.0)
    assert reply is not None
    assert (reply.model, reply.usage.output_tokens) == ("gpt-5.5", None)
    assert reply.body is not None
    assert returned.again(reply.body) == value


@pytest.mark.parametrize("value", [None, True, b"bytes", object(), {"set": {1}}, [object()]])
def test_anything_else_says_nothing(value: object) -> None:
    assert returned.read(value, "gpt-5.5", 0.0) is None


def test_an_apps_own_class_is_never_made_from_a_cache() -> None:
    class Own(BaseModel):
        choices: list[Any]
        usage: dict[str, int]

    own = Own(choices=[{"message": {"content": "Hello."}, "finish_reason": "stop"}], usage={"prompt_tokens": 3})
    reply = returned.read(own, "gpt-5.5", 0.0)
    assert reply is not None
    assert (reply.text, reply.body, reply.native.value) == ("Hello.", None, own)
    with pytest.raises(ValueError, match="os is no library of a provider"):
        returned.again({"wire": {"form": "os:system", "value": {}}})


def test_chunks_and_text_make_one_reply() -> None:
    reply = returned.read_stream(["Hel", "lo."], "gpt-5.5", 0.0, complete=False)
    assert reply is not None
    assert (reply.text, reply.complete, reply.body) == ("Hello.", False, None)
    assert returned.read_stream([object()], "gpt-5.5", 0.0, complete=True) is None
    assert returned.read_stream([], "gpt-5.5", 0.0, complete=True) is None

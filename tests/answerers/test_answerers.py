"""Where a tool may answer: through ask whenever it is sure, through create only a plain request."""

from __future__ import annotations

from typing import Any

import pytest

from greenai.answerers import answer
from greenai.classify import Classifier
from greenai.values import Options, Request, Transport

QUESTION = "What is 18% of 240?"


def request(entry: Any, *messages: Any, floor: str | None = None, **arguments: Any) -> Request:
    return Request(
        call_id="c1",
        entry=entry,
        model=None,
        messages=messages or ({"role": "user", "content": QUESTION},),
        arguments=arguments,
        stream=False,
        transport=Transport(timeout_s=10),
        options=Options(),
        deadline=0.0,
        namespace="n",
        floor=floor,
    )


def answered(asked: Request) -> str | None:
    found = answer(asked, Classifier().assess(asked.messages))
    return None if found is None else found.reply.text


USER = {"role": "user", "content": QUESTION}
SYSTEM = {"role": "system", "content": "You are a bank clerk."}


@pytest.mark.parametrize("entry", ["ask", "create"])
def test_plain_question_is_answered(entry: str) -> None:
    assert answered(request(entry)) == "43.2"


def test_reply_has_the_shape_of_a_chat_completion() -> None:
    asked = request("create")
    found = answer(asked, Classifier().assess(asked.messages))
    assert found is not None
    reply = found.reply
    body = dict(reply.body or {})
    assert body.pop("created") > 0
    assert body == {
        "id": "chatcmpl-c1",
        "object": "chat.completion",
        "model": "greenai/calc",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "43.2", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.estimated) == (0, 0, False)


def test_system_prompt_binds_create_but_not_ask() -> None:
    assert answered(request("ask", SYSTEM, USER)) == "43.2"
    assert answered(request("create", SYSTEM, USER)) is None


@pytest.mark.parametrize("entry", ["ask", "create"])
def test_earlier_turns_are_left_to_a_model(entry: str) -> None:
    assert answered(request(entry, USER, {"role": "assistant", "content": "43.2"}, USER)) is None


@pytest.mark.parametrize("entry", ["ask", "create"])
@pytest.mark.parametrize(
    "arguments", [{"tools": [{}]}, {"response_format": {"type": "json_object"}}, {"n": 2}, {"stop": "4"}]
)
def test_arguments_that_set_the_form_are_left_to_a_model(entry: str, arguments: dict[str, Any]) -> None:
    assert answered(request(entry, **arguments)) is None


@pytest.mark.parametrize("entry", ["ask", "create"])
def test_picture_beside_the_question_is_left_to_a_model(entry: str) -> None:
    text, image = {"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": "data:,"}}
    assert answered(request(entry, {"role": "user", "content": [text]})) == "43.2"
    assert answered(request(entry, {"role": "user", "content": [text, image]})) is None


def test_escalation_is_left_to_a_model() -> None:
    assert answered(request("ask", floor="greenai/calc")) is None

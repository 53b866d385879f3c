"""Whether a reply suffices: by its form, and by how sure the model was."""

from __future__ import annotations

from typing import Any

import pytest

from greenai.route import suffices, unsure
from greenai.values import Options, Reply, Request, Transport, Usage


def request(**given: Any) -> Request:
    return Request(
        call_id="c",
        entry="create",
        model=None,
        messages=({"role": "user", "content": "Hello?"},),
        arguments=given,
        stream=False,
        transport=Transport(timeout_s=1),
        options=Options(),
        deadline=0.0,
        namespace="n",
    )


def reply(text: str = "Paris.", finish: str = "stop", **named: Any) -> Reply:
    return Reply(model="m", text=text, finish_reason=finish, usage=Usage(), latency_s=0.1, **named)


def test_complete_reply_suffices() -> None:
    assert suffices(reply(), request()) == (True, "the reply is complete")


@pytest.mark.parametrize(
    ("given", "asked", "why"),
    [
        (reply("  "), request(), "the reply is empty"),
        (reply(finish="length"), request(), "the reply reached the model's length limit"),
        (reply(finish="content_filter"), request(), "the model refused"),
        (reply("I'm sorry, but I can't help with that."), request(), "the model refused"),
        (reply("I cannot assist with this request."), request(), "the model refused"),
        (reply(complete=False), request(), "the reply was cut"),
        (
            reply("{not json"),
            request(response_format={"type": "json_object"}),
            "the reply is not the JSON that response_format asks for",
        ),
        (reply("", body={"choices": [{"message": {"refusal": "No."}}]}), request(), "the model refused"),
    ],
)
def test_what_does_not_suffice(given: Reply, asked: Request, why: str) -> None:
    assert suffices(given, asked) == (False, why)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (reply("", tool_calls=True, finish="tool_calls"), request(tools=[{}])),
        (reply(finish="length"), request(max_tokens=3)),
        (reply(finish="length"), request(max_completion_tokens=3)),
        (reply('{"a": 1}'), request(response_format={"type": "json_object"})),
        (reply("Sorry is a word that begins many refusals."), request()),
        (reply("I'm sorry, but I can't help with that. " + "Here is what I know instead. " * 20), request()),
    ],
)
def test_what_suffices(given: Reply, asked: Request) -> None:
    assert suffices(given, asked)[0]


# --- how sure the model was -----------------------------------------------------------------


def test_unlikely_tokens_make_an_answer_unsure() -> None:
    assert unsure(reply(token_logprobs=(-0.1, -1.5))) == (
        "the model was unsure of it (mean token log-probability -0.80, below -0.60)"
    )


@pytest.mark.parametrize(
    "given",
    [reply(), reply(token_logprobs=(-0.1, -1.0)), reply(token_logprobs=(-3.0,), tool_calls=True)],
)
def test_likely_tokens_no_tokens_and_tool_calls_are_not_unsure(given: Reply) -> None:
    assert unsure(given) is None

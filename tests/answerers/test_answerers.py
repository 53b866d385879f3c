"""Where a tool may answer: through ask whenever it is sure, through create only a plain request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai.answerers import Found, answer, built_in
from greenai.answerers.wording import words
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
    found = answer(asked)
    return None if found is None else found.reply.text


USER = {"role": "user", "content": QUESTION}
SYSTEM = {"role": "system", "content": "You are a bank clerk."}


@pytest.mark.parametrize("entry", ["ask", "create"])
def test_plain_question_is_answered(entry: str) -> None:
    assert answered(request(entry)) == "43.2"


def test_reply_has_the_shape_of_a_chat_completion() -> None:
    asked = request("create")
    found = answer(asked)
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


# --- built-in tools as one ------------------------------------------------------------------

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def asked_at_noon(entry: str, text: str) -> Found | None:
    asked = request(entry, {"role": "user", "content": text})
    return answer(asked, lambda: NOON)


def test_the_tool_its_working_and_the_way_around_it_are_told() -> None:
    found = asked_at_noon("create", "How many feet are in a mile?")
    assert found is not None
    assert found.reply.text == "5280 ft"
    assert found.reasons == (
        "greenai/units understands the whole question and answered it; no model was asked.",
        "Working: 1 mi = 5280 ft",
        "To have a model answer instead: client.with_options(substitute=False).",
    )


def test_what_holds_only_for_now_is_answered_through_ask_alone() -> None:
    found = asked_at_noon("ask", "What time is it in Tokyo?")
    assert found is not None
    assert found.reply.text == "21:00 (JST, UTC+09:00) on Saturday 21 November 2026"
    assert found.reasons[0] == (
        "greenai/clock understands the whole question and answered it; no model was asked. "
        "The answer holds for now and is not stored."
    )
    assert asked_at_noon("create", "What time is it in Tokyo?") is None
    assert asked_at_noon("create", "What date is 3 days from today?") is None


CHAT = [
    "My flight leaves at 10:45 and takes 2 hours 30 minutes. What should I pack for 3 days in Rome?",
    "Write a 500 word essay on the 1969 moon landing, with 3 headings.",
    "I bought 3 shirts at $20 each and 2 hats at 15% off. Was that a good idea?",
    "Explain why 0.1 + 0.2 is not 0.3 in Python.",
    "Translate to French: the meeting is on 4 July 2024 at 3pm in London.",
    "What happened on July 20, 1969?",
    "Is 5 miles a long run for a beginner?",
    "How many calories should I eat in a day?",
    "Sort these emails by importance: 1) invoice, 2) newsletter",
    "Which is better, Python 3.11 or 3.9?",
    "Convert this recipe for 4 people to 6 people: 2 cups of flour, 3 eggs",
    "What time should I leave to be at work by 9 am?",
    "Name 10 facts about the number 7.",
    "Fix this JSON: {'a': 1}",
    "How many days does it take to get a visa for Japan?",
]


@pytest.mark.parametrize("text", CHAT)
def test_text_that_merely_contains_numbers_is_left_to_a_model(text: str) -> None:
    assert built_in(text) is None


PIECES = st.sampled_from(
    sorted(
        words(
            "what is how many which larger 9.9 9.11 and or in to of the is are a 5 km miles ounces cup % 12 + - * / ( ) ? . : , "
            "july 4 2024 days between time tokyo 3pm london sort [ ] \" ' { } json valid regex match hex binary roman xiv 0xff "
            "letters word average half million one hundred °c f 1/2 1,000 today tomorrow leap year minus prime divisible by"
        )
    )
)


@given(st.lists(PIECES, max_size=25).map(" ".join) | st.text(max_size=200))
@settings(max_examples=1000, deadline=None)
def test_any_text_gives_an_answer_or_none(text: str) -> None:
    found = built_in(text, lambda: NOON)
    assert found is None or (found[1].text and found[1].working and "\n" not in found[1].working)

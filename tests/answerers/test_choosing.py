"""Which requests let one of a closed list be picked, and how a small model's word is calibrated."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pydantic
import pytest

from greenai.answerers.choosing import MOST_CHARS, TRIED, Chooser, ClosedList, agreed, calibrated, closed_list, spoken
from greenai.testing import offline
from greenai.values import Request

LABELS = ["play_music", "get_weather"]
USER = {"role": "user", "content": "some jazz"}
SYSTEM = {"role": "system", "content": "What is it about?"}


class Topic(enum.Enum):
    MUSIC = "music"
    WEATHER = "weather"


class Named(pydantic.BaseModel):
    topic: Topic


class Literally(pydantic.BaseModel):
    topic: Literal["music", "weather"]


class More(pydantic.BaseModel):
    topic: Literal["music", "weather"]
    why: str


class Optional(pydantic.BaseModel):
    topic: Literal["music", "weather"] = "music"


def form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "picked", "schema": schema}}


def picking(labels: list[Any]) -> dict[str, Any]:
    one = {"topic": {"type": "string", "enum": labels}}
    return form({"type": "object", "properties": one, "required": ["topic"], "additionalProperties": False})


def request(*messages: dict[str, Any], **arguments: Any) -> Request:
    with offline() as client:
        given = {"response_format": picking(LABELS), **arguments}
        return client._session.request("create", messages or [SYSTEM, USER], None, stream=False, arguments=given)


def found(*messages: dict[str, Any], **arguments: Any) -> ClosedList:
    listed = closed_list(request(*messages, **arguments))
    assert listed is not None
    return listed


def test_an_enum_as_the_only_field_is_a_closed_list() -> None:
    listed = found()
    assert listed == ClosedList(labels=tuple(LABELS), field="topic", task="What is it about?", text="some jazz")
    assert listed.systems == ("What is it about? Answer with one of: play music, get weather.", "What is it about?")
    assert listed.answer("play_music") == '{"topic": "play_music"}'


def test_without_a_system_prompt_the_list_is_all_that_is_said() -> None:
    assert found(USER).systems == ("Answer with one of: play music, get weather.", "")


def test_a_schema_that_is_the_list_itself_is_answered_with_a_label() -> None:
    listed = found(response_format=form({"enum": LABELS}))
    assert (listed.field, listed.answer("play_music")) == (None, '"play_music"')


@pytest.mark.parametrize("model", [Named, Literally])
def test_what_pydantic_makes_of_a_literal_or_an_enum_is_one(model: type[pydantic.BaseModel]) -> None:
    listed = found(response_format=form(model.model_json_schema()))
    assert (listed.field, listed.labels) == ("topic", ("music", "weather"))


@pytest.mark.parametrize(
    "schema",
    [
        More.model_json_schema(),
        Optional.model_json_schema(),
        {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]},
        {"type": "object"},
        {"enum": ["one"]},
        {"enum": ["play_music", "PlayMusic"]},
        {"enum": ["a", ""]},
        {"enum": ["a", 1]},
        {"enum": [str(n) for n in range(21)]},
        {"enum": ["a", "b" * 61]},
        {"$ref": "#/$defs/nothing"},
        {},
    ],
)
def test_another_schema_is_none(schema: dict[str, Any]) -> None:
    assert closed_list(request(response_format=form(schema))) is None


@pytest.mark.parametrize("response_format", [{"type": "json_object"}, {"type": "text"}, None])
def test_another_form_is_none(response_format: Any) -> None:
    assert closed_list(request(response_format=response_format)) is None


@pytest.mark.parametrize(
    "arguments", [{"n": 2}, {"logprobs": True}, {"tools": []}, {"stop": "x"}, {"greenai": {"quality": "high"}}]
)
def test_what_else_shapes_the_answer_leaves_it_to_a_model(arguments: dict[str, Any]) -> None:
    assert closed_list(request(**arguments)) is None


@pytest.mark.parametrize(
    "messages",
    [
        [USER, {"role": "assistant", "content": "what?"}, USER],
        [{"role": "user", "content": [{"type": "text", "text": "some jazz"}]}],
        [{"role": "user", "content": "  "}],
        [{"role": "user", "content": "a" * (MOST_CHARS + 1)}],
        [SYSTEM],
    ],
)
def test_other_messages_are_left_to_a_model(messages: list[dict[str, Any]]) -> None:
    assert closed_list(request(*messages)) is None


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("card_arrival", "card arrival"),
        ("CardArrival", "card arrival"),
        ("Top-up failed", "top up failed"),
        ("USD", "USD"),
        ("A", "A"),
        ("_", "_"),
    ],
)
def test_a_label_is_told_in_words(label: str, words: str) -> None:
    assert spoken(label) == words


def test_what_is_said_of_nothing_is_divided_out() -> None:
    assert calibrated([0.6, 0.4], [[0.8, 0.2], [2.0, 2.0]]) == pytest.approx([0.4468085106, 0.5531914894])
    assert calibrated([0.6, 0.4], []) == pytest.approx([0.6, 0.4])


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([[0.2, 0.8]], (1, 0.8)),
        ([[0.1, 0.9], [0.2, 0.8]], (1, 0.72 / 0.74)),
        ([[0.4, 0.6], [0.9, 0.1]], (0, 0.4)),
        ([[0.0, 0.0], [0.0, 0.0]], (0, 0.0)),
    ],
)
def test_readings_that_agree_strengthen_each_other(readings: list[list[float]], expected: tuple[int, float]) -> None:
    at, probability = agreed(readings)
    assert (at, probability) == (expected[0], pytest.approx(expected[1]))


def test_what_was_never_sure_is_hopeless_after_a_while() -> None:
    chooser = Chooser(model="local/smollm2-135m")
    form = chooser.form(found())
    form.asked = TRIED - 1
    assert not form.is_hopeless
    form.asked = TRIED
    assert chooser.form(found()).is_hopeless
    form.sure = 1
    assert not form.is_hopeless

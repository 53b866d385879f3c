"""A function that is itself the call: a distilled task model answers for it, in its form, and is compared with it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
import task_files
from openai.types.chat import ChatCompletion

from greenai import InvalidRequest, green, last_receipt
from greenai.answerers.skeleton import Part, Template
from greenai.integrations.decorated import session_of
from greenai.integrations.slots import filled

LATE = "my delivery has not arrived"
TWO = Template(parts=(Part(role="user", literals=("In the language ", ", which department? Message: ", "")),))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return task_files.write(tmp_path / "department.greenai")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    settings = {"ledger": str(tmp_path / "ledger.db")}
    session_of(settings).resources.shelf._draw = lambda: 0.999
    return settings


def counts(settings: dict[str, Any]) -> dict[str, Any]:
    resources = session_of(settings).resources
    resources.shelf.flush()
    found = resources.ledger.all_distilled()
    return {name: n for row in found for name, n in row.items() if isinstance(n, int) and n and name in COUNTED}


COUNTED = ("answered", "abstained", "shadow_same", "shadow_other", "audit_same", "audit_other")


def completion(said: str) -> ChatCompletion:
    message = {"role": "assistant", "content": said}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    usage = {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32}
    return ChatCompletion.model_validate(
        {"id": "1", "created": 1, "model": "gpt-5.5", "object": "chat.completion", "choices": choices, "usage": usage}
    )


def test_a_text_fills_the_one_slot_and_the_function_is_not_called(file: Path, settings: dict[str, Any]) -> None:
    asked: list[str] = []

    @green(distil=file, distil_mode="on", settings=settings)
    def department(text: str) -> str:
        asked.append(text)
        return "Delivery."

    assert department(LATE) == "Delivery."  # the first answer is audited
    assert department(f"{LATE} yet") == "delivery"
    assert asked == [LATE]
    receipt = last_receipt(department)
    assert receipt is not None
    assert receipt.outcome == "task_model"
    assert counts(settings) == {"answered": 2, "audit_same": 1}


def test_in_shadow_the_function_answers_and_both_are_compared(file: Path, settings: dict[str, Any]) -> None:
    @green(distil=file, settings=settings)
    def department(text: str) -> str:
        return "Refund." if "money" in text else "Password."

    assert department("I want my money back") == "Refund."
    assert department(LATE) == "Password."
    assert counts(settings) == {"shadow_same": 1, "shadow_other": 1}


def test_what_it_is_not_sure_of_is_the_functions(file: Path, settings: dict[str, Any]) -> None:
    @green(distil=file, distil_mode="on", settings=settings)
    def department(text: str) -> str:
        return f"asked: {text}"

    assert department("the meaning of life, dear philosopher") == "asked: the meaning of life, dear philosopher"
    assert counts(settings) == {"abstained": 1}


def test_an_awaited_one_and_a_whole_prompt(file: Path, settings: dict[str, Any]) -> None:
    @green(distil=file, distil_mode="on", settings=settings)
    async def department(prompt: str) -> str:
        return "Delivery."

    (message,) = task_files.prompt(LATE)
    assert asyncio.run(department(message["content"])) == "Delivery."
    assert asyncio.run(department(message["content"])) == "delivery"


def test_messages_and_a_response_in_its_own_class(file: Path, settings: dict[str, Any]) -> None:
    @green(distil=file, distil_mode="on", settings=settings)
    def reply(messages: list[Any], model: str = "gpt-5.5") -> Any:
        return completion("Delivery.")

    messages = task_files.prompt(LATE)
    said = [reply(messages) for _ in range(3)]  # the first shows what it returns, the second one is audited
    assert [one.choices[0].message.content for one in said] == ["Delivery.", "Delivery.", "delivery"]
    assert isinstance(said[-1], ChatCompletion)
    assert said[-1].greenai.outcome == "task_model"
    assert said[-1].model.startswith("greenai/distilled:department@")
    assert said[-1].usage is not None
    assert said[-1].usage.total_tokens == 0
    assert counts(settings) == {"answered": 2, "audit_same": 1}


def test_what_returns_neither_text_nor_a_response_is_left_alone(
    file: Path, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    @green(distil=file, distil_mode="on", settings=settings)
    def department(text: str) -> Any:
        return {"department": "delivery"}

    with caplog.at_level(logging.WARNING, logger="greenai"):
        assert [department(LATE) for _ in range(3)] == [{"department": "delivery"}] * 3
    assert counts(settings) == {}
    (told,) = caplog.messages
    assert told.endswith(
        ": it returns dict, of which no task model's answer can be made, so none answers its calls. Annotate what it "
        "returns: str, int, float, bool, Literal, an Enum, dict, list or a pydantic model."
    )


def test_arguments_are_named_where_there_are_several(tmp_path: Path, settings: dict[str, Any]) -> None:
    file = task_files.write(tmp_path / "two.greenai", template=TWO.to_json(), familiar=-1.0, threshold=0.0)

    @green(distil=file, distil_mode="on", distil_slots=("language", "text"), settings=settings)
    def department(text: str, language: str = "English", *, model: str = "gpt-5.5") -> str:
        return "Delivery."

    assert [department(LATE) for _ in range(2)] == ["Delivery.", "delivery"]
    assert filled(TWO, {"text": LATE, "language": "English"}, ("language", "text")) == [
        {"role": "user", "content": f"In the language English, which department? Message: {LATE}"}
    ]
    with pytest.raises(ValueError, match=r"^This template has 2 slots, and 1 texts were given\.$"):
        TWO.filled(["English"])
    assert filled(TWO, {"text": "x", "language": "a, which department? Message: b"}, ("language", "text")) is None


def test_wrong_names_are_refused_where_it_is_decorated(file: Path) -> None:
    def department(text: str, language: str) -> str:
        return text + language

    with pytest.raises(InvalidRequest) as refused:
        green(distil=file, distil_slots="words")(department)
    assert str(refused.value) == (
        "distil_slots names 'words', and the function takes text, language. Name those of its arguments whose texts "
        "fill the template, in its order."
    )
    with pytest.raises(InvalidRequest) as refused:
        green(distil=file, distil_slots=("text", "language"))(department)
    assert str(refused.value) == (
        "distil_slots names 2 arguments, and the template of department.greenai has 1 slots: user: Which department is "
        "this message for? Answer with one word. Message: {1} Department:. Name one argument for each slot, in this "
        "order."
    )
    with pytest.raises(InvalidRequest, match=r"^distil_slots says how a task model's template is filled: pass distil="):
        green(distil_slots="text")


def test_arguments_that_fill_nothing_are_told_once(
    file: Path, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    @green(distil=file, distil_mode="on", settings=settings)
    def department(text: str, language: str) -> str:
        return "Delivery."

    with caplog.at_level(logging.WARNING, logger="greenai"):
        assert [department(LATE, "English") for _ in range(2)] == ["Delivery."] * 2
    (told,) = caplog.messages
    assert told.endswith(
        ": department.greenai does not answer its calls: its template has 1 slots, and the texts that the function is "
        "given are text, language. Name those that fill it, in its order: distil_slots=(...)."
    )

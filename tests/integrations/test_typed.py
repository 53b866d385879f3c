"""A function that returns a type of its own: a task model answers with its values, and is compared by them."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import task_files
from pydantic import BaseModel

from greenai import green, last_receipt
from greenai.integrations.decorated import session_of
from greenai.integrations.typed import TEXT, Typed, Untyped, typed

LATE, MONEY = "my delivery has not arrived", "I want my money back"


class Department(enum.Enum):
    REFUND = 1
    DELIVERY = 2
    PASSWORD = 3


class Plain(enum.StrEnum):
    REFUNDS = "Refund"
    DELIVERIES = "Delivery"
    PASSWORDS = "Password"


class Sorted(BaseModel):
    department: str


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    settings = {"ledger": str(tmp_path / "ledger.db")}
    session_of(settings).resources.shelf._draw = lambda: 0.999
    return settings


def returning(annotation: Any, value: object = None) -> Callable[[str], Any]:
    def function(text: str) -> Any:
        del text
        return value

    function.__annotations__["return"] = annotation
    return function


def file_of(path: Path, *labels: str, **header: Any) -> Path:
    return task_files.write(path / "department.greenai", labels=[*labels], **header)


@pytest.mark.parametrize(
    ("annotation", "labels", "value"),
    [
        (int, ("5", "2", "7"), 2),
        (float, ("0.5", "1.5", "3"), 1.5),
        (bool, ("Yes.", "no"), False),
        (Literal["refund", "delivery", "password"], ("Refund", "Delivery.", "password"), "delivery"),
        (Literal[1, 2, 3] | None, ("1", "2", "3"), 2),
        (Department, task_files.LABELS, Department.DELIVERY),
        (Plain | None, task_files.LABELS, Plain.DELIVERIES),
        (Annotated[dict[str, str], "sorted"], ('{"a": "x"}', '{"a": "y"}', '{"a": "z"}'), {"a": "y"}),
        (Sorted, tuple(f'{{"department": "{one}"}}' for one in task_files.LABELS), Sorted(department="delivery")),
    ],
)
def test_labels_are_values_of_the_type(
    annotation: Any, labels: tuple[str, ...], value: object, settings: dict[str, Any], tmp_path: Path
) -> None:
    file = file_of(tmp_path, *labels)
    asked: list[str] = []

    def department(text: str) -> Any:
        asked.append(text)
        return value

    department.__annotations__["return"] = annotation
    decorated = green(distil=file, distil_mode="on", settings=settings)(department)
    assert decorated(LATE) == value  # the first answer is audited
    found = decorated(f"{LATE} yet")
    assert (found, type(found)) == (value, type(value))
    assert asked == [LATE]
    receipt = last_receipt(decorated)
    assert receipt is not None
    assert receipt.outcome == "task_model"
    assert counts(settings) == {"answered": 2, "audit_same": 1}
    assert not hasattr(found, "greenai")


def counts(settings: dict[str, Any]) -> dict[str, Any]:
    resources = session_of(settings).resources
    resources.shelf.flush()
    named = ("answered", "abstained", "shadow_same", "shadow_other", "audit_same", "audit_other")
    return {name: row[name] for row in resources.ledger.all_distilled() for name in named if row[name]}


def test_in_shadow_values_are_compared_as_labels(settings: dict[str, Any], tmp_path: Path) -> None:
    @green(distil=file_of(tmp_path, *task_files.LABELS), settings=settings)
    def department(text: str) -> Department:
        return Department.REFUND if "money" in text else Department.PASSWORD

    assert department(MONEY) is Department.REFUND
    assert department(LATE) is Department.PASSWORD
    assert counts(settings) == {"shadow_same": 1, "shadow_other": 1}


def test_an_awaited_one_answers_with_its_type(settings: dict[str, Any], tmp_path: Path) -> None:
    @green(distil=file_of(tmp_path, *task_files.LABELS), distil_mode="on", settings=settings)
    async def department(text: str) -> Department:
        return Department.DELIVERY

    assert asyncio.run(department(LATE)) is Department.DELIVERY
    assert asyncio.run(department(f"{LATE} yet")) is Department.DELIVERY
    assert counts(settings) == {"answered": 2, "audit_same": 1}


def test_what_is_not_known_before_a_call_is_left_open(tmp_path: Path) -> None:
    file = file_of(tmp_path, *task_files.LABELS)
    assert typed(returning(str), file) == TEXT
    assert typed(returning("str"), file) == TEXT
    assert typed(returning(str | None), file) == TEXT
    for annotation in (None, Any, object, "Nowhere"):
        assert typed(returning(annotation), file) is None
    file.write_text("no task model")
    assert typed(returning(int), file) is None  # whoever asks it says why


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (int, "it returns int, and the label 'refund' of department.greenai is none of its values."),
        (bool, "it returns bool, and the label 'refund' of department.greenai is none of its values."),
        (
            tuple[str, int],
            (
                "it returns tuple, which no label can be read as. Annotate it with str, int, float, bool, Literal, an "
                "Enum, dict, list or a pydantic model, and make of that what else it is to be outside of it."
            ),
        ),
    ],
)
def test_what_cannot_be_read_is_told_where_it_is_decorated(
    annotation: Any, why: str, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = file_of(tmp_path, *task_files.LABELS)
    assert typed(returning(annotation), file) == Untyped(why=why)
    with caplog.at_level(logging.WARNING, logger="greenai"):
        function = green(distil=file, distil_mode="on", settings=settings)(returning(annotation, 5))
    (told,) = caplog.messages
    assert told.endswith(f": department.greenai does not answer its calls: {why}")
    assert [function(LATE) for _ in range(3)] == [5, 5, 5]
    assert len(caplog.messages) == 1
    assert counts(settings) == {}


@pytest.mark.parametrize(("annotation", "value"), [(Literal["x", "y"], "x"), (Plain, Plain.REFUNDS)])
def test_text_that_it_returned_makes_no_answer_of_another_type(
    annotation: Any, value: object, settings: dict[str, Any], tmp_path: Path
) -> None:
    file = file_of(tmp_path, "a", "b", "c")
    function = green(distil=file, distil_mode="on", settings=settings)(returning(annotation, value))
    assert [function(text) for text in (LATE, MONEY, LATE + " yet", MONEY + " now")] == [value] * 4
    assert counts(settings) == {}


def test_two_labels_of_one_value_are_told_apart_by_nobody(tmp_path: Path) -> None:
    found = typed(returning(bool), file_of(tmp_path, "yes", "no", "true"))
    assert found == Untyped(
        why="it returns bool, and two labels of department.greenai would be the same: 'true' is one."
    )


def test_numbers_on_a_scale_are_read_as_numbers() -> None:
    from greenai.integrations.typed import _fitted, _number

    whole = _fitted(_number(int), int, {"kind": "score", "decimals": 0}, "risk.greenai")
    assert isinstance(whole, Typed)
    assert whole.value("Score: 75%") == 75
    assert whole.text(75) == "75"
    assert isinstance(_fitted(_number(int), int, {"kind": "score", "decimals": 1}, "risk.greenai"), Untyped)
    copied = _fitted(_number(int), int, {"kind": "span"}, "order.greenai")
    assert copied == Untyped(
        why="order.greenai copies words of a text, and it returns int. Annotate it with str, and read its text outside."
    )


def test_a_file_that_was_replaced_meanwhile_has_the_function_called(settings: dict[str, Any], tmp_path: Path) -> None:
    file = file_of(tmp_path, "1", "2", "3")

    @green(distil=file, distil_mode="on", settings=settings)
    def department(text: str) -> int:
        return 2

    file_of(tmp_path, *task_files.LABELS)
    assert [department(f"{LATE} {n}") for n in range(2)] == [2, 2]

"""instructor over a wrapped client, on a real socket; `make frameworks` installs it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

pytest.importorskip("instructor")

import instructor
from frameworks import MODEL, calls
from pydantic import BaseModel
from servers import Scripted, answer

from greenai import BudgetExceeded, collecting, wrap

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("left_open_by_others"),
]

WHICH: Any = [{"role": "user", "content": "Which city is the capital of Italy?"}]


class City(BaseModel):
    """A city."""

    name: str


def client(url: str, tmp_path: Path, **settings: Any) -> Any:
    own = {"state_dir": str(tmp_path / "state"), **settings}
    return instructor.from_openai(wrap(openai.OpenAI(base_url=url, api_key="key"), settings=own))


def test_an_object_has_the_receipt_on_its_raw_response(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(calls("City", name="Rome"))
    city = client(scripted.url, tmp_path).create(model=MODEL, messages=WHICH, response_model=City)
    assert city.name == "Rome"
    assert city._raw_response.greenai.outcome == "large"


def test_the_same_question_again_is_answered_from_the_cache(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(answer('{"name": "Rome"}'))
    own = wrap(openai.OpenAI(base_url=scripted.url, api_key="key"), settings={"state_dir": str(tmp_path)})
    made: Any = instructor.from_openai(own, mode=instructor.Mode.JSON)
    asked = {"model": MODEL, "messages": WHICH, "response_model": City, "temperature": 0}
    found = [made.chat.completions.create_with_completion(**asked) for _ in range(2)]
    assert [(city.name, raw.greenai.outcome) for city, raw in found] == [("Rome", "large"), ("Rome", "cache")]


def test_an_answer_that_does_not_fit_is_asked_again_and_both_are_booked(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(calls("City", title="Rome"), calls("City", name="Rome"))
    with collecting() as receipts:
        city = client(scripted.url, tmp_path).create(model=MODEL, messages=WHICH, response_model=City)
    assert city.name == "Rome"
    assert [receipt.outcome for receipt in receipts] == ["large", "large"]


def test_awaited(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(calls("City", name="Rome"))
    own = openai.AsyncOpenAI(base_url=scripted.url, api_key="key")
    made: Any = instructor.from_openai(wrap(own, settings={"state_dir": str(tmp_path)}))
    city = asyncio.run(made.create(model=MODEL, messages=WHICH, response_model=City))
    assert city._raw_response.greenai.outcome == "large"


def test_a_spent_budget_refuses(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(calls("City", name="Rome"))
    made = client(scripted.url, tmp_path, projects={"default": {"budget": {"calls": "1/hour"}}})
    made.create(model=MODEL, messages=WHICH, response_model=City)
    with pytest.raises(Exception) as refusal:  # instructor's own, which has ours in it
        made.create(model=MODEL, messages=[{"role": "user", "content": "And of France?"}], response_model=City)
    assert type(refusal.value).__name__ == "InstructorRetryException"  # its own, around every error
    assert isinstance(refusal.value.__cause__, BudgetExceeded)
    assert len(scripted.requests) == 1

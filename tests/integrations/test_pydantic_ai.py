"""`GreenModel` around models of pydantic-ai, on a real socket; `make frameworks` installs pydantic-ai."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic_ai")

from frameworks import MODEL, calls
from pydantic import BaseModel
from pydantic_ai import Agent, ModelMessagesTypeAdapter
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai import OpenAIProvider
from servers import LlamaServer, Scripted, stream

from greenai import BudgetExceeded, InvalidRequest
from greenai.integrations.pydantic_ai import GreenModel

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("left_open_by_others"),
]


class City(BaseModel):
    """A city."""

    name: str


def bare(url: str, name: str = MODEL) -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=url, api_key="key"))


@pytest.fixture
def green(scripted: Scripted, tmp_path: Path) -> Callable[..., GreenModel]:
    def made(**settings: Any) -> GreenModel:
        return GreenModel(bare(scripted.url), settings={"state_dir": str(tmp_path / "state"), **settings})

    return made


def outcomes(messages: Any) -> list[str]:
    return [m.provider_details["greenai"]["outcome"] for m in messages if m.kind == "response"]


def test_a_response_has_the_receipt_and_the_app_s_own_model_stays_bare(
    scripted: Scripted, green: Callable[..., GreenModel]
) -> None:
    model = green()

    async def asked() -> Any:
        own = bare(scripted.url)
        theirs, ours = await Agent(own).run("Say hello to Ada."), await Agent(model).run("Say hello to Ada.")
        return theirs, ours

    theirs, ours = asyncio.run(asked())
    assert ours.output == theirs.output == "Hello there."
    assert outcomes(ours.all_messages()) == ["large"]
    assert "greenai" not in theirs.response.provider_details
    assert ours.usage == theirs.usage
    first, second = scripted.bodies
    assert second == first
    assert isinstance(model, WrapperModel)
    assert model.model_name == MODEL
    read = ModelMessagesTypeAdapter.validate_json(ours.all_messages_json())
    assert outcomes(read) == ["large"]


def test_tools_and_structured_output(scripted: Scripted, green: Callable[..., GreenModel]) -> None:
    asked: list[str] = []
    agent = Agent(green(), output_type=City)

    @agent.tool_plain
    def capital(country: str) -> str:
        asked.append(country)
        return "Rome"

    scripted.play(calls("capital", country="Italy"), calls("final_result", name="Rome"))
    result = asyncio.run(agent.run("Which city is the capital of Italy?"))
    assert result.output == City(name="Rome")
    assert asked == ["Italy"]
    assert outcomes(result.all_messages()) == ["large", "large"]


def test_a_stream_has_its_receipt_when_it_was_read(scripted: Scripted, green: Callable[..., GreenModel]) -> None:
    scripted.play(stream(3))

    async def streamed() -> Any:
        async with Agent(green()).run_stream("Count.") as result:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        return pieces, result.response

    pieces, response = asyncio.run(streamed())
    assert "".join(pieces) == "word0 word1 word2 "
    assert response.provider_details["greenai"]["outcome"] == "large"
    assert response.provider_details["finish_reason"] == "stop"


def test_a_stream_whose_reader_fails_is_settled(scripted: Scripted, green: Callable[..., GreenModel]) -> None:
    scripted.play(stream(3))

    async def streamed() -> None:
        async with Agent(green()).run_stream("Count."):
            raise LookupError("mine")

    with pytest.raises(LookupError, match=r"^mine$"):
        asyncio.run(streamed())


def test_a_spent_budget_refuses(scripted: Scripted, green: Callable[..., GreenModel]) -> None:
    model = green(projects={"default": {"budget": {"calls": "1/hour"}}})

    async def twice() -> None:
        await Agent(model).run("Say hello to Ada.")
        await Agent(model).run("Say hello to Bob.")

    with pytest.raises(BudgetExceeded):
        asyncio.run(twice())
    assert len(scripted.requests) == 1


def test_a_model_without_a_client_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        GreenModel(TestModel())
    assert str(refusal.value) == (
        "GreenModel cannot wrap TestModel: it has no provider of its own with one client. "
        "Wrap the models within it, such as FallbackModel(GreenModel(...), GreenModel(...))."
    )


@pytest.mark.needs_weights
def test_a_real_model_answers(llama: LlamaServer, tmp_path: Path) -> None:
    model = GreenModel(bare(llama.url, "smollm2-135m"), settings={"state_dir": str(tmp_path)})
    result = asyncio.run(Agent(model, model_settings={"max_tokens": 8}).run("What is the capital of France?"))
    assert result.output
    assert outcomes(result.all_messages()) == ["large"]

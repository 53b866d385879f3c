"""`GreenChatModel`, held against `ChatOpenAI` on a real socket; `make frameworks` installs LangChain."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

pytest.importorskip("langchain_openai")

from frameworks import MODEL, calls
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from servers import LlamaServer, Scripted, answer, status, stream

from greenai import BudgetExceeded, wrap
from greenai.integrations.langchain import GreenChatModel

# Neither library closes its connections.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("left_open_by_others")]


class City(BaseModel):
    """A city."""

    name: str


def green(url: str, tmp_path: Path, **changes: Any) -> GreenChatModel:
    settings = {"state_dir": str(tmp_path / "state"), **changes.pop("settings", {})}
    return GreenChatModel(model=MODEL, base_url=url, api_key="key", settings=settings, **{"max_retries": 0, **changes})


@pytest.fixture
def model(scripted: Scripted, tmp_path: Path) -> Iterator[GreenChatModel]:
    made = green(scripted.url, tmp_path)
    yield made
    made.root_client.close()


def run(model: GreenChatModel, asked: Coroutine[Any, Any, Any]) -> Any:
    """Wait for something in a loop, and close there what it opened there."""

    async def closing() -> Any:
        try:
            return await asked
        finally:
            await model.root_async_client.close()

    return asyncio.run(closing())


def bare(url: str) -> ChatOpenAI:
    return ChatOpenAI(model=MODEL, base_url=url, api_key="key", max_retries=0)


def test_a_message_is_the_bare_one_but_for_its_receipt(scripted: Scripted, model: GreenChatModel) -> None:
    theirs = bare(scripted.url).invoke("Say hello to Ada.").model_dump()
    ours = model.invoke("Say hello to Ada.").model_dump()
    receipt = ours["response_metadata"].pop("greenai")
    assert (receipt["outcome"], receipt["model"]) == ("large", f"endpoint/{MODEL}")
    for dumped in (theirs, ours):
        dumped.pop("id")
    assert ours == theirs
    first, second = scripted.bodies
    assert second == first
    assert isinstance(model, BaseChatModel)


def test_the_same_question_again_is_answered_from_the_cache(scripted: Scripted, model: GreenChatModel) -> None:
    scripted.play(answer("Hello, Ada."))
    chain = ChatPromptTemplate.from_template("Say hello to {name}.") | model.bind(temperature=0)
    outcomes = [chain.invoke({"name": "Ada"}).response_metadata["greenai"]["outcome"] for _ in range(2)]
    assert outcomes == ["large", "cache"]
    assert len(scripted.requests) == 1


def test_streams_have_the_same_pieces_and_the_receipt_at_the_end(scripted: Scripted, model: GreenChatModel) -> None:
    scripted.play(stream(3))
    theirs = [piece.content for piece in bare(scripted.url).stream("Count.")]
    whole: Any = AIMessageChunk(content="")
    ours = []
    for piece in model.stream("Count."):
        ours.append(piece.content)
        whole += piece
    assert [text for text in ours if text] == [text for text in theirs if text]
    assert whole.response_metadata["greenai"]["outcome"] == "large"
    assert whole.response_metadata["finish_reason"] == "stop"

    async def awaited() -> Any:
        pieces = [piece async for piece in model.astream("Count once more.")]
        return pieces[0].content, [
            p.response_metadata["greenai"]["outcome"] for p in pieces if "greenai" in p.response_metadata
        ]

    assert run(model, awaited()) == ("word0 ", ["large"])


def test_tools_are_called_and_answers_have_a_structure(scripted: Scripted, model: GreenChatModel) -> None:
    scripted.play(calls("City", name="Rome"))
    message = model.bind_tools([City]).invoke("Which city?")
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("City", {"name": "Rome"})]
    assert message.response_metadata["greenai"]["outcome"] == "large"
    scripted.play(answer('{"name": "Rome"}'))
    assert model.with_structured_output(City).invoke("Which city is it?") == City(name="Rome")
    assert scripted.bodies[0]["response_format"]["json_schema"]["name"] == "City"
    scripted.play(calls("City", name="Oslo"))
    asked: Any = model.with_structured_output(City, method="function_calling", include_raw=True)
    found = run(model, asked.ainvoke("Which city is that?"))
    assert found["parsed"] == City(name="Oslo")
    assert found["raw"].response_metadata["greenai"]["outcome"] == "large"


def test_a_failure_is_the_class_that_the_app_catches(scripted: Scripted, model: GreenChatModel) -> None:
    scripted.play(status(401))
    with pytest.raises(openai.AuthenticationError):
        bare(scripted.url).invoke("Hello.")
    with pytest.raises(openai.AuthenticationError):
        model.invoke("Hello.")


def test_a_spent_budget_refuses(scripted: Scripted, tmp_path: Path) -> None:
    spent = green(scripted.url, tmp_path, settings={"projects": {"default": {"budget": {"calls": "1/hour"}}}})
    spent.invoke("Say hello to Ada.")
    with pytest.raises(BudgetExceeded):
        spent.invoke("Say hello to Bob.")
    assert len(scripted.requests) == 1
    spent.root_client.close()


def test_chat_openai_takes_a_wrapped_client(scripted: Scripted, tmp_path: Path) -> None:
    own = wrap(openai.OpenAI(base_url=scripted.url, api_key="key"), settings={"state_dir": str(tmp_path)})
    model = ChatOpenAI(model=MODEL, api_key="key", client=own.chat.completions, root_client=own)
    assert model.invoke([HumanMessage("Hello.")]).content == "Hello there."


@pytest.mark.needs_weights
def test_a_real_model_answers(llama: LlamaServer, tmp_path: Path) -> None:
    made = GreenChatModel(
        model="smollm2-135m", base_url=llama.url, api_key="key", settings={"state_dir": str(tmp_path)}, temperature=0,
        max_tokens=8,
    )  # fmt: skip
    message = made.invoke("What is the capital of France?")
    assert message.content == ChatOpenAI(
        model="smollm2-135m", base_url=llama.url, api_key="key", temperature=0, max_tokens=8
    ).invoke("What is the capital of France?").content  # fmt: skip
    assert message.response_metadata["greenai"]["attempts"]
    assert "".join(str(piece.content) for piece in made.stream("What is the capital of France?")) == message.content
    made.root_client.close()

"""LlamaIndex over a wrapped client, and over greenai's own, on a real socket; `make frameworks` installs it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

pytest.importorskip("llama_index.llms.openai_like")

from frameworks import MODEL, calls
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel
from servers import LlamaServer, Scripted, stream

from greenai import Client, last_receipt, wrap

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("left_open_by_others"),
]


class City(BaseModel):
    """A city."""

    name: str


def model(url: str, tmp_path: Path, name: str = MODEL) -> OpenAILike:
    settings = {"state_dir": str(tmp_path / "state")}
    return OpenAILike(
        model=name,
        is_chat_model=True,
        is_function_calling_model=True,
        openai_client=wrap(openai.OpenAI(base_url=url, api_key="key"), settings=settings),
        async_openai_client=wrap(openai.AsyncOpenAI(base_url=url, api_key="key"), settings=settings),
    )


def said(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def test_a_response_has_the_receipt(scripted: Scripted, tmp_path: Path) -> None:
    llm = model(scripted.url, tmp_path)
    assert llm.chat(said("Say hello to Ada.")).raw.greenai.outcome == "large"
    assert llm.complete("Say hello to Bob.").raw.greenai.model == f"endpoint/{MODEL}"
    assert asyncio.run(llm.achat(said("Say hello to Eve."))).raw.greenai.outcome == "large"
    assert llm.complete("Say hello to Ada.").text == "Hello there."
    assert last_receipt() is not None


def test_a_stream_has_its_receipt_at_the_end(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(stream(3))
    llm = model(scripted.url, tmp_path)
    assert "".join(piece.delta or "" for piece in llm.stream_chat(said("Count."))) == "word0 word1 word2 "
    receipt: Any = last_receipt()
    assert receipt.outcome == "large"

    async def awaited() -> Any:
        pieces = [piece.delta async for piece in await llm.astream_chat(said("Count again."))]
        return "".join(text or "" for text in pieces), last_receipt()

    text, other = asyncio.run(awaited())
    assert text == "word0 word1 word2 "
    assert other.call_id != receipt.call_id


def test_tools_and_structured_output(scripted: Scripted, tmp_path: Path) -> None:
    llm = model(scripted.url, tmp_path)
    scripted.play(calls("capital", country="Italy"))
    tool = FunctionTool.from_defaults(lambda country: "Rome", name="capital", description="The capital.")
    response = llm.chat_with_tools([tool], user_msg="What is the capital of Italy?")
    assert [c.tool_kwargs for c in llm.get_tool_calls_from_response(response)] == [{"country": "Italy"}]
    assert response.raw.greenai.outcome == "large"  # type: ignore[union-attr]
    scripted.play(calls("City", name="Rome"))
    assert llm.as_structured_llm(City).complete("Which city?").raw == City(name="Rome")


def test_over_greenai_s_own_client_a_ladder_decides(scripted: Scripted, tmp_path: Path) -> None:
    with Client(base_url=scripted.url, api_key="key", settings={"state_dir": str(tmp_path / "state")}) as client:
        llm = OpenAILike(model="auto", is_chat_model=True, openai_client=client)
        response = llm.complete("What is 18% of 240?")
    assert (response.text, response.raw.greenai.outcome) == ("43.2", "answerer")
    assert scripted.requests == []


@pytest.mark.needs_weights
def test_a_real_model_answers(llama: LlamaServer, tmp_path: Path) -> None:
    llm = model(llama.url, tmp_path, "smollm2-135m")
    llm.max_tokens = 8
    response = llm.complete("What is the capital of France?")
    assert response.text
    assert response.raw.greenai.attempts[0].usage.output_tokens

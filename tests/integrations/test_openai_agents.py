"""The OpenAI Agents SDK over a wrapped client, on a real socket; `make frameworks` installs it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

pytest.importorskip("agents")

import agents
from frameworks import MODEL, calls
from servers import Scripted, answer, stream

from greenai import BudgetExceeded, collecting, wrap

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("left_open_by_others"),
]


@pytest.fixture(autouse=True)
def _no_traces() -> None:
    agents.set_tracing_disabled(disabled=True)


@agents.function_tool
def capital(country: str) -> str:
    """Return the capital of a country."""
    return {"Italy": "Rome"}[country]


def agent(url: str, tmp_path: Path, **settings: Any) -> Any:
    own = wrap(
        openai.AsyncOpenAI(base_url=url, api_key="key"), settings={"state_dir": str(tmp_path / "state"), **settings}
    )
    model = agents.OpenAIChatCompletionsModel(model=MODEL, openai_client=own)
    return agents.Agent(name="guide", instructions="Be brief.", model=model, tools=[capital])


def test_each_turn_of_a_run_has_a_receipt(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(calls("capital", country="Italy"), answer("It is Rome."))
    with collecting() as receipts:
        result = asyncio.run(agents.Runner.run(agent(scripted.url, tmp_path), "What is the capital of Italy?"))
    assert result.final_output == "It is Rome."
    assert [receipt.outcome for receipt in receipts] == ["large", "large"]


def test_a_streamed_run(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(stream(3))

    async def streamed() -> Any:
        run = agents.Runner.run_streamed(agent(scripted.url, tmp_path), "Count.")
        return [event.type async for event in run.stream_events()], run.final_output

    with collecting() as receipts:
        kinds, text = asyncio.run(streamed())
    assert text == "word0 word1 word2 "
    assert "raw_response_event" in kinds
    assert [receipt.outcome for receipt in receipts] == ["large"]


def test_a_spent_budget_ends_the_run(scripted: Scripted, tmp_path: Path) -> None:
    scripted.play(calls("capital", country="Italy"), answer("It is Rome."))
    limited = agent(scripted.url, tmp_path, projects={"default": {"budget": {"calls": "1/hour"}}})
    with pytest.raises(BudgetExceeded):
        asyncio.run(agents.Runner.run(limited, "What is the capital of Italy?"))
    assert len(scripted.requests) == 1

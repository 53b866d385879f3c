"""`GreenLM` under DSPy's modules, on a real socket; `make frameworks` installs DSPy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("dspy")

import dspy
from frameworks import MODEL
from servers import LlamaServer, Scripted, answer

import greenai
from greenai.integrations.dspy import GreenLM

# DSPy 3.4 announces that 3.5 takes models that are made otherwise.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.usefixtures("left_open_by_others"),
]


def in_fields(**fields: str) -> str:
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in {**fields, "completed": ""}.items())


@pytest.fixture
def lm(scripted: Scripted, tmp_path: Path) -> Iterator[GreenLM]:
    settings = {"state_dir": str(tmp_path / "state")}
    client = greenai.Client(base_url=scripted.url, api_key="key", settings=settings)
    async_client = greenai.AsyncClient(base_url=scripted.url, api_key="key", settings=settings)
    yield GreenLM(MODEL, client=client, async_client=async_client, temperature=0)
    client.close()
    asyncio.run(async_client.close())


def test_a_module_is_answered_and_its_history_has_the_receipt(scripted: Scripted, lm: GreenLM) -> None:
    scripted.play(answer(in_fields(answer="Rome")))
    assert isinstance(lm, dspy.BaseLM)
    with dspy.context(lm=lm):
        found = dspy.Predict("question -> answer")(question="What is the capital of Italy?")
    assert found.answer == "Rome"
    receipt = lm.history[-1]["response"].greenai
    assert (receipt.outcome, receipt.model) == ("large", f"endpoint/{MODEL}")
    assert scripted.bodies[0]["temperature"] == 0


def test_the_same_question_again_is_answered_from_the_cache(scripted: Scripted, lm: GreenLM) -> None:
    scripted.play(answer(in_fields(answer="Rome")))
    with dspy.context(lm=lm), greenai.collecting() as receipts:
        for _ in range(2):
            dspy.Predict("question -> answer")(question="What is the capital of Italy?")
    assert [receipt.outcome for receipt in receipts] == ["large", "cache"]
    assert len(scripted.requests) == 1


def test_awaited_and_with_reasoning_in_the_answer(scripted: Scripted, lm: GreenLM) -> None:
    scripted.play(answer(in_fields(reasoning="It is said so.", answer="42")))
    with dspy.context(lm=lm):
        found = asyncio.run(dspy.ChainOfThought("question -> answer: int").acall(question="How many are there?"))
    assert found.answer == 42
    assert lm.history[-1]["response"].greenai.outcome == "large"


def test_a_prompt_alone_and_a_copy_with_other_arguments(scripted: Scripted, lm: GreenLM) -> None:
    assert lm("Say hello to Ada.") == ["Hello there."]
    assert lm.copy(temperature=0.5)("Say hello to Bob.") == ["Hello there."]
    assert [body["temperature"] for body in scripted.bodies] == [0, 0.5]
    assert scripted.bodies[0]["messages"] == [{"role": "user", "content": "Say hello to Ada."}]


@pytest.mark.needs_weights
def test_a_real_model_answers(llama: LlamaServer, tmp_path: Path) -> None:
    with greenai.Client(base_url=llama.url, api_key="key", settings={"state_dir": str(tmp_path)}) as client:
        lm = GreenLM("smollm2-135m", client=client, max_tokens=8)
        (text,) = lm("What is the capital of France?")
    assert text
    assert lm.history[-1]["response"].greenai.attempts[0].usage.output_tokens

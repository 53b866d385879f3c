"""Distilled task models in calls: what they answer, what is compared, and how they fall back."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
import task_files
from task_files import prompt

from greenai import AsyncClient, Client, green, wrap
from greenai.errors import InvalidRequest, SettingsError, WeightsDamaged
from greenai.testing import FakeProvider, FakeReply, offline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenai.values import Receipt

LATE = "where is my parcel now"
TEACHER = "gpt-5.5"


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return task_files.write(tmp_path_factory.mktemp("files") / "department.greenai")


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(default="Delivery.")


@pytest.fixture
def client(provider: FakeProvider) -> Iterator[Client]:
    with offline(provider) as opened:
        yield opened


def asked(client: Client, text: str = LATE, **arguments: Any) -> tuple[str | None, Receipt]:
    response = client.chat.completions.create(model=TEACHER, messages=prompt(text), **arguments)
    return response.choices[0].message.content, response.greenai


def warm(client: Client) -> None:
    """Let the first answer pass, which is always audited; none is after it."""
    client._session.resources.shelf._draw = lambda: 0.999
    asked(client, "please refund my order")


def counts(client: Client) -> dict[str, int]:
    resources = client._session.resources
    resources.shelf.flush()
    found: list[dict[str, Any]] = resources.ledger.all_distilled()
    return {name: value for row in found for name, value in row.items() if isinstance(value, int) and value}


def test_it_answers_its_template_and_the_receipt_names_version_and_threshold(
    client: Client, provider: FakeProvider, file: Path
) -> None:
    made = client.distilled(file, mode="on", audit=0.01)
    assert (made.name, made.labels, made.promise) == ("department", task_files.LABELS, 0.98)
    warm(client)
    before = len(provider.calls)
    said, receipt = asked(client)
    assert (said, receipt.outcome, receipt.attempts) == ("delivery", "task_model", ())
    assert receipt.model == f"greenai/distilled:department@{made.version}"
    (check,) = receipt.decision.checks
    assert (check.name, check.threshold, check.source) == ("confidence of distilled:department", 0.2, receipt.model)
    assert receipt.decision.reasons == (
        (
            f"The prompt has the template of {receipt.model}, which answered (confidence {check.value:.3f}, from 0.200 "
            "on); no language model was asked."
        ),
        "Promised is what openai/gpt-5.5 says, 98.0% of the time.",
        "To have a model answer instead: client.with_options(substitute=False).",
    )
    assert len(provider.calls) == before
    assert receipt.energy.energy_j == receipt.overhead.energy.energy_j  # what it took is counted


def test_in_shadow_the_named_model_answers_and_agreement_is_counted_without_text(
    client: Client, provider: FakeProvider, file: Path
) -> None:
    client.distilled(file)
    said, receipt = asked(client)
    asked(client, "please give me my money back")
    assert (said, receipt.model) == ("Delivery.", "openai/gpt-5.5")
    assert [call.draft.rung.model for call in provider.calls] == ["openai/gpt-5.5"] * 2
    assert receipt.decision.reasons[0].endswith(
        " runs in shadow: a model of the ladder answers, and both are compared."
    )
    assert counts(client) == {"shadow_same": 1, "shadow_other": 1}
    assert "arcel" not in str(client._session.resources.ledger.all_distilled())


@pytest.mark.parametrize(
    "arguments",
    [
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"stop": ["x"]},
        {"greenai": {"substitute": False}},
        {"greenai": {"quality": "high"}},
    ],
)
def test_what_constrains_the_answer_is_left_to_the_model(client: Client, file: Path, arguments: dict[str, Any]) -> None:
    client.distilled(file, mode="on", audit=0.01)
    warm(client)
    assert asked(client, "where is the parcel of mine", **arguments)[1].outcome != "task_model"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_an_answer_that_a_model_would_be_cut_off_in_is_left_to_it(
    client: Client, provider: FakeProvider, file: Path, limit: str
) -> None:
    client.distilled(file, mode="on", audit=0.01)
    warm(client)
    assert asked(client, "where is the parcel of mine", **{limit: 2})[1].outcome == "task_model"  # "delivery"
    before = len(provider.calls)
    receipt = asked(client, "where is that parcel of mine", **{limit: 1})[1]
    assert receipt.outcome != "task_model"
    assert receipt.decision.reasons[0].endswith(
        " was asked first and abstained: its answer is longer than the tokens that the call allows."
    )
    assert len(provider.calls) == before + 1
    assert counts(client) == {"answered": 2, "abstained": 1, "audit_other": 1}


DEFAULTS: list[dict[str, Any]] = [
    {"n": 1},
    {"response_format": {"type": "text"}},
    {"n": None, "tools": [], "logprobs": False, "modalities": ["text"]},
]


@pytest.mark.parametrize("arguments", DEFAULTS)
def test_a_default_that_is_spelled_out_constrains_nothing(
    client: Client, file: Path, arguments: dict[str, Any]
) -> None:
    client.distilled(file, mode="on", audit=0.01)
    warm(client)
    assert asked(client, "where is the parcel of mine", **arguments)[1].outcome == "task_model"


def test_another_template_and_an_unlike_text_are_left_to_the_model(client: Client, file: Path) -> None:
    client.distilled(file, mode="on", audit=0.01)
    warm(client)
    messages = [{"role": "system", "content": "Be brief."}, *prompt(LATE)]
    assert client.chat.completions.create(model=TEACHER, messages=messages).greenai.outcome != "task_model"
    changed = [{"role": "user", "content": prompt(LATE)[0]["content"] + " Explain at length."}]
    assert client.chat.completions.create(model=TEACHER, messages=changed).greenai.outcome != "task_model"
    receipt = asked(client, "the meaning of life, dear philosopher")[1]
    assert receipt.decision.reasons[0].endswith(
        " was asked first and abstained: the text is unlike all that it has learnt."
    )
    assert counts(client)["abstained"] == 1
    assert counts(client)["answered"] == 1


def test_escalating_its_answer_asks_a_model(client: Client, provider: FakeProvider, file: Path) -> None:
    client.distilled(file, mode="on", audit=0.01)
    warm(client)
    response = client.chat.completions.create(model=TEACHER, messages=prompt(LATE))
    before = len(provider.calls)
    again: Any = client.escalate(response)
    assert again.choices[0].message.content == "Delivery."
    assert len(provider.calls) == before + 1


def test_a_stream_is_answered_and_compared(client: Client, file: Path) -> None:
    client.distilled(file, mode="on", audit=0.01)
    client._session.resources.shelf._draw = lambda: 0.999
    for expected, text in (("Delivery.", LATE), ("delivery", "where is my parcel")):  # the first one is audited
        chunks = client.chat.completions.create(model=TEACHER, messages=prompt(text), stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == expected
    assert counts(client) == {"answered": 2, "audit_same": 1}


def test_awaited_calls_do_the_same(provider: FakeProvider, file: Path) -> None:
    async def main() -> None:
        async with offline(provider, client=AsyncClient) as client:
            client.distilled(file, mode="on", audit=0.01)
            first = await client.chat.completions.create(model=TEACHER, messages=prompt(LATE))
            assert first.choices[0].message.content == "Delivery."
            said = await asyncio.gather(
                *(client.chat.completions.create(model=TEACHER, messages=prompt(f"{LATE} {n}")) for n in range(8))
            )
            assert {one.greenai.outcome for one in said} <= {"task_model", "large"}
            assert [one.choices[0].message.content.lower().strip(".") for one in said] == ["delivery"] * 8

    asyncio.run(main())


def test_explaining_asks_nothing_and_counts_nothing(client: Client, provider: FakeProvider, file: Path) -> None:
    client.distilled(file, mode="on")
    decision = client.explain(prompt(LATE)[0]["content"])
    assert decision.outcome == "task_model"
    assert " has the template of greenai/distilled:department@" in decision.reasons[0]
    assert provider.calls == []
    assert counts(client) == {}


def test_observing_changes_nothing(provider: FakeProvider, file: Path) -> None:
    with offline(provider, observe=True) as client:
        client.distilled(file, mode="on")
        said, receipt = asked(client)
        assert (said, receipt.decision.outcome, receipt.decision.observed) == ("Delivery.", "task_model", True)


# --- drift --------------------------------------------------------------------------------


def fall(client: Client) -> list[Receipt]:
    """Have each answer audited by a model that says something else, until it falls back; return the receipts."""
    receipts: list[Receipt] = []
    for number in range(40):
        receipts.append(asked(client, f"{LATE} {number}")[1])
        if receipts[-1].warnings:
            return receipts
    return receipts


def test_it_falls_back_where_it_no_longer_says_what_the_model_says(
    tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"ledger": str(tmp_path / "ledger.db")}
    with offline(FakeProvider(default="returns"), settings=settings) as client:
        client.distilled(file, mode="on", audit=1.0)
        with caplog.at_level(logging.WARNING, "greenai"):
            receipts = fall(client)
        count = len(receipts)
        assert 3 <= count <= 12
        name = f"greenai/distilled:department@{client._session.resources.ledger.all_distilled()[0]['file']}"
        assert receipts[-1].warnings == (
            (
                f"{name} fell back to shadow: of its answers, 0 of {count} audited ones were what the large model "
                "said, and the latest of them are too few for the 98.0% that its promise comes to. The ladder answers. "
                "Make it again from newer calls: greenai distil LOG --out department.greenai; or switch it on again: "
                "greenai distil --status department.greenai --again"
            ),
        )
        assert [record.getMessage() for record in caplog.records] == list(receipts[-1].warnings)
        said, after = asked(client, "where is this parcel of mine")
        assert (said, after.warnings) == ("returns", ())  # told once
        assert after.decision.reasons[0] == (
            f"{name} fell back to shadow: a model of the ladder answers, and both are compared."
        )
    # Another process, or this one after a restart, finds it fallen back.
    with offline(FakeProvider(default="returns"), settings=settings) as client:
        client.distilled(file, mode="on", audit=0.01)
        assert asked(client, "where is my new parcel")[1].outcome != "task_model"
        assert client._session.resources.ledger.distilled_again(name.rpartition("@")[2])
    with offline(FakeProvider(default="returns"), settings=settings) as client:
        client.distilled(file, mode="on", audit=0.01)
        warm(client)
        assert asked(client, "where is the parcel of mine")[1].outcome == "task_model"


def test_an_inconsistent_teacher_lowers_what_is_expected(tmp_path: Path) -> None:
    noisy = task_files.write(tmp_path / "noisy.greenai", slips={"share": 0.05, "low": 0.03, "high": 0.08})
    replies = [FakeReply(text="returns" if n % 12 == 0 else "delivery") for n in range(60)]
    with offline(FakeProvider(*replies)) as client:
        client.distilled(noisy, mode="on", audit=1.0)
        assert [asked(client, f"{LATE} {n}")[1].warnings for n in range(60)] == [()] * 60


def test_answers_of_smaller_models_are_not_compared(file: Path) -> None:
    with offline(FakeProvider(default="returns")) as client:
        client.distilled(file)
        assert client.ask(prompt(LATE)[0]["content"]).greenai.outcome == "small"
        assert counts(client) == {"uncompared": 1}


def test_threads_lose_no_count(provider: FakeProvider, tmp_path: Path, file: Path) -> None:
    settings = {"ledger": str(tmp_path / "ledger.db"), "cache": "off"}
    with offline(provider, settings=settings) as client, offline(provider, settings=settings) as another:
        for one in (client, another):
            one.distilled(file, mode="on", audit=0.5)

        def work(one: Client) -> None:
            for number in range(20):
                asked(one, f"{LATE} {number}")

        threads = [threading.Thread(target=work, args=(one,)) for one in (client, another) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts(client)
        found = counts(another)
        assert found["answered"] == 80
        assert found["audit_same"] == len(provider.calls)
        assert "audit_other" not in found


ENDS_WITHOUT_CLOSING = """
import sys
import task_files
from greenai.testing import FakeProvider, offline
client = offline(FakeProvider(default="Delivery."), settings={"ledger": sys.argv[1], "cache": "off"})
client.distilled(sys.argv[2], mode="on", audit=0.01)
client._session.resources.shelf._draw = lambda: 0.999
for text in ("where is my parcel now", "where is my parcel then", "quantum cats"):
    client.chat.completions.create(model="gpt-5.5", messages=task_files.prompt(text))
"""


def test_a_process_that_ends_without_closing_loses_no_count(tmp_path: Path, file: Path) -> None:
    command = [sys.executable, "-c", ENDS_WITHOUT_CLOSING, str(tmp_path / "ledger.db"), str(file)]
    paths = [str(Path(task_files.__file__).parent), *filter(None, sys.path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run(command, check=True, timeout=120, env=env)
    with offline(settings={"ledger": str(tmp_path / "ledger.db")}) as later:
        assert counts(later) == {"answered": 2, "abstained": 1, "audit_same": 1}


# --- registering --------------------------------------------------------------------------


def test_a_damaged_file_is_refused_when_it_is_registered_and_costs_no_answer_in_settings(
    provider: FakeProvider, tmp_path: Path, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = tmp_path / "damaged.greenai"
    damaged.write_bytes(file.read_bytes()[:-100])
    with offline(provider) as client, pytest.raises(WeightsDamaged):
        client.distilled(damaged)
    settings = {"distilled": [{"file": str(damaged), "mode": "on"}, {"file": str(file), "mode": "on"}]}
    with offline(provider, settings=settings) as client, caplog.at_level(logging.WARNING, "greenai"):
        warm(client)
        assert asked(client)[1].outcome == "task_model"  # the other one answers
    assert [str(damaged) in record.getMessage() for record in caplog.records] == [True]


def test_what_is_registered_wrongly_is_refused(client: Client, file: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.greenai"
    with pytest.raises(InvalidRequest) as none:
        client.distilled(missing)
    assert str(none.value) == f"There is no file {missing}. Make it with: greenai distil LOG --out none.greenai"
    wrong: Any = "off"
    with pytest.raises(InvalidRequest) as mode:
        client.distilled(file, mode=wrong)
    assert str(mode.value) == (
        'mode=\'off\' is none. Pass "shadow", to have the large model answer and both compared, or "on".'
    )
    with pytest.raises(InvalidRequest) as audit:
        client.distilled(file, audit=0.001)
    assert str(audit.value) == "audit=0.001 is no share of the answered calls. Pass 0.01 to 1, such as 0.02."
    client.distilled(file)
    with pytest.raises(InvalidRequest, match="is registered already, and one file is one task model"):
        client.distilled(file)
    with pytest.raises(SettingsError, match="distilled: There is no file"):
        offline(settings={"distilled": [{"file": str(missing)}]}).__enter__()


# --- functions ----------------------------------------------------------------------------


def test_a_decorated_functions_calls_are_answered_and_no_others(client: Client, file: Path) -> None:
    client._session.resources.shelf._draw = lambda: 0.999

    @green(distil=file, distil_mode="on")
    def department(text: str) -> tuple[str | None, str]:
        said, receipt = asked(client, text)
        return said, receipt.outcome

    assert department("please refund my order") == ("Delivery.", "large")  # the first one is audited
    assert department(LATE) == ("delivery", "task_model")
    assert asked(client, "where is my own parcel")[1].outcome != "task_model"


def test_a_decorated_coroutine_runs_it_in_shadow(provider: FakeProvider, file: Path) -> None:
    async def main() -> None:
        async with offline(provider, client=AsyncClient) as client:

            @green(distil=file)
            async def department(text: str) -> Receipt:
                response = await client.chat.completions.create(model=TEACHER, messages=prompt(text))
                return response.greenai

            first, second = await asyncio.gather(department(LATE), department("where is my own parcel"))
            for receipt in (first, second):
                assert " runs in shadow: " in receipt.decision.reasons[0]

    asyncio.run(main())


def test_a_decorator_without_a_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="There is no file"):
        green(distil=tmp_path / "none.greenai")


# --- clients of others ----------------------------------------------------------------------


def test_a_wrapped_client_gets_its_answer_through_both_apis_and_as_a_stream(tmp_path: Path, file: Path) -> None:
    said = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": TEACHER,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Refund"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }
    sent: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=said)

    settings = {"state_dir": str(tmp_path), "distilled": [{"file": str(file), "mode": "on", "audit": 0.01}]}
    with openai.OpenAI(api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(handle))) as own:
        client: Any = wrap(own, settings=settings)
        client.chat.completions.create(model=TEACHER, messages=prompt("please refund my order"))  # audited
        client.greenai._session.resources.shelf._draw = lambda: 0.999
        assert len(sent) == 1
        answer = client.chat.completions.create(model=TEACHER, messages=prompt(LATE))
        assert (answer.choices[0].message.content, answer.greenai.outcome) == ("delivery", "task_model")
        chunks = client.chat.completions.create(model=TEACHER, messages=prompt(LATE), stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "delivery"
        assert client.responses.create(model=TEACHER, input=prompt(LATE)).output_text == "delivery"
        assert len(sent) == 1

"""Prompts of a kind that a task model never saw: it goes under guard, and what it then answers and holds back."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import task_files
from task_files import prompt

from greenai import AsyncClient
from greenai.answerers import kernel
from greenai.answerers.guard import FIRST, LEARNT, Guard
from greenai.testing import FakeProvider, offline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenai import Client
    from greenai.values import Receipt

LATE, STRANGE, REFUND = "where is my parcel now", "quantum cats of neptune", "please refund my order"
GUARD = {"edges": [0.3], "known": [0.05, 0.95], "strangers": [0.8, 0.2], "lead": 0.3}
NANO, NEW = "openai/gpt-5.4-nano", "play_music"
UNSURE = "zebra crossing paints"
ON = r"greenai/distilled:department@\w{12} is under guard since \d{4}-\d\d-\d\d \d\d:\d\d UTC, "


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return task_files.write(tmp_path_factory.mktemp("guarded") / "department.greenai", guard=GUARD)


@pytest.fixture
def client(tmp_path: Path, file: Path) -> Iterator[Client]:
    with offline(FakeProvider(default="Delivery."), settings=settings(tmp_path)) as opened:
        yield registered(opened, file)


def settings(tmp_path: Path) -> dict[str, Any]:
    return {"ledger": str(tmp_path / "ledger.db"), "cache": "off"}


def registered(client: Client, file: Path) -> Client:
    client.distilled(file, mode="on", audit=0.01)
    client._session.resources.shelf._draw = lambda: 0.999
    asked(client, LATE)  # the first one is audited
    return client


def asked(client: Client, text: str) -> Receipt:
    receipt: Receipt = client.chat.completions.create(model="gpt-5.5", messages=prompt(text)).greenai
    return receipt


def kept(client: Client) -> Guard:
    client._session.resources.shelf.flush()
    (row,) = client._session.resources.ledger.all_distilled()
    return Guard.read(row["guard"])


def under_guard(client: Client) -> Client:
    for number in range(8):
        asked(client, f"{STRANGE} {number}")
    return client


def compare(client: Client, count: int) -> None:
    """Have answers compared under guard, while strangers go on arriving."""
    for number in range(count):
        assert asked(client, f"{LATE} {number % 9}").outcome == "large"
        if number % 5 == 0:
            asked(client, STRANGE)


def test_strangers_put_it_under_guard_and_its_answers_are_held_back_and_compared(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert asked(client, LATE).outcome == "task_model"
    with caplog.at_level(logging.WARNING, "greenai"):
        under_guard(client)
    (warned,) = [record.getMessage() for record in caplog.records]
    assert re.sub(r"@\w{12}", "@version", warned) == (
        "greenai/distilled:department@version is under guard: its latest prompts score as if one in five were of a "
        "kind that its log does not have. After 60 comparisons it gives what leads by 0.300, of labels that agree with "
        "the large model; the rest is held back and compared. That ends by itself when its prompts score as usual "
        "again. Where they do not, make it again from newer calls: greenai distil LOG --out department.greenai"
    )
    receipt = asked(client, LATE)
    assert (receipt.outcome, receipt.model) == ("large", "openai/gpt-5.5")
    assert re.fullmatch(
        ON + "for prompts of a kind that it never saw arrive: this answer is held back; a model of the ladder answers, "
        "and both are compared.",
        receipt.decision.reasons[0],
    )
    guard = kept(client)
    assert (guard.on is not None, guard.same, guard.other) == (True, 1, 0)


def test_after_some_comparisons_it_answers_but_for_labels_in_doubt(client: Client) -> None:
    under_guard(client)
    compare(client, FIRST - 1)
    assert asked(client, REFUND).outcome == "large"  # the model says delivery: it is in doubt from now on
    receipt = asked(client, LATE)
    assert receipt.outcome == "task_model"
    assert re.fullmatch(
        ON + "for prompts of a kind that it never saw arrive, and so more is asked of an answer.",
        receipt.decision.reasons[2],
    )
    assert receipt.decision.checks[0].threshold == 0.3
    assert asked(client, REFUND).outcome == "large"
    assert kept(client).doubted == (0,)
    assert client.explain(prompt(REFUND)[0]["content"]).reasons[0].endswith("and both are compared.")


def test_it_holds_in_another_process_until_it_is_switched_on_again(client: Client, tmp_path: Path, file: Path) -> None:
    under_guard(client)
    with offline(FakeProvider(default="Delivery."), settings=settings(tmp_path)) as later:
        registered(later, file)
        assert asked(later, LATE).outcome == "large"
        assert later._session.resources.ledger.distilled_again(kept_file(later))
    with offline(FakeProvider(default="Delivery."), settings=settings(tmp_path)) as again:
        registered(again, file)
        assert asked(again, LATE).outcome == "task_model"


def kept_file(client: Client) -> str:
    return str(client._session.resources.ledger.all_distilled()[0]["file"])


def test_it_takes_both_looks_under_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = task_files.write(tmp_path / "quick.greenai", guard=GUARD, early={"lead": 0.1, "score": 0.2})
    second: list[str] = []

    def see(text: str, skimmed: kernel.Skimmed) -> kernel.Seen:
        second.append(text)
        return taken(text, skimmed)

    taken = kernel.see
    monkeypatch.setattr(kernel, "see", see)
    with offline(FakeProvider(default="Delivery."), settings=settings(tmp_path)) as client:
        registered(client, quick)
        assert LATE not in second
        under_guard(client)
        asked(client, LATE)
        assert second[-1] == LATE


def test_one_answer_in_ten_is_audited_under_guard(client: Client) -> None:
    under_guard(client)
    compare(client, FIRST)
    client._session.resources.shelf._draw = lambda: 0.09
    assert asked(client, LATE).outcome == "large"
    client._session.resources.shelf._draw = lambda: 0.11
    assert asked(client, LATE).outcome == "task_model"


def test_it_ends_when_prompts_score_as_usual_again(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    under_guard(client)
    with caplog.at_level(logging.INFO, "greenai"):
        for number in range(70):
            receipt = asked(client, f"{LATE} {number % 9}")
    told = [re.sub(r"@\w{12}", "@version", record.getMessage()) for record in caplog.records]
    assert told[1:] == ["department@version is under guard no longer: its prompts score as usual again."]
    assert receipt.outcome == "task_model"
    assert receipt.decision.checks[0].threshold == 0.2
    assert kept(client) == Guard(watch=pytest.approx(0, abs=1), heard={NANO: (7, 0)}, times=1)


def unsure(client: Client, count: int) -> Receipt:
    """Have prompts left to the ladder that score as the log's often do: the first watch takes them for usual."""
    for number in range(count):
        receipt = asked(client, f"{UNSURE} {number}")
    return receipt


@pytest.fixture
def calm(tmp_path: Path) -> Path:
    """A file to whose first watch all prompts are as usual."""
    told = {"edges": [0.3], "known": [0.5, 0.5], "strangers": [0.5, 0.5], "lead": 0.3, "left": [200, 0]}
    return task_files.write(tmp_path / "calm.greenai", guard=told)


def test_answers_with_no_label_put_it_under_guard(tmp_path: Path, calm: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = ["Delivery."]
    provider = FakeProvider(default=lambda _call: said[-1])
    with offline(provider, settings=settings(tmp_path)) as client, caplog.at_level(logging.WARNING, "greenai"):
        registered(client, calm)
        receipt = unsure(client, LEARNT)
        assert (receipt.outcome, receipt.model) == ("small", NANO)  # its route is no other for being heard
        assert kept(client).heard == {NANO: (LEARNT, 0)}
        said.append(NEW)
        unsure(client, 4)
        assert asked(client, LATE).outcome == "task_model"
        unsure(client, 1)
        (warned,) = [record.getMessage() for record in caplog.records]
        assert "is under guard: models answer what it leaves to them with none of its labels, and more often" in warned
        assert asked(client, LATE).outcome == "large"
        guard = kept(client)
    assert guard.on is not None
    assert NEW not in guard.written()


def test_what_smaller_models_write_in_a_form_of_their_own_raises_no_alarm(tmp_path: Path, calm: Path) -> None:
    with offline(FakeProvider(default="I cannot tell."), settings=settings(tmp_path)) as client:
        registered(client, calm)
        unsure(client, 3 * LEARNT)
        assert kept(client) == Guard(heard={NANO: (0, 3 * LEARNT)})


def test_awaited_calls_and_streams_are_heard(tmp_path: Path, calm: Path) -> None:
    async def main() -> Guard:
        async with offline(FakeProvider(default=NEW), settings=settings(tmp_path), client=AsyncClient) as client:
            client.distilled(calm, mode="on")
            create = client.chat.completions.create
            await create(model="gpt-5.5", messages=prompt(f"{UNSURE} 1"))
            async for _chunk in await create(model="gpt-5.5", messages=prompt(f"{UNSURE} 2"), stream=True):
                pass
            client._session.resources.shelf.flush()
            (row,) = client._session.resources.ledger.all_distilled()
            return Guard.read(row["guard"])

    assert [*asyncio.run(main()).heard.values()] == [(0, 2)]


def test_a_dry_run_is_not_heard_and_neither_is_what_is_not_watched(tmp_path: Path, calm: Path) -> None:
    with offline(FakeProvider(default=NEW), settings=settings(tmp_path)) as client:
        client.distilled(calm)
        unsure(client, 3)
        client._session.resources.shelf.flush()
        (row,) = client._session.resources.ledger.all_distilled()
        assert row["guard"] is None
    with offline(FakeProvider(default=NEW), settings=settings(tmp_path)) as client:
        registered(client, calm)
        client.explain(prompt(UNSURE)[0]["content"])
        assert kept(client).heard == {}


def test_in_shadow_nothing_is_watched(tmp_path: Path, file: Path) -> None:
    with offline(FakeProvider(default="Delivery."), settings=settings(tmp_path)) as client:
        client.distilled(file)
        asked(client, LATE)
        under_guard(client)
        assert kept(client) == Guard()

"""`--labels`: prompts without an answer first, the log's own again, kept as they come, within what a budget leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import task_files
from stage import set_stage

from greenai.cli.distil_labels import Answered, Labels, asked, check
from greenai.distil.pairs import Pairs, Unanswered
from greenai.distil.templates import Candidate
from greenai.errors import InvalidRequest
from greenai.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell

    from greenai.settings import Settings

SLOTS = tuple((f"where is parcel {n}",) for n in range(6))
PAIRS = Pairs(
    template=task_files.TEMPLATE,
    texts=tuple(text for (text,) in SLOTS),
    answers=("delivery",) * 6,
    created=tuple(float(n) for n in range(6)),
    slots=SLOTS,
    left_out={"no whole answer": 2},
    unanswered=tuple(Unanswered(slots=(f"late {n}",), place=3, created=2.5) for n in range(2)),
)
SAID = "The capital of France is Paris."
TEACHER = "openai/gpt-5.5"


def candidate(**other: Any) -> Candidate:
    told: dict[str, Any] = {
        "number": 1, "id": "76dc7d", "template": task_files.TEMPLATE, "calls": 8, "labels": (), "share": 1.0,
        "input_tokens": 240, "output_tokens": 16, "cost_usd": None, "models": ("gpt-5.5",), "projects": (),
        "why_not": None,
    }  # fmt: skip
    return Candidate(**{**told, **other})


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    set_stage(monkeypatch)
    return load_settings({"state_dir": str(tmp_path), "ladder": [TEACHER]})


def ask(settings: Settings, path: Path, count: int, budget: str | None = "1kWh", **other: Any) -> Answered | None:
    wanted = Labels(count=count, teacher=TEACHER, budget=budget, path=path / "department.labels.jsonl")
    return asked(PAIRS, candidate(**other), wanted, settings, as_json=False)


def test_prompts_without_an_answer_come_first_and_stand_at_their_place(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    came = ask(settings, tmp_path, 3)
    assert came is not None
    assert (came.found.asked, came.found.first) == (3, 2)
    assert came.pairs.texts[3:5] == ("late 0", "late 1")
    assert came.pairs.answers[3:5] == (SAID, SAID)
    assert came.pairs.created[3:5] == (2.5, 2.5)
    assert came.pairs.left_out == {"no whole answer": 0}
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Prompts answered twice: 1; from 200 on they tell how often the model slips, and the log has not as many."
    )
    again = [at for at, text in enumerate(came.pairs.texts[1:], 1) if text == came.pairs.texts[at - 1]]
    assert [came.pairs.answers[at] for at in again] == [SAID]
    assert len(came.pairs.texts) == len(came.pairs.slots) == len(came.pairs.created) == 9


def test_what_was_answered_is_kept_and_not_paid_twice(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = ask(settings, tmp_path, 3)
    capsys.readouterr()
    file = tmp_path / "department.labels.jsonl"
    lines = file.read_text().splitlines()
    assert len(lines) == 3
    assert "parcel" not in file.read_text()  # digests of prompts, and no prompt
    assert file.stat().st_mode & 0o077 == 0
    with file.open("a", encoding="utf-8") as half:
        half.write('{"key": "cut o')
    second = ask(settings, tmp_path, 5)
    assert first is not None
    assert second is not None
    assert (second.found.asked, second.found.kept) == (2, 3)
    assert len(second.pairs.texts) == 11
    assert second.found.spent.calls == 5
    assert (second.found.reading.energy_j or 0) > (first.found.reading.energy_j or 0) > 0
    said = capsys.readouterr().out
    assert said.startswith(f"Asks {TEACHER} 2 prompts: 2 again, which tells how often it does not say the same twice. ")
    assert "3 more are kept from before. Expected: " in said
    third = ask(settings, tmp_path, 5, budget=None)  # nothing is left to ask, so no budget is needed
    assert third is not None
    assert third.found.asked == 0
    assert third.pairs == second.pairs
    assert f"Nothing is left to ask {TEACHER}: 5 labels are kept from before." in capsys.readouterr().out


def test_the_budget_is_what_earlier_runs_left(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    came = ask(settings, tmp_path, 6, "2 calls")
    assert came is not None
    assert came.found.spent.calls == 2
    said = capsys.readouterr().out
    assert "Ended with 4 prompts left: the next one could exceed the budget of 2 calls. The same line goes on, " in said
    assert 'with a larger --budget than "2 calls": what was answered is not asked again.' in said
    came = ask(settings, tmp_path, 6, "3 calls")
    assert came is not None
    assert (came.found.asked, came.found.spent.calls) == (1, 3)
    came = ask(settings, tmp_path, 6, "3 calls")
    assert came is not None
    assert came.found.asked == 0
    assert came.found.stopped == "all of the budget of 3 calls was used by earlier runs."


def test_without_a_budget_it_is_told_what_would_be_asked(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(settings, tmp_path, 4, None) is None
    plan, next_ = capsys.readouterr().out.splitlines()
    assert plan.startswith(
        f"Asks {TEACHER} 4 prompts: 2 without a whole answer in the log, 2 again, which tells how often it does not "
        "say the same twice. Expected: "
    )
    assert next_.startswith('Nothing was asked yet. To ask, add what it may take: --budget "')
    assert (tmp_path / "department.labels.jsonl").read_text() == ""


def test_another_model_than_the_logs_answers_only_what_nobody_did(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    came = ask(settings, tmp_path, 6, models=("gpt-4o",))
    assert came is not None
    assert (came.found.asked, came.found.first) == (2, 2)
    assert came.teachers == "gpt-4o and openai/gpt-5.5"
    assert "The log's answers are of gpt-4o, and openai/gpt-5.5 may say otherwise: the task model learns both." in (
        capsys.readouterr().out
    )


def test_a_budget_that_comes_back_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check("5Wh/day")
    assert str(refused.value) == (
        '--budget "5Wh/day" comes back with time, and asking for labels has one budget for all its runs. Write --budget '
        '"5 Wh".'
    )
    check("5Wh")


def line(number: int, text: str, answer: str | None) -> str:
    call: dict[str, Any] = {"request": {"model": "scripted-model", "messages": task_files.prompt(text)}}
    message = {"role": "assistant", "content": answer}
    if answer is not None:
        call["response"] = {
            "id": f"c{number}", "object": "chat.completion", "created": 1_790_000_000 + 60 * number,
            "model": "scripted-model", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32},
        }  # fmt: skip
    else:
        call |= {"error": {"message": "slow down"}, "created": 1_790_000_000 + 60 * number}
    return json.dumps(call)


def test_a_log_without_answers_is_listed_with_what_would_ask_for_them(shell: Shell, tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    asked_twice = [line(n % 320, f"where is parcel {n % 320}", None) for n in range(340)]
    log.write_text("\n".join(asked_twice), encoding="utf-8")
    (one,) = shell.json("distil", str(log))
    assert (one["unanswered"], one["why_not"]) == (320, "none of its calls has a whole answer")
    said = shell("distil", str(log)).stdout.splitlines()
    asks = "--labels 320 --teacher scripted-model"
    assert said[2] == f"   320 prompts have no whole answer; the large model can be asked: {asks}"
    assert said[3] == "   Not distilled: none of its calls has a whole answer"
    assert said[4] == f"Next: greenai distil {log} --template {one['id']} {asks}"
    told = shell.json("distil", str(log), "--template", "1", "--labels", "320", "--teacher", "scripted-model")
    assert (told["would_ask"]["prompts"], told["would_ask"]["unanswered"]) == (320, 320)

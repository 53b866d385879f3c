"""Asking the large model anew: its answers stand behind those of the log, and a budget ends the asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import task_files
from stage import set_stage

from greenai.answerers.skeleton import Part, Template
from greenai.cli.distil_labels import asked, prompt
from greenai.distil.pairs import Pairs
from greenai.errors import InvalidRequest
from greenai.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from greenai.settings import Settings

PAIRS = Pairs(
    template=task_files.TEMPLATE,
    texts=tuple(f"where is parcel {n}" for n in range(6)),
    answers=("delivery",) * 6,
    created=tuple(float(n) for n in range(6)),
)
SAID = "The capital of France is Paris."


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    set_stage(monkeypatch)
    return load_settings({"state_dir": str(tmp_path), "ladder": ["openai/gpt-5.5"]})


def test_what_it_says_anew_stands_behind_what_the_log_has(settings: Settings) -> None:
    more = asked(PAIRS, 2, "openai/gpt-5.5", None, settings, as_json=True)
    assert len(more.texts) == len(more.answers) == len(more.created) == 8
    again = [at for at, answer in enumerate(more.answers) if answer == SAID]
    assert len(again) == 2
    assert all(more.texts[at] == more.texts[at - 1] and more.answers[at - 1] == "delivery" for at in again)


def test_a_budget_ends_the_asking(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(PAIRS, 6, "openai/gpt-5.5", "1 calls", settings, as_json=True).answers.count(SAID) == 1
    assert capsys.readouterr().err.startswith("1 were asked. ")


def test_several_slots_cannot_be_asked_anew(settings: Settings) -> None:
    template = Template(parts=(Part(role="user", literals=("Is the first text about ", "? Text: ", "")),))
    assert prompt(template, "sports") == [{"role": "user", "content": "Is the first text about sports? Text: -"}]
    pairs = Pairs(template=template, texts=("a",), answers=("b",))
    with pytest.raises(InvalidRequest) as refused:
        asked(pairs, 1, "openai/gpt-5.5", None, settings, as_json=True)
    assert str(refused.value) == ("The template has 2 slots, and --labels asks for one slot only. Leave --labels out.")

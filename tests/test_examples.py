"""Every file in examples/ runs under a scripted provider, is short, and does what it says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from stage import set_stage

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
SAYS = {
    "async_call.py": ["The capital of Italy is Rome. (small", "43.2 (answerer"],
    "batch.py": [
        "to be asked: 2; ",
        "The capital of France is Paris. (small)",
        "43.2 (answerer)",
        "3 answered, repeats 1",
    ],
    "cached.py": [
        "at the same time: ['cache', 'cache', 'small']",
        "later: cache",
        "of another tenant: small",
        "once forgotten: small",
    ],
    "collecting.py": ["The capital of Italy is Rome.", "3 calls (small, small, "],
    "distil.py": ["where is parcel 1090 (task_model)", "Is it raining on the moon? (small)"],
    "faq.py": [
        "You may return a product within 30 days. Gift cards cannot be refunded. (refunds.md, line 3) (greenai/faq)",
        "The capital of France is Paris. (local/smollm2-135m)",
    ],
    "first_call.py": ["The capital of France is Paris.", "answered by local/smollm2-135m (small)"],
    "ladder_in_settings.py": ["-> openai/gpt-5.4-nano", "-> openai/gpt-5.5"],
    "observe.py": ["local/smollm2-135m answered, no model would have"],
    "opt_in_reasoning.py": ["reasoning False", "reasoning True"],
    "registered.py": [
        "On Sunday we are open from 10 to 16. (greenai/registered:opening_hours)",
        "The capital of France is Paris. (local/smollm2-135m)",
    ],
    "streaming.py": ["The capital of France is Paris.", "answered by local/smollm2-135m"],
    "task.py": ["technology", "money (task_model)"],
    "three_receipts.py": ["43.2", "The capital of France is Paris.", "the same request was answered before"],
}


def run(path: Path) -> int:
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_run(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    set_stage(monkeypatch)
    assert run(path) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert [text for text in SAYS[path.name] if text not in printed] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 40


def test_a_wrong_answer_is_an_exit_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stage.say", lambda _: "The capital of France is Lyon.")
    set_stage(monkeypatch)
    assert run(EXAMPLES[0].with_name("three_receipts.py")) == 1


@pytest.mark.needs_weights
def test_three_receipts_with_the_real_model(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert weights.exists()
    assert run(EXAMPLES[0].with_name("three_receipts.py")) == 0
    printed = capsys.readouterr().out
    assert "the same request was answered before" in " ".join(printed.split())
    readme = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")
    assert second_receipt(readme.split("```text\n")[1].split("```")[0]) in second_receipt(printed)


def second_receipt(text: str) -> str:
    """The question that the model answers and its receipt, without figures; the evidence depends on the machine."""
    shown = "What is the capital of France?" + text.partition("What is the capital of France?")[2]
    shown = re.sub(r"energy .*?stars", "energy stars", " ".join(shown.split()))
    return re.sub(r"[0-9][0-9.,]*(?: to [0-9.]+)?(?: [nµm]?(?:Wh|g|s)\b)?", "#", shown)

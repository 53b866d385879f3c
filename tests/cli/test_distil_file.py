"""Which file a task model is written to: nothing but a task model of the same template is written over."""

from __future__ import annotations

from pathlib import Path

import pytest
import task_files

from greenai.answerers.skeleton import Part, Template
from greenai.cli.distil_file import Target, target
from greenai.distil.templates import Candidate
from greenai.errors import InvalidRequest

OTHER = Template(parts=(Part(role="user", literals=("Which department is this for, in French? Message: ", "")),))
NAMED = Path("which-department-is-this.greenai")


def candidate(template: Template = task_files.TEMPLATE) -> Candidate:
    return Candidate(
        number=1, id="76dc7d", template=template, calls=100, labels=(), share=1.0, input_tokens=0, output_tokens=0,
        cost_usd=None, models=(), projects=(), why_not=None,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_name_is_made_of_the_templates_first_words() -> None:
    assert target(None, candidate()) == Target(path=NAMED)
    task_files.write(NAMED)
    again = target(None, candidate())
    assert again.path == NAMED
    assert again.replaces is not None
    assert len(again.replaces) == 64


def test_another_template_with_the_same_first_words_gets_its_id_into_the_name() -> None:
    task_files.write(NAMED)
    assert target(None, candidate(OTHER)) == Target(path=Path("which-department-is-this-76dc7d.greenai"))
    NAMED.write_text("a note")
    assert target(None, candidate()) == Target(path=Path("which-department-is-this-76dc7d.greenai"))


def test_a_file_that_is_named_and_holds_something_else_is_refused() -> None:
    log = Path("calls.jsonl")
    log.write_text("{}")
    with pytest.raises(InvalidRequest) as refused:
        target(log, candidate())
    assert str(refused.value) == (
        "calls.jsonl is there already, and is no task model of template 76dc7d: it is not overwritten. Name another "
        "file with --out, or remove that one."
    )
    with pytest.raises(InvalidRequest, match="is there already"):
        target(task_files.write(NAMED), candidate(OTHER))

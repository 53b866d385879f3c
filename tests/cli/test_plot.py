"""The leaderboard as a picture."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenai.cli import leaderboard, plot

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="the extra `plot` is not installed")


@needs_matplotlib
@pytest.mark.parametrize(("ending", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_a_picture_is_written(shell: Shell, tmp_path: Path, ending: str, magic: bytes) -> None:
    file = tmp_path / f"models{ending}"
    out = shell("models", "--scored", "--limit", "12", "--plot", str(file))
    assert (out.exit_code, out.stderr) == (0, "")
    assert f"Picture: {file}" in out.stdout
    assert file.read_bytes().startswith(magic)


@needs_matplotlib
def test_the_picture_has_each_model(tmp_path: Path) -> None:
    rows = leaderboard.ranked(leaderboard.standings(leaderboard.chosen(provider="anthropic")), "energy")
    plot.draw(rows, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text("utf-8")
    comments = text.count("<!-- anthropic/")
    assert comments == len([row for row in rows if row.least.energy.energy_j is not None])
    assert "<!-- Score against energy, each mode with its Pareto line -->" in text
    ET.fromstring(text)


@needs_matplotlib
def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    unknown = leaderboard.standings(leaderboard.chosen(provider="perplexity"))
    with pytest.raises(plot.PlotError) as caught:
        plot.draw(unknown, tmp_path / "a.svg")
    assert str(caught.value) == "--plot: none of these models has an energy that can be modelled."
    many = leaderboard.standings(leaderboard.chosen())
    known = len([row for row in many if row.least.energy.energy_j is not None])
    with pytest.raises(plot.PlotError) as caught:
        plot.draw(many, tmp_path / "a.svg")
    assert str(caught.value) == f"--plot: {known} models are too many for a picture. Use --limit 120 or less."


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("models.jpg", "--plot: models.jpg ends in .jpg. Use one of .svg, .png, .pdf."),
        ("models", "--plot: models has no ending. Use one of .svg, .png, .pdf."),
    ],
)
def test_a_wrong_ending_is_a_wrong_use_of_the_command(shell: Shell, name: str, problem: str) -> None:
    wrong = shell("models", "--plot", name)
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert problem in wrong.stderr


def test_a_missing_folder_is_refused_before_anything_is_worked_out(shell: Shell) -> None:
    assert shell.error("models", "--plot", "no/folder.svg") == (
        "PlotError",
        "--plot: the folder no does not exist. Make it, or choose another.",
    )


def test_without_matplotlib_the_extra_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    assert shell.error("models", "--plot", "models.svg") == (
        "MissingExtra",
        (
            "Drawing the leaderboard needs the package matplotlib, which is not installed. "
            'Install it with: pip install "greenai[plot]"'
        ),
    )

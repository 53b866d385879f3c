"""`greenai telemetry`."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell  # type: ignore[attr-defined]


def test_it_prints_the_board_for_grafana(shell: Shell) -> None:
    result = shell("telemetry", "grafana")
    assert result.exit_code == 0
    assert result.stdout == resources.files("greenai.integrations").joinpath("grafana.json").read_text("utf-8")
    assert json.loads(result.stdout)["title"] == "greenai"


def test_it_writes_the_board_to_a_file(shell: Shell, tmp_path: Path) -> None:
    result = shell("telemetry", "grafana", "--output", str(tmp_path / "board.json"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads((tmp_path / "board.json").read_text("utf-8"))["title"] == "greenai"


def test_a_file_that_cannot_be_written_is_said(shell: Shell, tmp_path: Path) -> None:
    result = shell("telemetry", "grafana", "-o", str(tmp_path / "nowhere" / "board.json"))
    assert result.exit_code == 1
    assert result.stderr.strip() == (
        f"{tmp_path / 'nowhere' / 'board.json'} cannot be written (No such file or directory). "
        "Name a file in a folder that you may write to: --output FILE"
    )


def test_without_a_command_it_says_what_there_is(shell: Shell) -> None:
    assert "grafana" in shell("telemetry").output

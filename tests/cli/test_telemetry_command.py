"""`greenai telemetry`."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shell  # type: ignore[attr-defined]


def test_it_prints_the_board_for_grafana(shell: Shell) -> None:
    result = shell("telemetry", "grafana")
    assert result.exit_code == 0
    assert result.stdout == resources.files("greenai.integrations").joinpath("grafana.json").read_text("utf-8")
    assert json.loads(result.stdout)["title"] == "greenai"


def test_without_a_command_it_says_what_there_is(shell: Shell) -> None:
    assert "grafana" in shell("telemetry").output

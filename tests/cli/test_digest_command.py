"""`greenai digest`: the last week in lines, as JSON, and with a ranking where that is switched on."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from bookkeeping import Book, fill

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shell  # type: ignore[attr-defined]


@pytest.fixture
def book(shell: Shell, tmp_path: Path) -> Book:
    """Three calls of this week, in the ledger that the settings of the shell's folder name."""
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "ledger.db"}"\n')
    filled = Book(tmp_path / "ledger.db")
    for n, project in enumerate(("shop", "shop", "desk\x1b[2J")):
        filled.call("small", 36.0, created=time.time() - 100 - n, project=project)
    return filled


@pytest.mark.usefixtures("book")
def test_the_week_in_lines_and_as_json(shell: Shell) -> None:
    out = shell("digest", "--project", "shop")
    assert (out.exit_code, out.stderr) == (0, "")
    assert out.stdout == (
        "The last seven days of the project shop:\n  2 calls in the last seven days took 20 mWh, 10 mWh each.\n"
    )
    told = json.loads(shell("digest", "--json").stdout)
    assert (told["project"], told["week"]["calls"], told["energy_per_call_j"]) == (None, 3, 36.0)


@pytest.mark.usefixtures("book")
def test_a_ranking_needs_the_switch(shell: Shell, tmp_path: Path) -> None:
    out = shell("digest", "--ranking")
    assert out.exit_code == 1
    assert "nudges = { team_ranking = true }" in " ".join(out.stderr.split())
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "ledger.db"}"\nnudges = {{ team_ranking = true }}\n')
    out = shell("digest", "--ranking")
    assert out.exit_code == 0
    assert "  2. shop: 10 mWh a call" in out.stdout
    assert "\x1b" not in out.stdout


def test_a_project_that_nobody_knows_is_refused(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "ledger.db"}"\n')
    fill(Book(tmp_path / "ledger.db"))
    _, message = shell.error("digest", "--project", "dsk")
    assert message.endswith("the settings do not name it. Did you mean 'desk'?")


def test_without_a_ledger_it_says_how_to_begin(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "greenai.toml").write_text(f'ledger = "{tmp_path / "none.db"}"\n')
    out = shell("digest")
    assert out.exit_code == 0
    assert "There is no call in the ledger yet" in out.stdout

"""Every command where standard output takes fewer signs than UTF-8; and help texts as they are written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bookkeeping import Book, fill
from typer.main import get_command
from typer.testing import CliRunner

from greenai.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Shell  # type: ignore[attr-defined]

CALL = "c" * 32
COMMANDS = (
    ["ask", "What is 18% of 240?"],
    ["ask", "What is 18% of 240?", "--json"],
    ["explain", "What is 18% of 240?"],
    ["report"],
    ["report", "--by", "model"],
    ["report", "--csv", "-"],
    ["report", "--json"],
    ["budget"],
    ["budget", "--json"],
    ["why"],
    ["why", CALL],
    ["why", CALL, "--json"],
    ["digest"],
    ["cache", "stats"],
    ["cache", "export"],
    ["models", "list"],
    ["models", "--sort", "energy", "--limit", "3"],
    ["models", "show", "gpt-5.5"],
    ["doctor"],
    ["feedback", CALL, "--good"],
    ["--help"],
    ["budget", "--help"],
)


@pytest.fixture(params=["cp1252", "latin-1", "ascii"])
def narrow(request: pytest.FixtureRequest, shell: Shell, tmp_path: Path) -> CliRunner:
    """A shell of a narrow encoding, in a folder with budgets, calls, and a project whose name it lacks."""
    (tmp_path / "greenai.toml").write_text(
        f'state_dir = "{tmp_path}"\nledger = "{tmp_path / "ledger.db"}"\n'
        '[projects.default.budget]\nenergy = "50 Wh/day"\n[budget]\ntimezone = "UTC"\n[projects."größe-日本".budget]\ncalls = "9/day"\n',
        "utf-8",
    )
    book = fill(Book(tmp_path / "ledger.db"))
    book.call("small", 0.01, project="größe-日本", call_id=CALL, overhead_ms=1e-3)
    return CliRunner(charset=request.param)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_prints_where_the_encoding_lacks_its_signs(narrow: CliRunner, command: list[str]) -> None:
    result = narrow.invoke(app, command)
    assert (result.exit_code, result.exception) == (0, None), result.output
    if "--json" in command:
        json.loads(result.stdout)


def test_bars_and_units_have_an_ascii_form(shell: Shell, narrow: CliRunner) -> None:
    assert "........................ 0% used" in narrow.invoke(app, ["budget"]).stdout
    if narrow.charset == "ascii":
        assert "uWh" in narrow.invoke(app, ["why", CALL]).stdout
    told = json.loads(narrow.invoke(app, ["why", CALL, "--json"]).stdout)
    assert told["project"] == "größe-日本"


def test_an_error_is_one_line_in_every_encoding(narrow: CliRunner) -> None:
    result = narrow.invoke(app, ["budget", "--scope", "project/größe\N{EN DASH}日本"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def helps(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for parameter in command.params:
        if text := getattr(parameter, "help", None):
            yield path, text
    for name, sub in getattr(command, "commands", {}).items():
        yield path, sub.help.partition("\n")[0]
        yield from helps(sub, (*path, name))


def test_no_help_loses_a_sign(shell: Shell) -> None:
    shown: dict[tuple[str, ...], str] = {}
    for path, text in helps(get_command(app)):
        if path not in shown:
            shown[path] = "".join(shell(*path, "--help").stdout.replace("│", "").split())
        assert "".join(text.replace("`", "").split()) in shown[path]

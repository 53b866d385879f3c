"""Shells complete every command and option, and nothing that is loaded for that is heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import click
import pytest
from typer.main import get_command

from greenai.cli import app


def words(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group, by the words that lead to it."""
    inner = getattr(command, "commands", {})
    return [path, *(found for name, one in inner.items() if not one.hidden for found in words(one, (*path, name)))]


ROOT: Any = get_command(app)
COMMANDS = words(ROOT)


def completed(line: str, shell: str = "bash") -> list[str]:
    """What a shell is given for a line whose last word is incomplete."""
    *_, last = line.split(" ")
    environment = {
        **os.environ,
        "_GREENAI_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": last,
    }
    installed = "import sys; sys.argv[0] = 'greenai'; from greenai.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", installed], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_a_shell_completes_the_commands() -> None:
    names = {path[0] for path in COMMANDS if len(path) == 1}
    assert set(completed("greenai ")) == names
    assert {"ask", "budget", "cache", "digest", "doctor", "explain", "models", "report", "serve", "why"} <= names


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(("greenai", *path)))
def test_options_are_completed_for_every_command(path: tuple[str, ...]) -> None:
    """By click's own completion in this process, which the shells' scripts ask for in another."""
    from click.shell_completion import ShellComplete

    said = {
        item.value for item in ShellComplete(ROOT, {}, "greenai", "_GREENAI_COMPLETE").get_completions(list(path), "--")
    }
    command = ROOT
    for name in path:
        command = command.commands[name]
    options = {
        o for p in command.params if isinstance(p, click.Option) and not p.hidden for o in p.opts if o[:2] == "--"
    }
    assert options <= said
    assert said


def test_a_model_is_completed() -> None:
    assert "gpt-5.4-nano" in completed("greenai ask --model gpt-5.4-")

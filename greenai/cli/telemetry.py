"""`greenai telemetry`: what shows elsewhere what greenai tells."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from greenai.cli.common import reported
from greenai.errors import InvalidRequest

__all__ = ["telemetry"]

Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write; standard output without it.")]

telemetry = typer.Typer(no_args_is_help=True, help="What shows elsewhere what greenai tells: a dashboard for Grafana.")


@telemetry.callback()
def _group() -> None:
    """Keep the group a group, while it has one command."""


@telemetry.command()
def grafana(*, output: Output = None) -> None:
    """Print a dashboard for Grafana, which reads what `greenai.integrations.prometheus` counts."""
    board = resources.files("greenai.integrations").joinpath("grafana.json").read_text("utf-8")
    if output is None:
        typer.echo(board, nl=False)
        return
    with reported(as_json=False):
        try:
            output.write_text(board, "utf-8")
        except OSError as error:
            raise InvalidRequest(
                f"{output} cannot be written ({error.strerror}). Name a file in a folder that you may write to: "
                "--output FILE"
            ) from None

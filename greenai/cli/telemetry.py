"""`greenai telemetry`: what shows elsewhere what greenai tells."""

from __future__ import annotations

from importlib import resources

import typer

__all__ = ["telemetry"]

telemetry = typer.Typer(no_args_is_help=True, help="What shows elsewhere what greenai tells: a dashboard for Grafana.")


@telemetry.callback()
def _group() -> None:
    """Keep the group a group, while it has one command."""


@telemetry.command()
def grafana() -> None:
    """Print a dashboard for Grafana, which reads what `greenai.integrations.prometheus` counts."""
    board = resources.files("greenai.integrations").joinpath("grafana.json")
    typer.echo(board.read_text("utf-8"), nl=False)

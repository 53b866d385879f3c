"""The `greenai` command: one file per command, each a thin shell over the library.

Exit codes: 0, 1 where greenai or a provider refused (one line on standard error; with `--json` an object with `error`
on standard output), 2 for a wrong use of the command.
"""

from __future__ import annotations

from typing import Annotated

import typer

from greenai import __version__
from greenai.cli.ask import ask
from greenai.cli.audit import audit
from greenai.cli.batch import batch
from greenai.cli.budget import budget
from greenai.cli.cache import cache
from greenai.cli.common import Root
from greenai.cli.digest import digest
from greenai.cli.distil import distil
from greenai.cli.doctor import doctor
from greenai.cli.explain import explain
from greenai.cli.feedback import feedback
from greenai.cli.gpus import gpus
from greenai.cli.models import models
from greenai.cli.rate import rate
from greenai.cli.report import report
from greenai.cli.serve import serve
from greenai.cli.telemetry import telemetry
from greenai.cli.tune import tune
from greenai.cli.why import why

__all__ = ["app"]

app = typer.Typer(
    name="greenai",
    help="Answer questions to language models with the least energy that still answers well.",
    no_args_is_help=True,
    cls=Root,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # of rich's own, [plot] would be a tag
)
app.command()(ask)
app.command()(audit)
app.command()(batch)
app.command()(explain)
app.command()(feedback)
app.command()(report)
app.command()(budget)
app.command()(why)
app.command()(digest)
app.add_typer(cache, name="cache")
app.add_typer(models, name="models")
app.add_typer(telemetry, name="telemetry")
app.command()(doctor)
app.command()(serve)
app.command()(tune)
app.command()(distil)
app.command()(rate)
app.command()(gpus)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"greenai {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Answer questions to language models with the least energy that still answers well."""

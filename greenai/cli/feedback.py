"""`greenai feedback`: say whether the answer of a call was good, so that the project's thresholds follow."""

from __future__ import annotations

from typing import Annotated

import typer

from greenai.cli.common import AsJson, SettingsFile, print_json, reported
from greenai.cli.completion import complete_call


def feedback(
    call_id: Annotated[
        str, typer.Argument(help="The call_id of a receipt, or how it begins.", autocompletion=complete_call)
    ],
    *,
    good: Annotated[bool | None, typer.Option("--good/--bad", help="What the answer was.")] = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say whether an answer was good; from 30 answers on, the project's thresholds follow what was said."""
    if good is None:
        raise typer.BadParameter("say what the answer was: --good or --bad")
    with reported(as_json=as_json):
        from greenai import Client

        with Client(settings=settings) as client:
            client.feedback(call_id, good=good)
    said = "good" if good else "bad"
    if as_json:
        print_json({"call_id": call_id, "good": good})
    else:
        typer.echo(f"{call_id}: {said}")

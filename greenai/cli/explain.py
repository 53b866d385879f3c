"""`greenai explain`: say how a question would be answered, and what each rung would take. No model is called."""

from __future__ import annotations

from typing import Annotated

import typer

from greenai.cli.common import (
    AsJson,
    Model,
    OptIns,
    Project,
    Reason,
    SettingsFile,
    client_arguments,
    console,
    options_of,
    print_json,
    read_prompt,
    reported,
)


def explain(
    prompt: Annotated[str, typer.Argument(help="The question; a dash reads it from standard input.")],
    *,
    model: Model = None,
    opt_in: OptIns = None,
    reason: Reason = None,
    project: Project = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how a question would be answered, without calling any model."""
    options = options_of(opt_in, reason)
    with reported(as_json=as_json):
        from greenai import Client

        with Client(**client_arguments(settings, project)) as client:
            asked = client.with_options(**options) if options else client
            decision = asked.explain(read_prompt(prompt), model=model).to_dict()
    if as_json:
        print_json(decision)
        return
    from greenai.render import decision_table

    console().print(decision_table(decision, "decision, no model called"))

"""`greenai ask`: print the answer as it comes, then its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.cli.common import (
    AsJson,
    Model,
    OptIns,
    Project,
    Reason,
    SettingsFile,
    System,
    Yes,
    client_arguments,
    console,
    may_pull,
    options_of,
    plain,
    prepared,
    print_json,
    pull,
    read_prompt,
    reported,
)
from greenai.errors import ModelMissing

if TYPE_CHECKING:
    from greenai import Client, Receipt

LOOKUP_NEEDED = 3
"""Exit code where the question needs live data that nothing here knows."""

_TEMPERATURE = "How far answers may vary, from 0 (least) to 2; above 0 none is stored."


def ask(
    prompt: Annotated[str, typer.Argument(help="The question; a dash reads it from standard input.")],
    *,
    model: Model = None,
    system: System = None,
    opt_in: OptIns = None,
    reason: Reason = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="The most tokens that an answer may have.")
    ] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", min=0.0, max=2.0, help=_TEMPERATURE)] = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Whether a stored answer may serve.")] = True,
    receipt: Annotated[bool, typer.Option("--receipt/--no-receipt", help="Whether to print the receipt.")] = True,
    project: Project = None,
    settings: SettingsFile = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Answer a question with the least energy that still answers well, and print the receipt.

    Exit code 3: the question needs live data, and nothing here knows them.
    """
    options = options_of(opt_in, reason) | ({} if cache else {"cache": "off"})
    given = {"model": model, "system": system, "max_tokens": max_tokens, "temperature": temperature}
    arguments = {name: value for name, value in given.items() if value is not None}
    with reported(as_json=as_json):
        from greenai import Client

        with Client(**client_arguments(settings, project)) as client:
            prepared(client, as_json=as_json)
            asked = _Asked(client.with_options(**options) if options else client, read_prompt(prompt), arguments)
            show = asked.as_json if as_json else asked.as_text
            try:
                show(receipt)
            except ModelMissing as missing:
                if not may_pull(missing, yes=yes, as_json=as_json):
                    raise
                pull(missing.model, client.settings.weights_dir)
                show(receipt)


class _Asked:
    """One question, ready to be asked, and asked again once its model is there."""

    def __init__(self, client: Client, prompt: str, arguments: dict[str, Any]) -> None:
        self._client = client
        self._prompt = prompt
        self._arguments = arguments

    def as_json(self, receipt: bool) -> None:
        answer = self._client.ask(self._prompt, **self._arguments)
        outcome = answer.greenai.outcome
        data: dict[str, Any] = {"text": answer.text, "finish_reason": answer.finish_reason, "outcome": outcome}
        print_json(data | {"receipt": answer.greenai.to_dict()} if receipt else data)
        _end(outcome)

    def as_text(self, receipt: bool) -> None:
        with self._client.ask(self._prompt, stream=True, **self._arguments) as stream:
            for piece in stream:
                typer.echo(plain(piece), nl=False)
            typer.echo()
        told = stream.greenai
        if receipt and told is not None:
            _print_receipt(told)
        elif told is not None and told.outcome == "lookup_needed":  # the receipt would have said what to do
            typer.echo(plain("\n".join(told.decision.reasons)), err=True)
        _end(None if told is None else told.outcome)


def _end(outcome: str | None) -> None:
    """End with a code of its own where nothing was answered: a script must not take the text for an answer."""
    if outcome == "lookup_needed":
        raise typer.Exit(LOOKUP_NEEDED)


def _print_receipt(receipt: Receipt) -> None:
    from greenai.render import receipt_table

    out = console()
    out.print()
    out.print(receipt_table(receipt.to_dict()))

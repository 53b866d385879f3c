"""What the commands share: options, output, errors, and bringing a model's weights with a progress bar."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
import typer.core

from greenai.cli.completion import complete_model, complete_opt_in, complete_project
from greenai.errors import GreenAIError, LogUnreadable, ModelMissing, OptInRequired

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from rich.console import Console

    from greenai import Client
    from greenai.settings import Settings

# --- options that several commands have -----------------------------------------------------

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="A settings file, instead of the greenai.toml or pyproject.toml found here."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help='A model, such as "gpt-5.5". Without it the ladder decides.',
        autocompletion=complete_model,
    ),
]
Project = Annotated[
    str | None,
    typer.Option("--project", help="The project that the call is booked on.", autocompletion=complete_project),
]
System = Annotated[str | None, typer.Option("--system", "-s", help="A system message.")]
OptIns = Annotated[
    list[str] | None,
    typer.Option(
        "--opt-in",
        help="Allow an expensive mode: reasoning, large, long_output, semantic_cache. Needs --reason.",
        autocompletion=complete_opt_in,
    ),
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why the opt-in is needed; the ledger keeps it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before downloading or deleting.")]


def read_prompt(text: str) -> str:
    """Return the prompt itself, or standard input where it is a dash."""
    return sys.stdin.read() if text == "-" else text


def options_of(opt_in: list[str] | None, reason: str | None) -> dict[str, Any]:
    """Return the opt-in as options of a client.

    Raises:
        typer.BadParameter: an opt-in without a reason.
    """
    if not opt_in:
        return {}
    if not reason:
        raise typer.BadParameter('--opt-in needs a reason, for example: --reason "checked by a person"')
    return {"opt_in": set(opt_in), "reason": reason}


# --- output ---------------------------------------------------------------------------------


class Root(typer.core.TyperGroup):
    """The commands: what they print reaches a terminal or file of every encoding."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command."""
        encodable()
        return super().main(*args, **kwargs)


# What stands for a sign where an encoding lacks it; for any other one it is a question mark.
_IN_ASCII = {
    "\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u", "\N{MULTIPLICATION SIGN}": "x",
    "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{HORIZONTAL ELLIPSIS}": "...", "\N{NO-BREAK SPACE}": " ",
    "\N{FULL BLOCK}": "#", "\N{LIGHT SHADE}": ".", "\N{BLACK STAR}": "*", "\N{WHITE STAR}": ".",
    "\N{LEFT SINGLE QUOTATION MARK}": "'", "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"', "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
}  # fmt: skip
_ERRORS = "greenai.in_ascii"


def encodable() -> None:
    """Let standard output and error take every text: signs that their encoding lacks become ASCII ones."""
    codecs.register_error(_ERRORS, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_IN_ASCII.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def console(*, stderr: bool = False) -> Console:
    """Return a console on today's standard output or error."""
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=False, highlight=False)


def print_json(data: object) -> None:
    """Print `data` as JSON on standard output."""
    typer.echo(json.dumps(data, ensure_ascii=needs_ascii(), indent=2, default=str))


def needs_ascii() -> bool:
    """Say whether standard output takes less than every sign, so that JSON has to escape them."""
    return not (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")


_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """Return `text` without control characters, so that what a model wrote cannot steer a terminal."""
    return text.translate(_CONTROLS)


# --- errors ---------------------------------------------------------------------------------


@contextmanager
def reported(*, as_json: bool) -> Generator[None]:
    """Turn what greenai or a provider refuses into one line, or one JSON object, and exit code 1."""
    try:
        yield
    except _expected() as error:
        _report(error, as_json=as_json)
        raise typer.Exit(1) from None


def _expected() -> tuple[type[Exception], ...]:
    # openai's errors can only come up once openai is loaded, and it is not loaded for their sake.
    openai = sys.modules.get("openai")
    return (GreenAIError,) if openai is None else (GreenAIError, openai.OpenAIError)


def _report(error: Exception, *, as_json: bool) -> None:
    notes, message = list(getattr(error, "__notes__", ())), _message(error)
    if as_json:
        data = {"type": type(error).__name__, "message": message}
        print_json({"error": data | {"notes": notes} if notes else data})
        return
    from rich.text import Text

    said = " ".join((message, *notes))
    if isinstance(error, LogUnreadable) and "\n  " in said:  # the list of formats, each on a line of its own
        said = "\n".join(plain(line) for line in said.split("\n"))
    else:
        said = " ".join(plain(said).split())
    console(stderr=True).print(Text(said, style="red"), soft_wrap=True)


def _message(error: Exception) -> str:
    """Return what an error says; where it tells a line of Python that allows a call, the options of this command."""
    if not isinstance(error, OptInRequired) or not error.fix:
        return _said_by_server(error) or str(error)
    kinds = re.findall(r'"(\w+)"', error.fix.partition("}")[0])
    options = " ".join(f"--opt-in {kind}" for kind in kinds)
    said = str(error).replace(error.fix, f'{options} --reason "why this is worth it"')
    return said.replace('model="..."', "--model NAME")


def _said_by_server(error: Exception) -> str | None:
    """Return the message alone of an answer of openai's form, which openai's exceptions print as a dict of Python."""
    body, status = getattr(error, "body", None), getattr(error, "status_code", None)
    said = cast("Mapping[str, Any]", body).get("message") if isinstance(body, dict) else None
    if not isinstance(said, str) or not said.strip() or not str(error).startswith(f"Error code: {status} - "):
        return None
    return f"{said.strip()} (status {status})"


# --- settings and weights -------------------------------------------------------------------


def settings_of(path: Path | None) -> Settings:
    """Load the settings, and add their cards to the catalog.

    Raises:
        SettingsError: a setting is wrong.
    """
    from greenai.meters.inputs import register_cards
    from greenai.settings import load_settings

    loaded = load_settings(path)
    register_cards(loaded.cards)
    return loaded


def may_pull(error: ModelMissing, *, yes: bool, as_json: bool) -> bool:
    """Ask whether to bring a missing model's weights; without a terminal only `--yes` or GREENAI_YES=1 allow it."""
    if yes or os.environ.get("GREENAI_YES") == "1":
        return True
    if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(f"{error.model} is not on this machine. Download its weights now?", default=True, err=True)


def pull(name: str, weights_dir: Path | None) -> Path:
    """Bring the weights of a local model, with a progress bar on standard error, and return where they lie.

    Raises:
        ModelError: they cannot be brought; the message has the next step.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from greenai.local import weights

    weights.parse(name.removeprefix("local/"))  # a wrong name is refused before a bar is drawn
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        return weights.pull(name.removeprefix("local/"), weights_dir, show)


def prepared(client: Client, *, as_json: bool) -> None:
    """Index the FAQ of the settings with a progress bar on standard error, where there is one and somebody watches."""
    if client.settings.faq is None or as_json or not _is_watched():
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading the FAQ", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        client.prepare(show)


def _is_watched() -> bool:
    return sys.stderr.isatty()


def client_arguments(settings: Path | None, project: str | None) -> Mapping[str, Any]:
    """Return what `Client` is opened with."""
    return {"settings": settings, "project": project}

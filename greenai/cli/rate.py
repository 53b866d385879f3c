"""`greenai rate`: an AI Energy Score run of one's own, its record, badge and leaderboard."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenai.cli.common import AsJson, SettingsFile, console, plain, print_json, reported, settings_of
from greenai.cli.models import complete_installed
from greenai.progress import bar
from greenai.units import format_duration

if TYPE_CHECKING:
    from greenai.progress import Moved
    from greenai.rate.measure import Progress
    from greenai.rate.merge import Merged
    from greenai.rate.record import Record
    from greenai.rate.run import Asked, Rated
    from greenai.rate.shelf import Kept, Shelf
    from greenai.settings import Settings

__all__ = ["rate"]


class Reasoning(StrEnum):
    """Whether the model reasons."""

    OFF = "off"
    ON = "on"


class ModelClass(StrEnum):
    """The public board's classes."""

    A = "A"
    B = "B"
    C = "C"


Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="A model, such as local/smollm2-135m; with --merge and --board, files of ratings.",
        autocompletion=complete_installed,
        show_default=False,
    ),
]
Prompts = Annotated[int, typer.Option(min=2, max=1000, help="How many of the 1,000 prompts.")]
Runs = Annotated[int | None, typer.Option(min=1, max=100, help="Passes; without it 3 to 10, until they agree.")]
Reason = Annotated[Reasoning, typer.Option(help="Off: answers of ten tokens. On: answers that end by themselves.")]
Served = Annotated[bool, typer.Option("--served", help="At the batch that greenai tune found.")]
Batch = Annotated[int | None, typer.Option(min=1, max=4096, help="With --served: so many at a time instead.")]
BaseUrl = Annotated[str | None, typer.Option(help="An OpenAI-compatible server on this machine; needs --pid.")]
Pid = Annotated[int | None, typer.Option(min=1, help="The process of that server, for the meters.")]
KeyName = Annotated[str, typer.Option("--api-key-env", help="The variable that holds that server's key.")]
Class = Annotated[
    ModelClass | None, typer.Option("--class", help="The public board's class, where the catalog lacks the model.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a rating that was stopped.")]
Verify = Annotated[Path | None, typer.Option(help="Check the hash and signature of a file of ratings.")]
Merge = Annotated[bool, typer.Option("--merge", help="Join files of ratings into --out.")]
Out = Annotated[Path | None, typer.Option(help="With --merge: the file to write. Else: the folder of the ratings.")]
Board = Annotated[bool, typer.Option("--board", help="Draw the leaderboard of all ratings here, and of these files.")]


def rate(
    names: Names = None,
    *,
    prompts: Prompts = 1000,
    runs: Runs = None,
    reasoning: Reason = Reasoning.OFF,
    served: Served = False,
    batch: Batch = None,
    base_url: BaseUrl = None,
    pid: Pid = None,
    key_name: KeyName = "OPENAI_API_KEY",
    model_class: Class = None,
    resume: Resume = False,
    verify: Verify = None,
    merge: Merge = False,
    board: Board = False,
    out: Out = None,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure what 1,000 queries to a model take, by the public method, and keep a signed record with a badge."""
    with reported(as_json=as_json):
        if verify is not None:
            _verified(verify, as_json=as_json)
            return
        if merge:
            _merged(names or [], out, as_json=as_json)
            return
        from greenai.rate.run import Asked, folder_of
        from greenai.rate.shelf import Shelf

        loaded = settings_of(settings)
        shelf = Shelf(folder=out or folder_of(loaded))
        if board:
            _drawn(shelf, names or [], as_json=as_json)
            return
        if names is None or len(names) != 1:
            raise typer.BadParameter("Name one model, such as local/smollm2-135m, or use --board, --merge or --verify.")
        if batch is not None and not served:
            raise typer.BadParameter("--batch needs --served: the public method asks one query at a time.")
        asked = Asked(
            model=names[0],
            prompts=prompts,
            runs=runs,
            reasoning="on" if reasoning is Reasoning.ON else "off",
            served=served,
            batch=batch,
            base_url=base_url,
            pid=pid,
            api_key=os.environ.get(key_name, "") if base_url is not None else "",
            model_class=None if model_class is None else model_class.value,
            resume=resume,
        )
        shelf.check()
        rated = _run(asked, loaded, as_json=as_json)
        kept = _kept(rated, shelf)
    if as_json:
        files = {"record": kept.record, "badge": kept.badge, "leaderboard": shelf.folder / "leaderboard.md"}
        print_json({**rated.record.to_dict(), "resumed": rated.resumed, "files": files})
    else:
        _print(asked, rated, kept, shelf)


# --- measuring ------------------------------------------------------------------------------


def _run(asked: Asked, settings: Settings, *, as_json: bool) -> Rated:
    from greenai.rate.run import rate as measure

    try:
        with bar("loading", watched=not as_json and sys.stderr.isatty()) as moved:
            return measure(asked, settings, None if moved is None else partial(_told, moved))
    except KeyboardInterrupt:
        line = "Stopped. What was measured is kept; go on with the same options and --resume."
        console(stderr=True).print(line, markup=False, soft_wrap=True)
        raise typer.Exit(130) from None


def _told(moved: Moved, at: Progress) -> None:
    said = f"{at.done} of {at.expected} queries at most, {format_duration(at.left_s)} left at most"
    moved(f"run {at.run}", done=at.done, total=at.expected, said=said)


def _kept(rated: Rated, shelf: Shelf) -> Kept:
    """Write the record; what was measured goes once it is written."""
    from greenai.rate.record import RecordError
    from greenai.rate.run import KEPT

    try:
        kept = shelf.keep(rated.record)
        rated.journal.end()
    except RecordError as error:
        error.add_note(KEPT)
        raise
    finally:
        rated.journal.close()
    return kept


def _print(asked: Asked, rated: Rated, kept: Kept, shelf: Shelf) -> None:
    from greenai.rate.view import view

    seen, content = view(rated.record), rated.record.content
    count = len(rated.runs)
    length = (
        f"{content['prompts']['mean_tokens']:.0f} tokens on average, answers of {content['output_tokens']['mean']:.1f}"
    )
    passes = f"{count} run{'' if count == 1 else 's'} of {content['prompts']['count']} prompts"
    interval = f"90% interval {seen.interval}" if seen.has_interval else "no interval: one run"
    lines = [
        f"{seen.model} on {seen.device}: {seen.energy} per 1,000 queries ({interval}).",
        f"{seen.boundary_words}; {seen.mode_words}; {passes}, {length}.",
        f"Meter: {content['meter']} ({content['evidence']}).",
        f"Stars ({seen.scale}): {seen.grade_words}.",
        f"Public board: {seen.public}.",
        "Differs from the public method:",
        *(f"  {why}" for why in content["deviations"]),
        f"Record ({seen.check}): {kept.record}",
        f"Badge: {kept.badge}",
        f"Leaderboard: {shelf.folder / 'leaderboard.html'}",
    ]
    if seen.check == "not signed":
        lines.append("The record is not signed, since cryptography is missing: pip install 'greenai[encrypt]'")
    if content["output_tokens"]["cut"]:
        answers, most = sum(run.requests for run in rated.runs), content["output_tokens"]["at_most"]
        cut = content["output_tokens"]["cut"]
        lines.append(f"{cut} of {answers} answers had not ended after {most:,} tokens and were cut.")
    if asked.resume and not rated.resumed:
        lines.append("There was nothing to go on with: no rating with these options was stopped. It was begun anew.")
    lines += shelf.problems
    for line in lines:
        console().print(plain(line), markup=False, soft_wrap=True)


# --- records --------------------------------------------------------------------------------


def _verified(path: Path, *, as_json: bool) -> None:
    from greenai.rate.record import read

    checks = [(record, record.check()) for record in read(path)]
    if as_json:
        print_json({"records": [{"id": r.id, "check": c, "key": _key(r)} for r, c in checks]})
    else:
        said = {
            "signed": "the signature holds; key {key}",
            "unsigned": "the content is as its hash says; nobody signed it",
            "unchecked": "the content is as its hash says; to check its signature: pip install 'greenai[encrypt]'",
            "changed": "changed after it was written, or signed wrongly",
        }
        for record, check in checks:
            line = f"{record.id[:32]}: {said[check].format(key=_key(record))}"
            console().print(plain(line), markup=False, soft_wrap=True)
    if any(check == "changed" for _, check in checks):
        raise typer.Exit(1)


def _key(record: Record) -> str | None:
    return None if record.signature is None else str(record.signature.get("key"))


def _read(files: Sequence[str]) -> list[Record]:
    from greenai.rate.record import read

    return [record for name in files for record in read(Path(name))]


def _merged(files: Sequence[str], out: Path | None, *, as_json: bool) -> None:
    import json

    from greenai.rate.merge import merged
    from greenai.rate.record import write

    if not files or out is None:
        raise typer.BadParameter(
            "--merge needs files of ratings and --out: greenai rate --merge a.json b.json --out c.json"
        )
    whole = merged(_read(files))
    try:
        write(out, json.dumps(whole.to_dict(), indent=1) + "\n")
    except OSError as error:
        raise typer.BadParameter(f"--out: {out} cannot be written: {error}") from None
    _tell(whole, {"out": out}, f"Written: {out}", as_json=as_json)


def _drawn(shelf: Shelf, files: Sequence[str], *, as_json: bool) -> None:
    whole, markdown, page = shelf.draw(_read(files))
    for problem in shelf.problems:
        console(stderr=True).print(plain(problem), markup=False, soft_wrap=True)
    _tell(whole, {"markdown": markdown, "html": page}, f"Leaderboard: {markdown} and {page}", as_json=as_json)


def _tell(whole: Merged, files: dict[str, Path], last: str, *, as_json: bool) -> None:
    from greenai.rate.view import view

    apart = [{"id": a.record.id, "sha256": a.record.sha256, "why": a.why} for a in whole.apart]
    if as_json:
        shown: list[Any] = [asdict(view(record)) for record in whole.shown]
        print_json({"shown": shown, "apart": apart, "files": files})
        return
    from greenai.rate.board import tables

    for title, rows in tables(whole.shown):
        console().print(plain(title), markup=False, style="bold")
        for seen in rows:
            line = f"  {seen.model}  {seen.energy} ({seen.interval})  {seen.grade_words}  {seen.device}  {seen.date}"
            console().print(plain(line), markup=False, soft_wrap=True)
    for one in whole.apart:
        console().print(plain(f"Kept apart: {one.record.id[:32]}: {one.why}"), markup=False, soft_wrap=True)
    count = len(whole.shown)
    said = f"{count} rating{'' if count == 1 else 's'}, {len(whole.apart)} kept apart. {last}"
    console().print(plain(said), markup=False, soft_wrap=True)

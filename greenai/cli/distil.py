"""`greenai distil`: make a task model of the most repetitive calls of a log, and say how those in use are doing.

What it says of one that was made is in distil_told.py, which file it is written to in distil_file.py, asking for labels
in distil_labels.py, and how one in use is doing in distil_status.py.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from greenai.audit.labels import command
from greenai.cli import distil_file, distil_labels, distil_told
from greenai.cli.common import AsJson, SettingsFile, console, plain, print_json, reported, settings_of
from greenai.progress import bar
from greenai.units import format_energy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from greenai.distil.pairs import Pairs
    from greenai.distil.templates import Candidate
    from greenai.distil.train import Trained
    from greenai.progress import Moved

__all__ = ["distil"]

Logs = Annotated[list[Path] | None, typer.Argument(help="Logs of calls: files or folders, as for greenai audit.")]
Format = Annotated[str | None, typer.Option("--format", help="The logs' format, where it is not found out.")]
Which = Annotated[
    str | None, typer.Option("--template", metavar="ID", help="The template to distil: its id, or its number.")
]
Work = Annotated[
    Path | None, typer.Option("--work", help="Keep the rows in this folder, or go on with those of greenai audit.")
]
Listed = Annotated[bool, typer.Option("--list", help="Only list the templates.")]
Promise = Annotated[float, typer.Option(min=0.5, max=0.999, help="How often it is to say what the large model says.")]
Tolerance = Annotated[
    float | None, typer.Option(help="For answers that are numbers on a scale: by how much two may differ and agree.")
]
OfKind = Annotated[
    Literal["label", "score", "span"] | None,
    typer.Option("--kind", help="What the answers are, where it is not found out: labels, numbers, words of the text."),
]
Labels = Annotated[
    int | None, typer.Option(min=1, help="Prompts of the log that --teacher answers, those without an answer first.")
]
Teacher = Annotated[str | None, typer.Option(help='The large model, such as "openai/gpt-5.5".')]
Spend = Annotated[
    str | None,
    typer.Option("--budget", help='What asking may take, such as "5Wh". Without it, what would be asked is told.'),
]
Out = Annotated[Path | None, typer.Option(help="The file to write; without it, a name is made of the template's.")]
Name = Annotated[str | None, typer.Option(help="What receipts call it; by default the file's name.")]
Status = Annotated[Path | None, typer.Option("--status", help="Say how a task model in use is doing.")]
Again = Annotated[bool, typer.Option("--again", help="With --status: switch it on again after it fell back.")]

MOST_NAMED = 8


def distil(
    logs: Logs = None,
    *,
    template: Which = None,
    list_: Listed = False,
    promise: Promise = 0.98,
    kind: OfKind = None,
    tolerance: Tolerance = None,
    labels: Labels = None,
    teacher: Teacher = None,
    budget: Spend = None,
    out: Out = None,
    name: Name = None,
    format_: Format = None,
    work: Work = None,
    status: Status = None,
    again: Again = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a task model of a log's most repetitive calls, which answers them where it is sure.

    Without --template, the templates of the log are listed. Nothing leaves this machine, unless --labels asks a model.
    """
    with reported(as_json=as_json):
        loaded = settings_of(settings)
        if status is not None:
            from greenai.cli import distil_status

            distil_status.show(status, loaded, again=again, as_json=as_json)
            return
        if not logs:
            raise typer.BadParameter("Name a log, such as calls.jsonl, or a file with --status.")
        _require_that_fit(labels, teacher, budget, kind, tolerance)
        if template is None and not list_:
            _only_listed({"--out": out, "--name": name, "--kind": kind, "--tolerance": tolerance, "--labels": labels})
        try:
            chosen, pairs = _read(logs, format_, work, None if list_ else template, as_json=as_json)
            if chosen is None or pairs is None:
                return
            target, asked = distil_file.target(out, chosen), None
            if labels is not None and teacher is not None:
                path = distil_labels.beside(target.path, work)
                wanted = distil_labels.Labels(count=labels, teacher=teacher, budget=budget, path=path)
                asked = distil_labels.asked(pairs, chosen, wanted, loaded, as_json=as_json)
                if asked is None:
                    return
                pairs = asked.pairs
            told = {"promise": promise, "kind": kind, "tolerance": tolerance, "teacher": teacher or _model(chosen)}
            made = _trained(pairs, name or target.path.stem, told, as_json=as_json)
            found = distil_told.worth_of(made, pairs, chosen, loaded, None if asked is None else asked.found)
            sha256 = distil_file.written(made, target)
            whole = distil_told.Made(
                trained=made, worth=found, pairs=pairs, target=target, sha256=sha256,
                model=_model(chosen) if asked is None else asked.teachers,
                repeats=tolerance is None and made.model.kind == "score",
                labels=None if asked is None else asked.to_dict(),
            )  # fmt: skip
            distil_told.tell(whole, as_json=as_json)
        except KeyboardInterrupt:
            kept = "" if labels is None else " What was answered is kept: the same line goes on."
            console(stderr=True).print(f"Stopped. No file was written.{kept}", markup=False)
            raise typer.Exit(130) from None


def _require_that_fit(
    labels: int | None, teacher: str | None, budget: str | None, kind: str | None, tolerance: float | None
) -> None:
    """Refuse options of which one makes no sense without, or beside, another."""
    if (labels is None) != (teacher is None) or (budget is not None and labels is None):
        raise typer.BadParameter('Asking a model takes both: --labels 200 --teacher openai/gpt-5.5; --budget "5Wh".')
    if kind not in (None, "score") and tolerance is not None:
        raise typer.BadParameter(f"--tolerance is for numbers, and --kind {kind} was given. Leave one of them out.")
    distil_labels.check(budget)


def _only_listed(options: Mapping[str, object]) -> None:
    """Refuse options that make a task model, where no template is named and the log is only listed."""
    given = next((option for option, value in options.items() if value is not None), None)
    if given is not None:
        raise typer.BadParameter(
            f"{given} is for making a task model: name its template, too, with --template. Without options the "
            "templates are listed."
        )


# --- reading --------------------------------------------------------------------------------


def _watched(*, as_json: bool) -> bool:
    return not as_json and sys.stderr.isatty()


def _read(
    logs: Sequence[Path], format_: str | None, work: Path | None, template: str | None, *, as_json: bool
) -> tuple[Candidate | None, Pairs | None]:
    """Read the log; list its templates where none is chosen, else return the one chosen and its pairs."""
    from greenai.audit import wording
    from greenai.distil.templates import reading

    with (
        bar("reading", watched=_watched(as_json=as_json)) as moved,
        reading([str(log) for log in logs], format=format_, folder=work, moved=moved) as log,
    ):
        found = log.templates()
        chosen = None if template is None else _chosen(found, template)
        pairs = None if chosen is None else log.pairs(chosen)
    for line in wording.unread(log.sources):
        console(stderr=True).print(plain(line), markup=False, soft_wrap=True)
    if chosen is None:
        _list(found, logs, format_, as_json=as_json)
    return chosen, pairs


def _chosen(found: Sequence[Candidate], which: str) -> Candidate:
    """Return the template with this id or number."""
    named = [one for one in found if which.lower() == one.id]
    named = named or [one for one in found if which.removeprefix("#") == str(one.number)]
    if len(named) == 1:
        return named[0]
    has = ", ".join(f"{one.number} ({one.id})" for one in sorted(found, key=lambda one: one.number)[:MOST_NAMED])
    why = f"{len(named)} templates have it, name one by its number" if named else f"the log has {has or 'none'}"
    raise typer.BadParameter(f"--template {which}: {why}. List them with --list.")


def _model(chosen: Candidate) -> str | None:
    return chosen.models[0] if chosen.models else None


# --- the list -------------------------------------------------------------------------------


def _list(found: Sequence[Candidate], logs: Sequence[Path], format_: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json([_candidate(one) for one in found])
        return
    from greenai.audit.labels import LEAST

    told = console()
    if not found:
        told.print(
            f"No template recurs in this log: a prompt that is the same but for some slots, {LEAST} times or more.",
            soft_wrap=True,
        )
        return
    for one in found:
        for line in _lines(one):
            told.print(plain(line), markup=False, soft_wrap=True)
    first = next((one for one in found if one.why_not is None), None) or next(
        (one for one in found if one.unanswered), None
    )
    if first is not None:
        line = f"Next: {command([str(log) for log in logs], format_, first.id)}{_options(first)}"
        told.print(line, markup=False, soft_wrap=True)


def _options(one: Candidate) -> str:
    """Return what the command that distils a template needs beside its id."""
    within = "" if one.tolerance is None else f" --tolerance {one.tolerance}"
    return within if one.why_not is None else f"{within} {_asks(one)}"


def _asks(one: Candidate) -> str:
    return f"--labels {one.unanswered} --teacher {_model(one) or 'MODEL'}"


def _lines(one: Candidate) -> Iterator[str]:
    from greenai.distil import worth

    skeleton = " ".join(one.template.skeleton.split())
    yield f"#{one.number} {one.id}  {skeleton if len(skeleton) <= 100 else skeleton[:97] + '...'}"
    answers = ", ".join([*(label for label, _ in one.labels[:4]), *(["..."] if len(one.labels) > 4 else [])])
    recur = f", {len(one.labels)} answers make up {one.share:.0%}: {answers}" if one.labels else ""
    if one.kind == "score":
        recur = ", whose answers are numbers: --tolerance says by how much two may differ and agree"
    if one.kind == "span":
        recur = f", {one.share:.0%} of the answers are copied out of the text"
    yield f"   {one.calls:,} calls{recur}"
    if one.unanswered:
        yield f"   {one.unanswered:,} prompts have no whole answer; the large model can be asked: {_asks(one)}"
    if one.why_not is not None:
        yield f"   Not distilled: {one.why_not}"
        return
    each = worth.before(one)
    if each.energy_j is None or each.low_j is None or each.high_j is None:
        yield f"   What a call takes is not known: {each.method}."
        return
    most = one.calls * one.share
    yield (
        f"   {_model(one)} takes {_span(each.energy_j, each.low_j, each.high_j)} a call: at most "
        f"{_span(*(most * end for end in (each.energy_j, each.low_j, each.high_j)))} of this log could be saved."
    )


def _span(middle: float, low: float, high: float) -> str:
    return f"{format_energy(middle)} ({format_energy(low)} to {format_energy(high)})"


def _candidate(one: Candidate) -> dict[str, Any]:
    from greenai.distil import worth

    each = worth.before(one)
    return {
        "template": one.number,
        "id": one.id,
        "skeleton": one.template.skeleton,
        "digest": one.template.digest,
        "calls": one.calls,
        "labels": dict(one.labels),
        "share": one.share,
        "models": list(one.models),
        "kind": one.kind,
        "tolerance": None if one.tolerance is None else float(one.tolerance),
        "why_not": one.why_not,
        "unanswered": one.unanswered,
        "call_j": each.energy_j,
        "call_low_j": each.low_j,
        "call_high_j": each.high_j,
    }


# --- making one -----------------------------------------------------------------------------


def _trained(pairs: Pairs, name: str, asking: dict[str, Any], *, as_json: bool) -> Trained:
    from greenai.distil import kinds

    with bar("training", watched=_watched(as_json=as_json)) as moved:
        progress = None if moved is None else partial(_moved, moved)
        return kinds.made(pairs, name=name, progress=progress, **asking)


def _moved(moved: Moved, step: str, share: float) -> None:
    moved("training", done=round(share * 100), total=100, said=step)
